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


def read(evidence: Evidence, spec: Specification, wall_s: float = timed.WALL_S) -> tuple[Evidence, tuple[Part, ...]]:
    """The evidence with what each smoke log holds, and its dispatches in the order of rounds and lines. An expression
    that took too long in one log, or `wall_s`, is not tried in those after it."""
    reader = _Reader(spec, wall_s)
    logs = tuple(replace(log, reading=reader.read(log)) for log in evidence.logs)
    return replace(evidence, logs=logs), tuple(reader.parts)


class _Reader:
    def __init__(self, spec: Specification, wall_s: float) -> None:
        self.parts: list[Part] = []
        self._spec = spec
        self._wall_s = wall_s
        self._given_up: dict[Kind, str] = {}

    def read(self, log: SmokeLog) -> LogReading:
        found, told = Faults(), Faults()
        batches = _kept(log, self._batches(log, found), self.parts)
        reading = digest(log.text, batches, self._samples(log, told), (found, told))
        return replace(reading, stopped="; ".join(self._given_up.values()))

    def _batches(self, log: SmokeLog, faults: Faults) -> Iterator[Batch]:
        fmt = self._spec.dispatches
        if formats.is_expression("dispatches", fmt):
            yield from timed.dispatch_batches(self._ask("dispatches", log, fmt, faults))
        elif fmt:
            yield from dispatches.batches((log.text,), fmt, faults)

    def _samples(self, log: SmokeLog, faults: Faults) -> Iterator[Throughput]:
        fmt = self._spec.throughput
        if formats.is_expression("throughput", fmt):
            yield from timed.samples(self._ask("throughput", log, fmt, faults))
        elif fmt:
            yield from throughput.samples((log.text,), fmt, faults)

    def _ask(self, kind: Kind, log: SmokeLog, fmt: str, faults: Faults) -> dict[str, Any]:
        """What a child found; nothing, and why in `_given_up`, where it took too long."""
        if kind in self._given_up:
            return {}
        request = json.dumps({"kind": kind, "format": fmt, "text": log.text}).encode()
        command = [sys.executable, "-I", "-S", "-c", _CHILD, str(Path(runner_agent.__file__).resolve().parents[1])]
        try:
            child = subprocess.run(
                command, input=request, capture_output=True, timeout=self._wall_s, check=True, env={}
            )
            answer: dict[str, Any] = json.loads(child.stdout)
        except (subprocess.SubprocessError, ValueError, OSError):
            self._given_up[kind] = f"{kind}: {timed.STOPPED} ({log.path})"
            return {}
        if answer["stopped"]:
            self._given_up[kind] = f"{kind}: {answer['stopped']} of {log.path}"
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
