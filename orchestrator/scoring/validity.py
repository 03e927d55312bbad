"""Whether an episode is a signal, and if not, why: apart from its score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.domain.reasons import MEANINGS, EndReason
from orchestrator.scoring.evidence import Evidence
from orchestrator.scoring.measured import (
    Measured,
    foreign_tree,
    logs_without_dispatches,
    logs_without_output,
    silent_logs,
    stopped,
)
from orchestrator.scoring.specification import Specification
from orchestrator.scoring.stages import FINE, ended_before_verdict, stage, went_wrong
from runner_agent.protocol import STALE, ExitRecord


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A reason and one sentence about this very episode."""

    reason: EndReason
    words: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """`paired`: candidate runs are compared with baseline runs, as in an episode. A preflight has the base alone."""

    evidence: Evidence
    spec: Specification
    exit: ExitRecord
    measured: Measured
    paired: bool = True


def ending(case: Case) -> Ending:
    """The first that applies: what prevented judging, what broke the tree, what broke the measurement, what the agent
    did to itself; else completed."""
    return next(found for rule in RULES for found in rule(case))


def silences(case: Case) -> tuple[Ending, ...]:
    """Every instrument that did not fire, where `ending` names the first."""
    return tuple(found for rule in (_instrument, _output, _throughput, _dispatches) for found in rule(case))


def why_unmeasured(exit: ExitRecord) -> str:
    """Which failure of the tree kept the smoke test from running; empty if none did."""
    for name, words in (("build", "the tree does not build"), ("lint", "lint failed"), ("test", "tests failed")):
        if went_wrong(exit, name):
            return words
    return ""


def _ended_before(case: Case) -> Iterator[Ending]:
    found = ended_before_verdict(case.exit)
    if found:
        yield _ending(found[0], detail=found[1])


def _build(case: Case) -> Iterator[Ending]:
    if went_wrong(case.exit, "build"):
        yield _ending(EndReason.BUILD_FAILED, detail=_detail(case, "build"))


def _unreadable(case: Case) -> Iterator[Ending]:
    if case.evidence.unreadable:
        yield _ending(EndReason.MALFORMED_RESULT, detail="; ".join(case.evidence.problems[:3]))


def _ungraded(case: Case) -> Iterator[Ending]:
    if went_wrong(case.exit, "grade"):
        yield _ending(EndReason.UNGRADED, detail=_detail(case, "grade"))
    elif not case.exit.graded:
        yield _ending(EndReason.UNGRADED, detail="the hidden checks never reached the runner")
    elif not case.evidence.graded and not case.evidence.unreadable:
        yield _ending(EndReason.UNGRADED, detail="the runner's evidence says that nothing was graded")


def _lint_and_tests(case: Case) -> Iterator[Ending]:
    for name, reason in (("lint", EndReason.LINT_FAILED), ("test", EndReason.TESTS_FAILED)):
        if went_wrong(case.exit, name):
            yield _ending(reason, detail=_detail(case, name))


def _smoke(case: Case) -> Iterator[Ending]:
    record = stage(case.exit, "smoke")
    if record is None or record.result == "skipped":
        yield _ending(EndReason.MALFORMED_RESULT, detail="the smoke test was not run, and no failure explains why")
    elif record.detail.startswith(f"{STALE}: "):
        yield _ending(EndReason.STALE_BINARY, detail=record.detail.removeprefix(f"{STALE}: "))
    elif record.result not in FINE:
        yield _smoke_failure(case, record.result, record.detail)
    elif _base_always_fails(case):
        yield _ending(EndReason.BASELINE_SMOKE_FAILED, detail=record.detail)


def _smoke_failure(case: Case, result: str, detail: str) -> Ending:
    """The runner stops at a candidate that fails; where the base fails just so, it is not the agent's doing."""
    if _base_always_fails(case):
        return _ending(EndReason.BASELINE_SMOKE_FAILED, detail=detail)
    return _ending(EndReason.SMOKE_TIMED_OUT if result == "timed-out" else EndReason.SMOKE_CRASHED, detail=detail)


def _base_always_fails(case: Case) -> bool:
    runs = case.evidence.rounds_of("baseline")
    return bool(runs) and all(run.exit_code != 0 for run in runs)


def _foreign(case: Case) -> Iterator[Ending]:
    """A program that has the hash of its tree built in, and prints another than that of the tree that was judged."""
    found = foreign_tree(case.evidence)
    if found:
        yield _ending(EndReason.STALE_BINARY, detail=found)


