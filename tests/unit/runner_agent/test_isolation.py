"""Who measures, on which cores, and what everybody else does meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent import journal
from runner_agent.isolation import Cores, Mark, Register, Standing, keep, presence, standing
from runner_agent.journal import Journal

FOUR = ((0,), (1,), (2,), (3,))
SIBLINGS = st.lists(st.integers(1, 4), min_size=1, max_size=40).map(
    lambda sizes: tuple(tuple(range(sum(sizes[:n]), sum(sizes[: n + 1]))) for n in range(len(sizes)))
)
HOLDER = """
import sys, time
from pathlib import Path
from runner_agent.isolation import Register
with Register(Path(sys.argv[1])).measure("b", "quiet", ((0,), (1,)), lambda: None, None):
    print("begun", flush=True)
    time.sleep(600)
"""


def never() -> None:
    """Nothing interrupts."""


@pytest.mark.parametrize(
    ("siblings", "taken", "kept"),
    [
        ((), (), ()),
        (((0,),), (), ()),
        (((0,), (1,)), (), (1,)),
        (((0,), (1,)), (1,), (1,)),
        (((0, 1),), (), (1,)),
        (FOUR, (), (3,)),
        (FOUR, (3,), (2,)),
        (FOUR, (2, 3), (3,)),
        (((0, 4), (1, 5), (2, 6), (3, 7)), (), (3, 7)),
        (tuple((core,) for core in range(16)), (), (12, 13, 14, 15)),
    ],
)
def test_whole_cores_are_kept_one_in_four_and_half_the_machine_is_left(
    siblings: tuple[Cores, ...], taken: Cores, kept: Cores
) -> None:
    assert keep(siblings, taken) == kept


@given(SIBLINGS, st.integers(0, 5))
def test_however_many_measure_something_is_left_and_no_core_is_split(siblings: tuple[Cores, ...], holders: int) -> None:
    taken: tuple[int, ...] = ()
    for _ in range(holders):
        taken += keep(siblings, taken)
    everything = {core for group in siblings for core in group}
    assert set(taken) < everything or not taken
    if len(siblings) > 1:
        assert all(set(group) <= set(taken) or not set(group) & set(taken) for group in siblings)
        assert sum(bool(set(group) & set(taken)) for group in siblings) <= max(1, len(siblings) // 2)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ((), Standing()),
        (
            (Mark(name="b.1", attempt="b", isolation="shared", cores=(3,)),),
            Standing(cores=(0, 1, 2), idle=True, towards=("b.1",), attempts=("b",)),
        ),
        (
            (Mark(name="b.1", attempt="b", isolation="shared", cores=()),),
            Standing(idle=True, towards=("b.1",), attempts=("b",)),
        ),
        (
            (
                Mark(name="c.1", attempt="c", isolation="quiet", cores=(2,)),
                Mark(name="b.1", attempt="b", isolation="shared", cores=(3,)),
            ),
            Standing(cores=(0, 1), idle=True, frozen=True, towards=("b.1", "c.1"), attempts=("b", "c")),
        ),
    ],
)
def test_those_who_do_not_measure_leave_the_cores_and_stand_still_if_anybody_asks(
    marks: tuple[Mark, ...], expected: Standing
) -> None:
    assert standing((0, 1, 2, 3), marks) == expected


def test_a_measurement_is_known_as_long_as_it_lasts_and_is_journalled(tmp_path: Path) -> None:
    register, book = Register(tmp_path / "quiet"), Journal(tmp_path / "events.jsonl")
    with register.measure("a", "shared", FOUR, never, book) as mark:
        assert register.marks() == (mark,)
        assert (mark.attempt, mark.isolation, mark.cores) == ("a", "shared", (3,))
        with register.measure("b", "shared", FOUR, never, None) as second:
            assert second.cores == (2,)
    assert register.marks() == ()
    begun, ended = journal.read(tmp_path / "events.jsonl")
    assert (begun["event"], begun["cores"], begun["made_room"], begun["did_not"]) == ("isolation-begun", [3], [], [])
    assert (ended["event"], ended["sharing"]) == ("isolation-ended", [])


def test_a_measurement_begins_once_all_others_have_made_room(tmp_path: Path) -> None:
    register, book = Register(tmp_path / "quiet", answer_limit_s=60), Journal(tmp_path / "events.jsonl")
    own, other = register.enter("a"), register.enter("b")
    begun = threading.Event()

    def measure() -> None:
        with register.measure("a", "shared", FOUR, never, book):
            begun.set()

    measuring = threading.Thread(target=measure)
    measuring.start()
    while not (marks := register.marks()):
        pass
    assert not begun.is_set()
    other.write(presence("b", (marks[0].name,)))
    measuring.join(60)
    assert begun.is_set()
    first, last = journal.read(tmp_path / "events.jsonl")
    assert (first["made_room"], first["did_not"], last["sharing"]) == (["b"], [], ["b"])
    own.leave()
    other.leave()
    assert register.present() == ()


def test_one_that_does_not_answer_is_named_and_not_waited_for_without_end(tmp_path: Path) -> None:
    register, book = Register(tmp_path / "quiet", answer_limit_s=0), Journal(tmp_path / "events.jsonl")
    notice = register.enter("deaf")
    with register.measure("a", "quiet", FOUR, never, book):
        pass
    notice.leave()
    assert journal.read(tmp_path / "events.jsonl")[0]["did_not"] == ["deaf"]


def test_who_is_interrupted_while_it_waits_for_answers_measures_no_more(tmp_path: Path) -> None:
    register = Register(tmp_path / "quiet")
    notice = register.enter("deaf")

    def interrupt() -> None:
        if register.marks():
            raise InterruptedError

    with pytest.raises(InterruptedError), register.measure("a", "quiet", FOUR, interrupt, None):
        pass
    assert register.marks() == ()
    notice.leave()


def test_a_holder_that_is_killed_measures_no_more(tmp_path: Path) -> None:
    register = Register(tmp_path / "quiet")
    argv = (sys.executable, "-c", HOLDER, str(tmp_path / "quiet"))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"begun\n"
        assert [mark.attempt for mark in register.marks()] == ["b"]
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert register.marks() == ()
        assert list((tmp_path / "quiet" / "measuring").iterdir()) == []
