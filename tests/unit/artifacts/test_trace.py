"""The trace of an episode: what Perfetto asks of it, and what it shows."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.artifacts.dispatches import Part
from orchestrator.artifacts.trace import GPU_PID, trace
from orchestrator.scoring.evidence import Event, Evidence, SmokeRound

NOW = "2026-03-01T12:0{}:00Z"


def event(minute: int, name: str, **data: object) -> Event:
    return Event(seq=minute, at=NOW.format(minute), event=name, data=data)


EVENTS = (
    event(0, "attempt-started"),
    event(0, "stage-started", stage="session"),
    event(0, "turn-started", session=1, turn=1),
    event(2, "turn-finished", session=1, turn=1, result="ok"),
    event(3, "stage-finished", stage="session", result="ok"),
    event(3, "stage-started", stage="smoke"),
    event(4, "gate-waited", gate="gpu", seconds=60.0),
    event(5, "smoke-round", round=1, side="candidate", seconds=30.0),
    event(6, "gate-released", gate="gpu", held_s=120.0),
    event(6, "stage-finished", stage="smoke", result="ok"),
)
PART = Part(
    round=1,
    side="candidate",
    seq=[1, 2],
    name=["a", "b"],
    bubble_ns=[1000, 2000],
    shader_ns=[5000, 6000],
    submit_ns=None,
)
EVIDENCE = Evidence(events=EVENTS, rounds=(SmokeRound(round=1, side="candidate", exit_code=0, tok_s=50.0),))


def slices(made: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {each["name"]: (each["ts"], each["dur"]) for each in made["traceEvents"] if each["ph"] == "X"}


def test_stages_turns_waits_and_rounds_stand_where_the_clock_says() -> None:
    shown = slices(trace(EVIDENCE, ()))
    assert shown == {
        "session": (0.0, 180e6),
        "session 1 turn 1": (0.0, 120e6),
        "smoke": (180e6, 180e6),
        "wait for gpu": (180e6, 60e6),
        "hold gpu": (240e6, 120e6),
        "candidate 1": (270e6, 30e6),
    }


def test_dispatches_follow_each_other_inside_their_round() -> None:
    shown = slices(trace(EVIDENCE, (PART,)))
    assert shown["a"] == (270e6 + 1, 5.0)
    assert shown["b"] == (270e6 + 8, 6.0)


def test_each_process_and_thread_that_holds_a_slice_has_a_name() -> None:
    made = trace(EVIDENCE, (PART,))["traceEvents"]
    named = {(each["pid"], each["tid"]) for each in made if each["name"] == "thread_name"}
    assert {(each["pid"], each["tid"]) for each in made if each["ph"] == "X"} <= named
    assert {1, *GPU_PID.values()} == {each["pid"] for each in made if each["name"] == "process_name"}


anything = st.one_of(st.none(), st.text(max_size=5), st.integers(), st.floats())
times = st.one_of(st.just(""), st.text(max_size=5), st.sampled_from([NOW.format(n) for n in range(10)]))
kinds = st.sampled_from(sorted({each.event for each in EVENTS}))
keys = st.sampled_from(["stage", "seconds", "held_s", "gate", "round", "side", "session", "turn", "result"])
events = st.builds(Event, seq=st.integers(), at=times, event=kinds, data=st.dictionaries(keys, anything))
u64 = st.one_of(st.none(), st.integers(0, 2**64 - 1))


@given(st.lists(events), st.lists(st.tuples(u64, u64, u64)))
def test_whatever_the_journal_holds_the_slices_are_finite_and_in_order(
    journal: list[Event], told: list[tuple[int | None, int | None, int | None]]
) -> None:
    columns = list(zip(*told, strict=True)) or [(), (), ()]
    part = Part(
        round=1,
        side="candidate",
        seq=columns[0],
        name=["n"] * len(told),
        bubble_ns=columns[1],
        shader_ns=columns[2],
        submit_ns=None,
    )
    made = trace(Evidence(events=tuple(journal)), (part,))["traceEvents"]
    shown = [each for each in made if each["ph"] == "X"]
    assert {each["ph"] for each in made} <= {"M", "X"}
    assert all(math.isfinite(each["ts"]) and each["ts"] >= 0 and each["dur"] >= 0 for each in shown)
    assert [each["ts"] for each in shown] == sorted(each["ts"] for each in shown)
    assert all(isinstance(each[key], int) for each in made for key in ("pid", "tid"))


def test_what_another_episode_measured_is_on_no_time_line_of_this_one() -> None:
    told = event(5, "smoke-round", round=1, side="candidate", seconds=30.0, reused=True)
    reused = (event(5, "smoke-reused", attempt="a-1"), told)
    shown = trace(Evidence(events=(*EVENTS[:6], *reused, *EVENTS[9:])), (PART,))
    assert sorted(slices(shown)) == ["session", "session 1 turn 1", "smoke"]
