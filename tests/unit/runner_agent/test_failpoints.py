"""When a process of the runner takes its own life."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from runner_agent import failpoints
from runner_agent.home import Home


@pytest.mark.parametrize(
    ("text", "action", "left"),
    [
        ("pull-midway kill\n", signal.SIGKILL, ""),
        ("pull-midway stop\n", signal.SIGSTOP, ""),
        ("pull-midway kill 1\n", signal.SIGKILL, ""),
        ("pull-midway kill 3\n", None, "pull-midway kill 2\n"),
        ("exit-after-record kill\npull-midway kill\n", signal.SIGKILL, "exit-after-record kill\n"),
        # The first of two lines counts; the other waits for its turn.
        ("pull-midway kill\npull-midway stop\n", signal.SIGKILL, "pull-midway stop\n"),
        ("exit-after-record kill\n", None, None),
        ("pull-midway\n", None, None),
        ("pull-midway laugh\n", None, None),
        ("", None, None),
    ],
)
def test_a_line_fires_once_at_its_time(text: str, action: signal.Signals | None, left: str | None) -> None:
    assert failpoints.pass_by(text, "pull-midway") == (action, left)


def test_without_a_file_nothing_happens_and_nothing_is_made(tmp_path: Path) -> None:
    failpoints.reach(Home(tmp_path), "pull-midway")
    failpoints.reach(Home(tmp_path / "absent"), "pull-midway")
    assert list(tmp_path.iterdir()) == []


def test_counting_down_is_kept_for_the_next_process(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.failpoints.write_text("pull-midway kill 3\n")
    failpoints.reach(home, "pull-midway")
    failpoints.reach(home, "exit-after-record")
    assert home.failpoints.read_text() == "pull-midway kill 2\n"


def test_a_name_that_is_in_no_table_is_a_fault_of_the_program(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no-such-point"):
        failpoints.reach(Home(tmp_path), "no-such-point")
