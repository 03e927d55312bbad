"""Whether the times that a smoke run printed fit the clock on the wall. Tells for a person; they change no score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.scoring.evidence import Evidence, SmokeLog
from orchestrator.scoring.reading import LogReading
from orchestrator.scoring.verdict import Flag
from runner_agent.measure import timestamps


def flags(evidence: Evidence, readings: Mapping[str, LogReading]) -> Iterator[Flag]:
    """Of each kind the first on each side: rounds of a side repeat each other."""
    told: set[tuple[str, str]] = set()
    for log in evidence.logs:
        reading = readings[log.path]
        found = timestamps.findings(reading.spent, wall_s=_wall_s(evidence, log), printed_s=reading.printed_s)
        for finding in (*found, *reading.rates):
            if (log.side, finding.kind) not in told:
                told.add((log.side, finding.kind))
                yield Flag(kind=finding.kind, quote=finding.quote, where=log.path)


def notes(evidence: Evidence, readings: Mapping[str, LogReading]) -> Iterator[str]:
    """A sentence for the first log of a side of which the dispatches account for next to nothing."""
    sides: set[str] = set()
    for log in evidence.logs:
        reading = readings[log.path]
        note = timestamps.far_below(reading.spent, _wall_s(evidence, log), reading.printed_s)
        if note and log.side not in sides:
            sides.add(log.side)
            yield f"{log.path}: {note}"


def _wall_s(evidence: Evidence, log: SmokeLog) -> float | None:
    """What the whole run took by the runner's clock; None if the runner did not say."""
    runs = (run for run in evidence.rounds if (run.round, run.side) == (log.round, log.side))
    return next((run.wall_s for run in runs if run.wall_s), None)
