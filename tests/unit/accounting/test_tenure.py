"""What an attempt held of its machine, from the lines of its journal."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.accounting.tenure import TOLD, Tenure, Told, holds
from tests.unit.planning.builders import NOW

UNTIL = 1000.0


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def told(seconds: float, event: str, /, **data: Any) -> Told:
    return Told(at=at(seconds), event=event, data=data)


def held(*lines: Told, ended: float | None = None, until: float = UNTIL) -> list[tuple[str, str, float, float]]:
    """What, of which stage or device, from and to, in seconds."""
    tenure = Tenure(
        episode_id="e1", attempt_id="a1", start=NOW, ended=at(ended) if ended is not None else None, told=lines
    )
    return [
        (hold.what, hold.phase or hold.device, (hold.start - NOW).total_seconds(), (hold.end - NOW).total_seconds())
        for hold in holds(tenure, at(until))
    ]


def test_one_that_was_only_launched_holds_its_slot_for_as_long_as_it_lives() -> None:
    assert held() == [("slot", "", 0, 1000)]


def test_a_slot_is_held_stage_by_stage() -> None:
    lines = (
        told(10, "stage-started", stage="checkout"),
        told(20, "stage-finished", stage="checkout"),
        told(20, "stage-started", stage="session"),
        told(80, "stage-finished", stage="session"),
        told(90, "attempt-ended", reason="completed"),
    )
    assert held(*lines, ended=120) == [
        ("slot", "", 0, 10),
        ("slot", "checkout", 10, 20),
        ("slot", "session", 20, 80),
        ("slot", "", 80, 90),
    ]


def test_a_stage_that_was_left_out_is_none_that_it_was_in() -> None:
    lines = (told(10, "stage-started", stage="build"), told(15, "stage-finished", stage="lint"))
    assert held(*lines, until=30) == [("slot", "", 0, 10), ("slot", "build", 10, 30)]


def test_a_gate_is_held_from_when_it_was_taken_and_for_as_long_as_the_journal_says() -> None:
    lines = (
        told(10, "gate-waited", gate="build", seconds=9.0),
        told(50, "gate-released", gate="build", held_s=40.0),
        told(60, "gate-waited", gate="gpu-00", seconds=1.0),
        told(70, "gate-released", gate="gpu-00", held_s=10.0),
        told(80, "gate-waited", gate="gpu", seconds=1.0),
    )
    assert held(*lines, until=100)[1:] == [("build", "", 10, 50), ("gpu", "gpu-00", 60, 70), ("gpu", "", 80, 100)]


def test_a_gate_that_was_never_given_back_was_held_to_the_attempts_end() -> None:
    assert held(told(10, "gate-waited", gate="gpu"), ended=30)[1:] == [("gpu", "", 10, 30)]


def test_what_was_measured_for_another_attempt_held_no_gate_of_this_one() -> None:
    lines = (told(60, "gate-released", gate="gpu", held_s=50.0, reused=True), told(70, "gate-waited", gate="other"))
    assert held(*lines, ended=80) == [("slot", "", 0, 80)]


@pytest.mark.parametrize(
    ("lines", "ended", "over"),
    [
        ((), 50.0, 50),
        ((told(40, "attempt-ended"),), 50.0, 40),
        ((told(40, "attempt-ended"),), None, 40),
        # It was declared dead, and ran on.
        ((told(90, "attempt-ended"),), 50.0, 50),
        # It was graded after all.
        ((told(40, "attempt-ended"), told(60, "grading-resumed")), None, 1000),
        ((told(40, "attempt-ended"), told(60, "grading-resumed"), told(70, "attempt-ended")), None, 70),
    ],
)
def test_the_machine_is_given_back_when_the_journal_or_the_orchestrator_says_so(
    lines: tuple[Told, ...], ended: float | None, over: float
) -> None:
    assert held(*lines, ended=ended)[-1][-1] == over


events = st.builds(
    told,
    st.integers(-500, 1500),
    st.sampled_from(TOLD),
    stage=st.sampled_from(("build", "session", "", 7)),
    gate=st.sampled_from(("gpu", "gpu-00", "build", "x", None)),
    held_s=st.one_of(st.floats(-10, 2000), st.just("long"), st.just(float("nan"))),
)


@given(lines=st.lists(events, max_size=8), ended=st.one_of(st.none(), st.integers(0, 1500)), cut=st.integers(0, 1000))
def test_whatever_a_journal_says_nothing_is_held_outside_the_attempt_and_a_slot_once_at_a_time(
    lines: list[Told], ended: float | None, cut: float
) -> None:
    found = held(*lines, ended=ended, until=cut)
    last = min(cut, ended if ended is not None else cut)
    assert all(0 <= start < end <= last for *_, start, end in found)
    slots = [each for each in found if each[0] == "slot"]
    assert all(before[3] <= after[2] for before, after in pairwise(slots))
