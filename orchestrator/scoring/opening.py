"""The sentence that a person reads first."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.reasons import EndReason
from orchestrator.scoring.evidence import Evidence, Place
from orchestrator.scoring.flags import unset_reads
from orchestrator.scoring.specification import Specification
from orchestrator.scoring.validity import Ending
from orchestrator.scoring.verdict import Verdict

SHOWN = 2
SILENT = (EndReason.MARKER_MISSING, EndReason.NO_THROUGHPUT, EndReason.NO_DISPATCHES)


def opened(
    verdict: Verdict, end: Ending, evidence: Evidence, spec: Specification, absent_markers: tuple[Place, ...]
) -> Verdict:
    """The verdict with its first line: why it is invalid, else an instrument that never fired, else the score."""
    return replace(verdict, first_line=_line(verdict, end, evidence, spec, absent_markers))


def _line(
    verdict: Verdict, end: Ending, evidence: Evidence, spec: Specification, absent_markers: tuple[Place, ...]
) -> str:
    score = f"{verdict.items_done}/{verdict.items_total} items done"
    if not verdict.valid:
        return f"INVALID: {end.words}{_unset(evidence) if end.reason in SILENT else ''}"
    if absent_markers and _an_instrument_was_tried(verdict, evidence, spec):
        return f"the instrument never fired: {_silence(absent_markers, evidence)}; {score}"
    if end.reason is not EndReason.COMPLETED:
        return f"{score}; {end.words[:1].lower()}{end.words[1:]}"
    if not evidence.changed:
        return f"{score}: the agent changed no file"
    return f"{score}; {_change(verdict)}"


def _an_instrument_was_tried(verdict: Verdict, evidence: Evidence, spec: Specification) -> bool:
    """Absence alone is no tell: one who built no instrument has none that could fire."""
    instruments = {check.item for check in spec.checks() if check.kind == "marker"}
    claimed = any(item.claimed == "done" and item.status != "done" for item in verdict.items if item.id in instruments)
    return bool(evidence.changed) and (claimed or bool(unset_reads(evidence)))


def _silence(absent_markers: tuple[Place, ...], evidence: Evidence) -> str:
    markers = ", ".join(place.text for place in absent_markers[:SHOWN])
    verb = "is" if len(absent_markers) == 1 else "are"
    return f"{markers} {verb} not in the smoke log{_unset(evidence)}"


def _unset(evidence: Evidence) -> str:
    """Why an instrument may be silent, where the tree tells: nothing sets the variable that new code waits for."""
    reads = {read.name: read for read in unset_reads(evidence)}
    return "".join(f"; {name} is read in {read.where} and set nowhere" for name, read in list(reads.items())[:SHOWN])


def _change(verdict: Verdict) -> str:
    found = verdict.throughput
    if found.baseline is None or found.candidate is None:
        return "no throughput"
    tok_s = f"{found.baseline:.1f} → {found.candidate:.1f} tok/s"
    if found.change is None or found.low is None or found.high is None:
        return f"{tok_s}, inconclusive: {found.reason}"
    measured = f", measured in episode {found.reused_from}" if found.reused_from else ""
    return f"{tok_s} ({found.change:+.1%}, interval {found.low:+.1%} to {found.high:+.1%}): {found.verdict}{measured}"
