"""Processes that make room for a measurement, and come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner_agent import journal
from runner_agent.aside import Aside, descendants, narrowed
from runner_agent.isolation import Register
from runner_agent.journal import Journal

CORES = tuple(sorted(os.sched_getaffinity(0)))
SIBLINGS = tuple((core,) for core in CORES)
WAIT_S = 60.0
# Threads and grandchildren, in a session of their own, that write as long as they run.
BUSY = """
import subprocess, sys, threading, time
def beat(name):
    while True:
        with open(name, "a") as file:
            file.write("x")
        time.sleep(0.01)
if len(sys.argv) == 2:
    subprocess.Popen([sys.executable, "-c", open(sys.argv[1] + "/script").read(), sys.argv[1], "child"],
                     start_new_session=True)
for number in range(3):
    threading.Thread(target=beat, args=(f"{sys.argv[1]}/{len(sys.argv)}-{number}",)).start()
"""
BEATS = tuple(f"{side}-{number}" for side in (2, 3) for number in range(3))


def never() -> None:
    """Nothing interrupts."""


def on(_frozen_s: float) -> None:
    """Nothing interrupts."""


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def busy(folder: Path) -> Iterator[int]:
    (folder / "script").write_text(BUSY)
    with subprocess.Popen((sys.executable, "-c", BUSY, str(folder))) as child:
        until(lambda: all((folder / name).exists() for name in BEATS))
        try:
            yield child.pid
        finally:
            for pid in descendants(child.pid):
                os.kill(pid, signal.SIGKILL)


def aside(folder: Path) -> Aside:
    return Aside(
        register=Register(folder / "quiet"),
        attempt_id="a",
        cores=CORES,
        leaf=None,
        journal=Journal(folder / "events.jsonl"),
    )


def beats(folder: Path) -> list[int]:
    return [(folder / name).stat().st_size for name in BEATS]


def cores_and_policies(pid: int) -> set[tuple[frozenset[int], int]]:
    threads = [int(name) for each in descendants(pid) for name in os.listdir(f"/proc/{each}/task")]
    assert len(threads) == 8
    return {(frozenset(os.sched_getaffinity(thread)), os.sched_getscheduler(thread)) for thread in threads}


@contextmanager
def measured(folder: Path, made: Aside, pid: int, isolation: str) -> Iterator[tuple[int, ...]]:
    """While another attempt measures, once this one has made room; its cores."""
    answers = Register(folder / "quiet", answer_limit_s=WAIT_S)

    def answer() -> None:
        made.look(pid)

    wanted = "quiet" if isolation == "quiet" else "shared"
    with answers.measure("b", wanted, SIBLINGS, answer, None) as mark:
        yield mark.cores


def test_every_thread_leaves_the_cores_at_idle_priority_and_gets_its_priority_back(tmp_path: Path) -> None:
    with busy(tmp_path) as pid:
        made = aside(tmp_path)
        assert not made.start(on).towards
        with measured(tmp_path, made, pid, "shared") as kept:
            left = frozenset(set(CORES) - set(kept)) or frozenset(CORES)
            assert cores_and_policies(pid) == {(left, os.SCHED_IDLE)}
        policy = os.SCHED_OTHER if os.geteuid() == 0 else os.SCHED_IDLE
        until(lambda: made.look(pid) == 0.0 and cores_and_policies(pid) == {(left, policy)})
        made.close()
    (told,) = journal.read(tmp_path / "events.jsonl")
    assert (told["event"], told["for"]) == ("moved-aside", ["b"])
    assert os.sched_getaffinity(0) == set(CORES)


@pytest.mark.parametrize(
    ("has", "wanted", "goes_to"),
    [
        ({0, 1, 2, 3}, (0, 1, 2), (0, 1, 2)),
        ({0, 1}, (0, 1, 2, 3), (0, 1)),
        ({0}, (0, 1), (0,)),
        ({3}, (0, 1, 2), (0,)),
        ({2, 3}, (0, 1, 2), (2,)),
    ],
)
def test_nothing_that_runs_ever_gets_more_cores_than_it_may_have_counted(
    has: set[int], wanted: tuple[int, ...], goes_to: tuple[int, ...]
) -> None:
    assert narrowed(has, wanted) == goes_to


def test_a_thread_that_moves_itself_back_is_moved_again(tmp_path: Path) -> None:
    with busy(tmp_path) as pid:
        made = aside(tmp_path)
        made.start(on)
        with measured(tmp_path, made, pid, "shared") as kept:
            left = set(CORES) - set(kept) or set(CORES)
            os.sched_setaffinity(pid, CORES)

            def moved() -> bool:
                made.look(pid)
                return os.sched_getaffinity(pid) == left

            until(moved)
        made.close()


def test_in_quiet_nothing_runs_until_it_is_over_and_the_time_is_told(tmp_path: Path) -> None:
    with busy(tmp_path) as pid:
        made = aside(tmp_path)
        made.start(on)
        with measured(tmp_path, made, pid, "quiet"):
            assert made.frozen
            before = beats(tmp_path)
            until(lambda: made.look(pid) > 0.0)
            assert beats(tmp_path) == before
        until(lambda: made.look(pid) >= 0.0 and not made.frozen)
        until(lambda: all(now > then for now, then in zip(beats(tmp_path), before, strict=True)))
        made.close()
    (told,) = journal.read(tmp_path / "events.jsonl")
    assert (told["event"], told["for"]) == ("frozen", ["b"])
    assert made.frozen_s > 0.0


def test_a_command_that_is_closed_while_frozen_goes_on(tmp_path: Path) -> None:
    with busy(tmp_path) as pid:
        made = aside(tmp_path)
        made.start(on)
        with measured(tmp_path, made, pid, "quiet"):
            before = beats(tmp_path)
            made.close()
            until(lambda: all(now > then for now, then in zip(beats(tmp_path), before, strict=True)))
        made.close()


def test_a_command_is_not_begun_while_it_would_be_frozen_and_answers_meanwhile(tmp_path: Path) -> None:
    made = aside(tmp_path)
    register = Register(tmp_path / "quiet", answer_limit_s=0)
    spent: list[float] = []

    def check(frozen_s: float) -> None:
        spent.append(frozen_s)
        if len(spent) == 2:
            assert register.present() == (("a", made_towards),)
            holding.__exit__(None, None, None)

    holding = register.measure("b", "quiet", SIBLINGS, never, None)
    mark = holding.__enter__()
    made_towards = (mark.name,)
    assert not made.start(check).towards
    assert len(spent) == 2
    assert made.frozen_s == sum(spent) > 0.0
    made.close()


def test_what_was_stopped_before_stays_stopped(tmp_path: Path) -> None:
    with busy(tmp_path) as pid:
        os.kill(pid, signal.SIGSTOP)
        until(lambda: state(pid) == "T")
        made = aside(tmp_path)
        made.start(on)
        with measured(tmp_path, made, pid, "quiet"):
            pass
        made.close()
        (child,) = set(descendants(pid)) - {pid}
        until(lambda: state(child) != "T")
        assert state(pid) == "T"


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
