"""What the smoke runs showed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from orchestrator.measurement.throughput import Throughput, compare, voided
from orchestrator.scoring.evidence import Evidence, Side
from orchestrator.scoring.reading import LogReading, read_log
from orchestrator.scoring.specification import Specification
from runner_agent.measure import markers, outputs
from runner_agent.measure.decision import Pair, median, speed
from runner_agent.protocol import TREE_TAG

LINES_SHOWN = 10
HASH_SHOWN = 12
TREE_LINE = re.compile(re.escape(TREE_TAG) + r" ([0-9a-f]{40,64})\b")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """`throughput` compares the rounds that ran on both sides. `*_tok_s` are medians over each side's own rounds.

    `dispatches`: how many each smoke log holds, by its path; `readings`: all that it was found to hold. `malformed`: a
    sentence for each log with lines that should have been dispatches or throughputs and do not parse. `differs`: how
    the candidate's output is not the base's, as a sentence; empty if it is, or nothing is compared.
    """

    throughput: Throughput
    baseline_tok_s: float | None
    candidate_tok_s: float | None
    dispatches: Mapping[str, int]
    malformed: tuple[str, ...] = ()
    readings: Mapping[str, LogReading] = field(default_factory=dict[str, LogReading])
    differs: str = ""


def measure(evidence: Evidence, spec: Specification) -> Measured:
    baseline = _tok_s(evidence, "baseline")
    candidate = _tok_s(evidence, "candidate")
    read = {log.path: log.reading or read_log(log.text, spec.dispatches, spec.throughput) for log in evidence.logs}
    unequal = _unequal(evidence, spec)
    return Measured(
        throughput=_throughput(evidence, spec, baseline, candidate, unequal),
        baseline_tok_s=median(baseline.values()),
        candidate_tok_s=median(candidate.values()),
        dispatches={path: reading.dispatches for path, reading in read.items()},
        readings=read,
        differs=unequal,
        malformed=tuple(f"{path}: {_parse_faults(reading)}" for path, reading in read.items() if reading.malformed),
    )


def silent_logs(evidence: Evidence, side: Side, text: str) -> tuple[str, ...]:
    """The paths of the side's logs in which `text` never appears."""
    return tuple(log.path for log in evidence.logs_of(side) if markers.count(log.text, text) == 0)


def foreign_tree(evidence: Evidence) -> str:
    """How the candidate's logs name another tree than that which was built, as a clause; empty if they do not."""
    built = next((str(told.data.get("tree")) for told in evidence.events if told.event == "built"), "")
    for log in evidence.logs_of("candidate"):
        for said in TREE_LINE.findall(log.text) if built else ():
            if said != built:
                return f"{log.path} says that it was built from tree {said[:HASH_SHOWN]}, not from {built[:HASH_SHOWN]}"
    return ""


def notes(evidence: Evidence) -> tuple[str, ...]:
    """What a person should know of how it was measured, as sentences."""
    told = (event.data.get("paths") for event in evidence.events if event.event == "smoke-rewrote")
    listed = (", ".join(map(str, cast("list[object]", paths))) for paths in told if isinstance(paths, list))
    return tuple(f"the smoke test itself rewrote {paths}: it did not measure what the build made" for paths in listed)


def marker_lines(evidence: Evidence, text: str) -> int:
    """How many lines of the candidate's logs hold `text`."""
    return sum(markers.count(log.text, text) for log in evidence.logs_of("candidate"))


def stopped(measured: Measured, paths: Iterable[str]) -> str:
    """Why reading the first of these logs was given up, to be added to a sentence; empty if none was."""
    reasons = (measured.readings[path].stopped for path in paths if path in measured.readings)
    return next((f": {reason}" for reason in reasons if reason), "")


def logs_without_dispatches(evidence: Evidence, side: Side, measured: Measured) -> tuple[str, ...]:
    return tuple(log.path for log in evidence.logs_of(side) if not measured.dispatches.get(log.path))


def logs_without_output(evidence: Evidence, side: Side, spec: Specification) -> tuple[str, ...]:
    """The paths of the side's logs without a line that must be equal, if there must be any."""
    if not spec.equal:
        return ()
    return tuple(log.path for log in evidence.logs_of(side) if not outputs.outputs(log.text, spec.equal))


def _parse_faults(reading: LogReading) -> str:
    number, text = reading.malformed[0]
    others = ", ".join(str(line) for line, _ in reading.malformed[1:LINES_SHOWN])
    more = f"; the next: {others}" if others else ""
    return f"lines that do not parse: {reading.malformed_count}, the first is line {number}: {text!r}{more}"


def _tok_s(evidence: Evidence, side: Side) -> dict[int, float]:
    """Round -> median tok/s of what it printed. A round that failed or left no usable throughput is there as NaN, so
    that its pair counts as broken."""
    printed: dict[int, list[float | None]] = {}
    for run in evidence.rounds_of(side):
        printed.setdefault(run.round, []).append(run.tok_s if run.exit_code == 0 else None)
    return {number: speed(values) for number, values in printed.items()}


def _throughput(
    evidence: Evidence, spec: Specification, baseline: Mapping[int, float], candidate: Mapping[int, float], unequal: str
) -> Throughput:
    pairs = [
        Pair(round=number, baseline=baseline[number], candidate=candidate[number])
        for number in sorted(baseline.keys() & candidate.keys() - evidence.conditions.void_rounds)
    ]
    spent = {(run.round, run.side): run.wall_s for run in evidence.rounds if run.wall_s is not None}
    seconds = sum(spent.values()) if spent else None
    if unequal:
        return voided(pairs, unequal, seconds)
    found = replace(compare(pairs, spec.rule, seconds), reused_from=_reused_from(evidence))
    why_void = evidence.conditions.why_void if found.verdict == "inconclusive" else ""
    return replace(found, reason="; ".join(part for part in (found.reason, why_void) if part))


def _reused_from(evidence: Evidence) -> str | None:
    told = (event.data.get("from") for event in evidence.events if event.event == "smoke-reused")
    return next((str(episode_id) for episode_id in told if episode_id), None)


def _unequal(evidence: Evidence, spec: Specification) -> str:
    """How the first round whose outputs are not the same differs; a sentence without its full stop."""
    if not spec.equal:
        return ""
    base = {log.round: log for log in evidence.logs_of("baseline")}
    for log in evidence.logs_of("candidate"):
        before = base.get(log.round)
        if before is None:
            continue
        told = outputs.difference(outputs.outputs(before.text, spec.equal), outputs.outputs(log.text, spec.equal))
        if told:
            return f"the output differs in round {log.round}: {told}"
    return ""
