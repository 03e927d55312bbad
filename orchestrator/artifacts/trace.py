"""An episode on a time line, in Chrome's trace event format, which Perfetto reads too.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU: complete events (`ph` X) with `ts` and
`dur` in microseconds, and metadata (`ph` M) that names processes and threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from orchestrator.artifacts.dispatches import Part, Row, rows
from orchestrator.scoring.evidence import Event, Evidence, Side, SmokeRound

# A trace is for looking at; the table beside it is complete.
MOST_DISPATCHES = 50_000

ATTEMPT = 1
STAGES, TURNS, GATES, ROUNDS = 1, 2, 3, 4
GPU_PID: dict[Side, int] = {"baseline": 2, "candidate": 3}
PROCESSES = {ATTEMPT: "attempt", **{pid: f"GPU, {side}" for side, pid in GPU_PID.items()}}
THREADS = {STAGES: "stages", TURNS: "turns", GATES: "gates", ROUNDS: "smoke rounds"}

Slice = dict[str, Any]


def trace(evidence: Evidence, parts: Sequence[Part]) -> dict[str, Any]:
    """Stages, turns, waits at gates and smoke rounds by the clock, and each round's dispatches one after the other.

    A smoke log tells how long each dispatch took and not when, so within a round they stand in sequence from the
    round's start, each after its bubble. Times from the first event of the journal; slices in the order of time.
    """
    clock = _Clock(evidence.events)
    # What another episode measured did not happen in this one.
    reused = any(event.event == "smoke-reused" for event in evidence.events)
    shown = [] if reused else list(itertools.islice(rows(parts), MOST_DISPATCHES))
    slices = [
        *_between(evidence.events, clock, "stage-started", "stage-finished", STAGES, _stage),
        *_between(evidence.events, clock, "turn-started", "turn-finished", TURNS, _turn),
        *_before(evidence.events, clock),
        *_dispatches(_round_starts(evidence, clock), shown),
    ]
    names = [_name("process_name", pid, 0, name) for pid, name in PROCESSES.items()]
    threads = [_name("thread_name", ATTEMPT, tid, name) for tid, name in THREADS.items()]
    gpu = dict.fromkeys((GPU_PID[row.side], row.round) for row in shown)
    rounds = [_name("thread_name", pid, number, f"round {number}") for pid, number in gpu]
    return {
        "displayTimeUnit": "ms",
        "otherData": {"dispatches_left_out": sum(len(part.name) for part in parts) - len(shown)},
        # The longer of two that begin together is the outer one.
        "traceEvents": [*names, *threads, *rounds, *sorted(slices, key=lambda each: (each["ts"], -each["dur"]))],
    }


class _Clock:
    """Microseconds since the first event; times that cannot be read count as the start."""

    def __init__(self, events: tuple[Event, ...]) -> None:
        self._start = next((time for event in events if (time := _time(event.at))), None)

    def us(self, at: str) -> float:
        time = _time(at)
        if time is None or self._start is None:
            return 0.0
        return max((time - self._start).total_seconds() * 1e6, 0.0)


def _between(
    events: tuple[Event, ...], clock: _Clock, begins: str, ends: str, tid: int, called: Callable[[Event], str]
) -> Iterator[Slice]:
    """A slice from each event of the first kind to the next of the second that is of the same name."""
    started: dict[str, str] = {}
    for event in events:
        if event.event == begins:
            started[called(event)] = event.at
        elif event.event == ends and (name := called(event)) in started:
            begin = clock.us(started.pop(name))
            told = {"result": str(event.data.get("result", ""))}
            yield _slice(name, THREADS[tid].rstrip("s"), begin, clock.us(event.at) - begin, ATTEMPT, tid, told)


def _stage(event: Event) -> str:
    return str(event.data.get("stage", ""))


def _turn(event: Event) -> str:
    return f"session {event.data.get('session', '?')} turn {event.data.get('turn', '?')}"


def _before(events: tuple[Event, ...], clock: _Clock) -> Iterator[Slice]:
    """What is journalled when it is over, with the seconds that it took."""
    for event in events:
        told = dict(event.data)
        if event.event == "gate-waited":
            name, key, tid = f"wait for {told.get('gate', 'gate')}", "seconds", GATES
        elif event.event == "gate-released":
            name, key, tid = f"hold {told.get('gate', 'gate')}", "held_s", GATES
        elif event.event == "smoke-round" and not told.get("reused"):
            name, key, tid = f"{told.get('side', '')} {told.get('round', '')}".strip(), "seconds", ROUNDS
        else:
            continue
        duration = _us(told.get(key))
        kind = "gate" if tid == GATES else "round"
        yield _slice(name, kind, max(clock.us(event.at) - duration, 0.0), duration, ATTEMPT, tid, told)


def _round_starts(evidence: Evidence, clock: _Clock) -> dict[tuple[int, Side], float]:
    """When each run of the smoke command began, as the runner wrote down, or else as its end and its seconds tell."""
    ended = {
        (event.data.get("round"), event.data.get("side")): clock.us(event.at) - _us(event.data.get("seconds"))
        for event in evidence.events
        if event.event == "smoke-round"
    }

    def start(run: SmokeRound) -> float:
        return clock.us(run.at) if run.at else max(ended.get((run.round, run.side), 0.0), 0.0)

    return {(run.round, run.side): start(run) for run in reversed(evidence.rounds)}


def _dispatches(starts: dict[tuple[int, Side], float], shown: Sequence[Row]) -> Iterator[Slice]:
    cursors: dict[tuple[int, Side], float] = {}
    for row in shown:
        key = (row.round, row.side)
        begin = cursors.get(key, starts.get(key, 0.0)) + (row.bubble_ns or 0) / 1000
        length = (row.shader_ns or 0) / 1000
        cursors[key] = begin + length
        told = {"seq": row.seq, "bubble_ns": row.bubble_ns, "submit_ns": row.submit_ns}
        yield _slice(row.name, "dispatch", begin, length, GPU_PID[row.side], row.round, told)


def _slice(name: str, category: str, begin: float, duration: float, pid: int, tid: int, told: dict[str, Any]) -> Slice:
    times = {"ts": round(begin, 3), "dur": round(max(duration, 0.0), 3)}
    return {"ph": "X", "name": name, "cat": category, **times, "pid": pid, "tid": tid, "args": told}


def _name(kind: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": {"name": name}}


def _us(seconds: object) -> float:
    """Seconds of the journal in microseconds; 0 for what is none."""
    return min(seconds, 1e9) * 1e6 if isinstance(seconds, (int, float)) and seconds > 0 else 0.0


def _time(at: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(at)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
