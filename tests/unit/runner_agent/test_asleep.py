"""The mark that a machine is about to sleep: when it stands, and when it is void."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner_agent import asleep
from runner_agent.asleep import Mark, Moment
from runner_agent.home import Home
from runner_agent.protocol import SuspendRequest
from runner_agent.refusal import Refused

MARK = Mark(
    token="t", how="suspend", at="2026-01-01T00:00:00.000Z", boot_id="b", boottime_s=1000.0, slept_s=50.0, limit_s=120.0
)
AT_ONCE = Moment(boot_id="b", boottime_s=1000.0, slept_s=50.0)


@pytest.mark.parametrize(
    ("now", "stands"),
    [
        (AT_ONCE, True),
        (replace(AT_ONCE, boottime_s=1119.0), True),
        (replace(AT_ONCE, slept_s=50.001), True),
        (replace(AT_ONCE, boot_id="c", boottime_s=10.0, slept_s=0.0), False),
        (replace(AT_ONCE, boot_id="c"), False),
        (replace(AT_ONCE, boottime_s=1004.0, slept_s=53.0), False),
        (replace(AT_ONCE, boottime_s=1120.0), False),
        (replace(AT_ONCE, boottime_s=999.0), False),
    ],
    ids=[
        "at once",
        "still on its way",
        "no sleep: two clocks read one after the other",
        "another boot",
        "another boot of the same age",
        "it has slept",
        "it did not fall asleep in good time",
        "a boot that is younger than the mark",
    ],
)
def test_a_mark_stands_until_the_machine_has_slept_or_should_have(now: Moment, stands: bool) -> None:
    assert asleep.stands(MARK, now) is stands


def test_nobody_can_ask_for_a_mark_that_stands_for_ever() -> None:
    mark = replace(MARK, limit_s=1e9)
    assert not asleep.stands(mark, replace(AT_ONCE, boottime_s=1000.0 + asleep.LIMIT_MOST_S))


def test_a_launch_is_refused_while_it_stands_and_taken_once_it_is_lifted(tmp_path: Path) -> None:
    home = Home(tmp_path)
    asleep.check(home)
    asleep.set_mark(home, SuspendRequest(how="power-off", token="t"))
    with pytest.raises(Refused, match="about to sleep") as refused:
        asleep.check(home)
    assert refused.value.kind == "suspending"
    asleep.lift(home, "another wish")
    with pytest.raises(Refused):
        asleep.check(home)
    asleep.lift(home, "t")
    asleep.check(home)


def test_a_damaged_mark_is_none(tmp_path: Path) -> None:
    (tmp_path / "asleep").write_text("{")
    asleep.check(Home(tmp_path))
