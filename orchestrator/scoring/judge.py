"""The verdict on an episode, on a preflight and on a canary: pure functions of what came back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.domain.reasons import MEANINGS, EndReason
from orchestrator.scoring import clocks
from orchestrator.scoring.checks import Scene, Seen, see
from orchestrator.scoring.evidence import CheckEvidence, Claim, Evidence, Place
from orchestrator.scoring.flags import flags
from orchestrator.scoring.measured import Measured, measure, notes, silent_logs
from orchestrator.scoring.opening import opened
from orchestrator.scoring.specification import ItemSpec, Specification
from orchestrator.scoring.stages import went_wrong
from orchestrator.scoring.validity import Case, Ending, ending, silences, why_unmeasured
from orchestrator.scoring.verdict import Canary, ItemStatus, ItemVerdict, Preflight, Verdict
from runner_agent.protocol import ExitRecord

# What it means for the episode that a check which decides an item could not be judged.
UNSETTLED = {"throughput": EndReason.NO_THROUGHPUT, "tests": EndReason.MALFORMED_RESULT}


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """One item with what was seen of each of its checks."""

    item: ItemSpec
    seen: tuple[Seen, ...]

    @property
    def passed(self) -> bool | None:
        """False if any check failed, None if one that decides could not be judged."""
        results = [seen.passed for seen in self.seen]
        if False in results or not results:
            return False
        return None if None in results else True


def judge(evidence: Evidence, spec: Specification, exit: ExitRecord) -> Verdict:
    """The verdict on an episode. Never raises, whatever the evidence."""
    measured = measure(evidence, spec)
    rulings = _rule(evidence, spec, exit, measured)
    end = _settled(ending(Case(evidence=evidence, spec=spec, exit=exit, measured=measured)), rulings)
    valid = MEANINGS[end.reason].signal
    items = tuple(_item(ruling, end.reason, evidence) for ruling in rulings)
    done = sum(item.status == "done" for item in items)
    absent = _absent_markers(evidence, spec)
    verdict = Verdict(
        valid=valid,
        reason=end.reason,
        invalid_reason="" if valid else end.words,
        first_line="",
        items_done=done,
        items_total=len(items),
        score=done / len(items) if items else 0.0,
        items=items,
        throughput=measured.throughput,
        flags=(*flags(evidence, spec, items, absent, measured.differs), *clocks.flags(evidence, measured.readings)),
        conditions=evidence.conditions,
        problems=(
            *evidence.problems,
            *measured.malformed,
            *notes(evidence),
            *clocks.notes(evidence, measured.readings),
        ),
    )
    return opened(verdict, end, evidence, spec, absent)


def judge_preflight(evidence: Evidence, spec: Specification, exit: ExitRecord) -> Preflight:
    """Whether a campaign may run: on the base every stage is fine, every instrument fires, and no item is done.

    Its few rounds are read as fixed ones: in adaptive mode the runner settles nothing on the base.
    """
    measured = measure(evidence, replace(spec, rule=replace(spec.rule, mode="fixed")))
    case = _alone(evidence, spec, exit, measured)
    end = ending(case)
    baseline = _of_base(measured)
    if end.reason is not EndReason.COMPLETED:
        found = silences(case) if end in silences(case) else (end,)
        problems = tuple(f"on the untouched base: {each.words}" for each in found)
        return Preflight(accepted=False, problems=problems, baseline_tok_s=baseline)
    rulings = _rule(evidence, spec, exit, measured)
    problems = (
        *(_unearnable(ruling) for ruling in rulings if ruling.passed is not False),
        *(line for check in spec.checks() if (line := _unusable(evidence.checks.get(check.id)))),
        *_above_ceiling(baseline, spec.ceiling_tok_s),
    )
    return Preflight(accepted=not problems, problems=problems, baseline_tok_s=baseline)


def judge_canary(evidence: Evidence, spec: Specification, exit: ExitRecord) -> Canary:
    """Whether the machine built the base, every instrument fired on it, and its smoke test passed."""
    measured = measure(evidence, spec)
    end = ending(_alone(evidence, spec, exit, measured))
    passed = end.reason is EndReason.COMPLETED
    return Canary(passed=passed, reason=end.reason, problem="" if passed else end.words, tok_s=_of_base(measured))


def _alone(evidence: Evidence, spec: Specification, exit: ExitRecord, measured: Measured) -> Case:
    """A run of the base, which there is no other to compare with."""
    return Case(evidence=evidence, spec=spec, exit=exit, measured=measured, paired=False)


def _of_base(measured: Measured) -> float | None:
    """tok/s of a run that has nothing but the base."""
    return measured.baseline_tok_s if measured.baseline_tok_s is not None else measured.candidate_tok_s


def _rule(evidence: Evidence, spec: Specification, exit: ExitRecord, measured: Measured) -> tuple[Ruling, ...]:
    untested = "the tree does not build" if went_wrong(exit, "build") else ""
    if not untested and went_wrong(exit, "test") and not evidence.tests.get("candidate"):
        untested = "the test command failed and named no test"
    scene = Scene(evidence=evidence, measured=measured, unmeasured=why_unmeasured(exit), untested=untested)
    return tuple(Ruling(item=item, seen=tuple(see(check, scene) for check in item.checks)) for item in spec.items)


def _settled(end: Ending, rulings: tuple[Ruling, ...]) -> Ending:
    """A valid episode in which an item hangs on a check that could not be judged is no signal: its score is unknown."""
    if not MEANINGS[end.reason].signal or end.reason is EndReason.BUILD_FAILED:
        return end
    for ruling in rulings:
        for check, seen in zip(ruling.item.checks, ruling.seen, strict=True):
            if ruling.passed is None and seen.passed is None:
                return Ending(reason=UNSETTLED.get(check.kind, EndReason.UNGRADED), words=seen.line)
    return end


def _item(ruling: Ruling, reason: EndReason, evidence: Evidence) -> ItemVerdict:
    claimed: Claim | None = None
    for turn in evidence.turns:
        if ruling.item.id in turn.claims:
            claimed = turn.claims[ruling.item.id]
    lines = tuple(seen.line for seen in ruling.seen)
    if reason is EndReason.BUILD_FAILED:
        lines = ("the tree does not build, so no item is done", *lines)
    return ItemVerdict(
        id=ruling.item.id,
        title=ruling.item.title,
        status=_status(ruling, reason, evidence, claimed),
        claimed=claimed,
        evidence=lines,
    )


def _status(ruling: Ruling, reason: EndReason, evidence: Evidence, claimed: Claim | None) -> ItemStatus:
    if not MEANINGS[reason].signal:
        return "invalid"
    if ruling.passed and reason is not EndReason.BUILD_FAILED:
        return "done"
    spoke_of_others = claimed is None and any(turn.claims for turn in evidence.turns)
    return "untouched" if not evidence.changed or spoke_of_others else "failed"


def _absent_markers(evidence: Evidence, spec: Specification) -> tuple[Place, ...]:
    texts = dict.fromkeys((*(check.text for check in spec.checks() if check.kind == "marker"), *spec.must_print))
    silent = {text: silent_logs(evidence, "candidate", text) for text in texts if text}
    return tuple(Place(path=paths[0], text=text) for text, paths in silent.items() if paths)


def _unusable(found: CheckEvidence | None) -> str:
    """A check that fails on the base because it cannot work there would fail for everybody."""
    if found is None or not found.problem or found.timed_out:
        return ""
    return f"check {found.id} cannot work on the base: {found.problem}"


def _above_ceiling(tok_s: float | None, ceiling_tok_s: float | None) -> tuple[str, ...]:
    if tok_s is None or ceiling_tok_s is None or tok_s <= ceiling_tok_s:
        return ()
    return (f"the untouched base runs at {tok_s:.1f} tok/s, above `smoke.ceiling_tok_s` = {ceiling_tok_s:g}: raise it",)


def _unearnable(ruling: Ruling) -> str:
    if ruling.passed:
        return f"item {ruling.item.id} already passes on the base: nobody earns it; give it a check that fails there"
    line = next(seen.line for seen in ruling.seen if seen.passed is None)
    return f"item {ruling.item.id} cannot be judged on the base: {line}"