def _instrument(case: Case) -> Iterator[Ending]:
    if not case.evidence.logs_of("candidate"):
        yield _ending(EndReason.MALFORMED_RESULT, detail="no smoke log of the agent's tree came back")
    for text in case.spec.must_print:
        silent = silent_logs(case.evidence, "candidate", text)
        if silent:
            rest = _on_the_base(case, silent_logs(case.evidence, "baseline", text))
            yield Ending(reason=EndReason.MARKER_MISSING, words=f"{text} never appeared in {_logs(silent)}; {rest}")


def _throughput(case: Case) -> Iterator[Ending]:
    if not case.spec.throughput:
        return
    for side, tok_s in (("candidate", case.measured.candidate_tok_s), ("baseline", case.measured.baseline_tok_s)):
        if tok_s is None and (side == "candidate" or case.paired):
            words = f"no throughput could be read from the {side}'s smoke log (format {case.spec.throughput})"
            words += stopped(case.measured, [log.path for log in case.evidence.logs if log.side == side])
            yield Ending(reason=EndReason.NO_THROUGHPUT, words=words)


def _output(case: Case) -> Iterator[Ending]:
    """An output that is not there, or that two equal trees do not print alike, can prove nothing of any candidate."""
    silent = logs_without_output(case.evidence, "baseline" if case.paired else "candidate", case.spec)
    if silent:
        words = (
            f"no line of `smoke.equal` ({', '.join(case.spec.equal)}) stands in {_logs(silent)} of the untouched base"
        )
        yield Ending(reason=EndReason.MARKER_MISSING, words=words)
    elif not case.paired and case.measured.differs:
        words = f"{case.measured.differs}, though both are the untouched base: `smoke.equal` cannot be held"
        yield Ending(reason=EndReason.MALFORMED_RESULT, words=words)


def _dispatches(case: Case) -> Iterator[Ending]:
    if not case.spec.dispatches:
        return
    silent = logs_without_dispatches(case.evidence, "candidate", case.measured)
    if silent:
        rest = _on_the_base(case, logs_without_dispatches(case.evidence, "baseline", case.measured))
        why = stopped(case.measured, silent)
        words = f"no dispatch could be read from {_logs(silent)} (format {case.spec.dispatches}){why}; {rest}"
        yield Ending(reason=EndReason.NO_DISPATCHES, words=words)


def _agent(case: Case) -> Iterator[Ending]:
    record = stage(case.exit, "session")
    if record is not None and record.result == "timed-out":
        yield _ending(EndReason.AGENT_TIME_LIMIT, detail=record.detail)
    elif record is not None and record.result not in FINE:
        yield _ending(EndReason.AGENT_CRASHED, detail=record.detail)
    elif spent := next((told for told in case.evidence.events if told.event == "budget-spent"), None):
        yield _ending(EndReason.BUDGET_SPENT, detail=str(spent.data.get("why", "")))


def _completed(_: Case) -> Iterator[Ending]:
    yield _ending(EndReason.COMPLETED)


RULES: tuple[Callable[[Case], Iterator[Ending]], ...] = (
    _ended_before,
    _build,
    _ungraded,
    _unreadable,
    _lint_and_tests,
    _smoke,
    _foreign,
    _instrument,
    _output,
    _throughput,
    _dispatches,
    _agent,
    _completed,
)


def _on_the_base(case: Case, silent: tuple[str, ...]) -> str:
    base = case.evidence.logs_of("baseline")
    if not case.paired:
        return "the instrument is not plugged in: let the smoke script, or `smoke.env`, set what it waits for"
    if not base:
        return "there is no log of the base to compare with"
    if len(silent) == len(base):
        return "the untouched base does not print it either, so the campaign's own instrument is broken"
    return "the untouched base prints it, so the agent's tree silenced it"


def _logs(paths: tuple[str, ...]) -> str:
    return "the smoke log " + paths[0] if len(paths) == 1 else f"{len(paths)} smoke logs ({', '.join(paths[:3])})"


def _detail(case: Case, name: str) -> str:
    record = stage(case.exit, name)
    return record.detail if record else ""


def _ending(reason: EndReason, detail: str = "") -> Ending:
    says = MEANINGS[reason].says
    return Ending(reason=reason, words=f"{says.rstrip('.')}: {detail}" if detail else says)
