"""The dispatches of the smoke runs as a table and as a trace."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.scoring.evidence import Event, Evidence, Side, SmokeRound

# A trace is for looking at; the table beside it is complete.
MOST_TRACE_DISPATCHES = 50_000

STAGES_PID = 1
NUMBERS = ("seq", "bubble_ns", "shader_ns", "submit_ns")
GPU_PID: dict[Side, int] = {"baseline": 2, "candidate": 3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One dispatch; times in nanoseconds, None where the format does not tell them."""

    round: int
    side: Side
    seq: int | None
    name: str
    bubble_ns: int | None
    shader_ns: int | None
    submit_ns: int | None


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some dispatches of one smoke log in order, as columns of equal length; a column that the format does not tell is
    None. Numbers fit 64 bits."""

    round: int
    side: Side
    seq: Sequence[int | None] | None
    name: Sequence[str]
    bubble_ns: Sequence[int | None] | None
    shader_ns: Sequence[int | None] | None
    submit_ns: Sequence[int | None] | None

    def rows(self) -> Iterator[Row]:
        """Each dispatch by itself."""
        columns = (getattr(self, key) or itertools.repeat(None) for key in NUMBERS)
        for name, seq, bubble_ns, shader_ns, submit_ns in zip(self.name, *columns, strict=False):
            yield Row(
                round=self.round,
                side=self.side,
                seq=seq,
                name=name,
                bubble_ns=bubble_ns,
                shader_ns=shader_ns,
                submit_ns=submit_ns,
            )


def rows(parts: Iterable[Part]) -> Iterator[Row]:
    """Every dispatch, in the order of rounds and lines."""
    return (row for part in parts for row in part.rows())


def parquet(parts: Sequence[Part]) -> bytes:
    """The dispatches as Parquet; the same ones give the same bytes."""
    import pyarrow
    from pyarrow import parquet as format_

    schema = pyarrow.schema(
        [
            pyarrow.field("round", pyarrow.int32(), nullable=False),
            pyarrow.field("side", pyarrow.string(), nullable=False),
            pyarrow.field("seq", pyarrow.uint64()),
            pyarrow.field("name", pyarrow.string(), nullable=False),
            pyarrow.field("bubble_ns", pyarrow.uint64()),
            pyarrow.field("shader_ns", pyarrow.uint64()),
            pyarrow.field("submit_ns", pyarrow.uint64()),
        ]
    )
    columns = {
        "round": [part.round for part in parts for _ in part.name],
        "side": [part.side for part in parts for _ in part.name],
        "name": [name for part in parts for name in part.name],
        **{key: list(itertools.chain.from_iterable(_filled(part, key) for part in parts)) for key in NUMBERS},
    }
    sink = io.BytesIO()
    table = pyarrow.table([pyarrow.array(columns[each.name], each.type) for each in schema], schema=schema)
    format_.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _filled(part: Part, key: str) -> Sequence[int | None]:
    column: Sequence[int | None] | None = getattr(part, key)
    return [None] * len(part.name) if column is None else column


def trace(evidence: Evidence, parts: Sequence[Part]) -> dict[str, Any]:
    """Chrome's trace event format: the stages by the clock, and each round's dispatches one after the other.

    A smoke log tells how long each dispatch took and not when, so within a round they stand in sequence from the
    round's start, each after its bubble. Times in microseconds from the first event of the journal.
    """
    clock = _Clock(evidence.events)
    shown = list(itertools.islice(rows(parts), MOST_TRACE_DISPATCHES))
    names = {STAGES_PID: "stages", **{pid: f"GPU, {side}" for side, pid in GPU_PID.items()}}
    return {
        "displayTimeUnit": "ms",
        "otherData": {"dispatches_left_out": sum(len(part.name) for part in parts) - len(shown)},
        "traceEvents": [
            *(
                {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}}
                for pid, name in names.items()
            ),
            *_stage_slices(evidence.events, clock),
            *_dispatch_slices(evidence.rounds, shown, clock),
        ],
    }


class _Clock:
    """Microseconds since the first event; times that cannot be read count as the start."""

    def __init__(self, events: tuple[Event, ...]) -> None:
        self._start = next((time for event in events if (time := _time(event.at))), None)

    def us(self, at: str) -> float:
        time = _time(at)
        if time is None or self._start is None:
            return 0.0
        return (time - self._start).total_seconds() * 1e6


def _stage_slices(events: tuple[Event, ...], clock: _Clock) -> Iterator[dict[str, Any]]:
    started: dict[str, str] = {}
    for event in events:
        stage = str(event.data.get("stage", ""))
        if event.event == "stage-started":
            started[stage] = event.at
        elif event.event == "stage-finished" and stage in started:
            begin = clock.us(started.pop(stage))
            duration = max(clock.us(event.at) - begin, 0.0)
            result = {"result": str(event.data.get("result", ""))}
            yield _slice(stage, "stage", begin, duration, STAGES_PID, 1, result)


def _dispatch_slices(rounds: tuple[SmokeRound, ...], table: Sequence[Row], clock: _Clock) -> Iterator[dict[str, Any]]:
    starts = {(run.round, run.side): clock.us(run.at) for run in reversed(rounds)}
    cursors: dict[tuple[int, Side], float] = {}
    for row in table:
        key = (row.round, row.side)
        begin = cursors.get(key, starts.get(key, 0.0)) + (row.bubble_ns or 0) / 1000
        length = (row.shader_ns or 0) / 1000
        cursors[key] = begin + length
        told = {"seq": row.seq, "bubble_ns": row.bubble_ns, "submit_ns": row.submit_ns}
        yield _slice(row.name, "dispatch", begin, length, GPU_PID[row.side], row.round, told)


def _slice(
    name: str, category: str, begin: float, duration: float, pid: int, tid: int, told: dict[str, Any]
) -> dict[str, Any]:
    times = {"ts": round(begin, 3), "dur": round(duration, 3)}
    return {"ph": "X", "name": name, "cat": category, **times, "pid": pid, "tid": tid, "args": told}


def _time(at: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(at)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
