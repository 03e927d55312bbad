"""Reads the smoke logs of an episode once: a campaign's own expression in a child and under a clock, since Python's
`re` may try for hours and would hold every thread of this process meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import runner_agent
from orchestrator.artifacts.dispatches import Part
from orchestrator.scoring.evidence import Evidence, SmokeLog
from orchestrator.scoring.reading import LogReading, digest
from orchestrator.scoring.specification import Specification
from runner_agent import timed
from runner_agent.measure import dispatches, formats, throughput
from runner_agent.measure.dispatches import Batch
from runner_agent.measure.formats import Kind
from runner_agent.measure.text import Faults
from runner_agent.measure.throughput import Throughput

_CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from runner_agent.timed import main; sys.exit(main())"


def read(evidence: Evidence, spec: Specification) -> tuple[Evidence, tuple[Part, ...]]:
    """The evidence with what each smoke log holds, and its dispatches in the order of rounds and lines."""
    parts: list[Part] = []
    logs = [replace(log, reading=_read(log, spec, parts)) for log in evidence.logs]
    return replace(evidence, logs=tuple(logs)), tuple(parts)


def _read(log: SmokeLog, spec: Specification, parts: list[Part]) -> LogReading:
    found, told = Faults(), Faults()
    stopped: list[str] = []
    batches = _batches(log.text, spec.dispatches, found, stopped)
    samples = _samples(log.text, spec.throughput, told, stopped)
    reading = digest(log.text, _kept(log, batches, parts), samples, (found, told))
    return replace(reading, stopped="; ".join(dict.fromkeys(stopped)))


def _batches(text: str, fmt: str, faults: Faults, stopped: list[str]) -> Iterator[Batch]:
    if formats.is_expression("dispatches", fmt):
        yield from timed.dispatch_batches(_ask("dispatches", text, fmt, faults, stopped))
    elif fmt:
        yield from dispatches.batches((text,), fmt, faults)


def _samples(text: str, fmt: str, faults: Faults, stopped: list[str]) -> Iterator[Throughput]:
    if formats.is_expression("throughput", fmt):
        yield from timed.samples(_ask("throughput", text, fmt, faults, stopped))
    elif fmt:
        yield from throughput.samples((text,), fmt, faults)


def _ask(kind: Kind, text: str, fmt: str, faults: Faults, stopped: list[str]) -> dict[str, Any]:
    request = json.dumps({"kind": kind, "format": fmt, "text": text}).encode()
    root = str(Path(runner_agent.__file__).resolve().parents[1])
    command = [sys.executable, "-I", "-S", "-c", _CHILD, root]
    try:
        child = subprocess.run(command, input=request, capture_output=True, timeout=timed.WALL_S, check=True, env={})
        answer: dict[str, Any] = json.loads(child.stdout)
    except (subprocess.SubprocessError, ValueError, OSError):
        stopped.append(f"{kind}: {timed.STOPPED}")
        return {}
    if answer["stopped"]:
        stopped.append(f"{kind}: {answer['stopped']}")
    found = timed.faults(answer)
    faults.count, faults.lines = found.count, found.lines
    return answer


def _kept(log: SmokeLog, batches: Iterable[Batch], parts: list[Part]) -> Iterator[Batch]:
    """The batches, each kept in little memory: a dispatch takes some 40 bytes of it."""
    names: dict[str, str] = {}
    for batch in batches:
        parts.append(
            Part(
                round=log.round,
                side=log.side,
                seq=_small(batch.seq),
                name=[names.setdefault(name, name) for name in batch.name],
                bubble_ns=_small(batch.bubble_ns),
                shader_ns=_small(batch.shader_ns),
                submit_ns=_small(batch.submit_ns),
            )
        )
        yield batch


def _small(column: Iterable[int | None] | None) -> array[int] | list[int | None] | None:
    """A column of numbers that fit 64 bits; what does not is None, as a regular expression may have read any digits."""
    if column is None:
        return None
    told = [value if value is not None and value < 1 << 64 else None for value in column]
    return told if None in told else array("Q", [value for value in told if value is not None])
