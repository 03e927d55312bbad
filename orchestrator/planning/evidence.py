"""What is known of an attempt, and what follows from it: one table. The first row whose facts all hold decides.

**Unreachable is not dead**: an attempt counts as lost only on proof that it cannot be running. That a runner does not
answer proves nothing, and neither does a launch that was not confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.episode import Attempt
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Power, Runner


class Fact(StrEnum):
    """What may be known of an attempt. Each comment says where it is known from."""

    # An act or an operator ended it: `Attempt.failure` says why.
    FOUND_FAILED = "found-failed"
    # The exit record: the runner wrote it last, when the attempt was over.
    EXITED = "exited"
    # It ended without its hidden checks, and the runner kept the tree so that they can still be run.
    GRADABLE = "gradable"
    # The hidden checks were sent, or are being sent, for the first and only time.
    CHECKS_ASKED = "checks-asked"
    # Sending them is over.
    CHECKS_OVER = "checks-over"
    # The runner promised never to start it.
    TOMBSTONE = "tombstone"
    # The runner has confirmed it once.
    SEEN = "seen"
    # The runner's newest report comes from another boot than the attempt.
    REBOOTED = "rebooted"
    # The runner's own finding: its lock is free, no process of it lives, and there is no exit record.
    DEAD = "dead"
    # The runner's own finding: there is neither folder nor process.
    GONE = "gone"
    # The runner does not answer.
    UNREACHABLE = "unreachable"
    # It waits for its hidden checks.
    AWAITING = "awaiting"
    # A user wants its end.
    UNWANTED = "unwanted"


class Decision(StrEnum):
    COLLECT = "collect"
    SEND_CHECKS = "send-checks"
    CANCELLED = "cancelled"
    LOST = "lost"
    WAIT = "wait"


@dataclass(frozen=True, kw_only=True)
class Row:
    """`reason` is the end reason of a loss; None there: the one that was found. `says` is a sentence for a person, in
    which {runner} and {detail} are filled in."""

    facts: frozenset[Fact]
    decision: Decision
    reason: EndReason | None = None
    says: str = ""


def _row(*facts: Fact, then: Decision, reason: EndReason | None = None, says: str = "") -> Row:
    return Row(facts=frozenset(facts), decision=then, reason=reason, says=says)


_F, _D, _R = Fact, Decision, EndReason

TABLE: tuple[Row, ...] = (
    _row(_F.FOUND_FAILED, then=_D.LOST, says="{detail}"),
    # Ended ungraded: the checks are sent after all, once, unless nobody wants them any more.
    _row(_F.EXITED, _F.UNWANTED, then=_D.COLLECT, says="It has ended on {runner}"),
    _row(_F.EXITED, _F.GRADABLE, _F.CHECKS_OVER, then=_D.COLLECT, says="It has ended on {runner}, ungraded"),
    _row(
        _F.EXITED,
        _F.GRADABLE,
        _F.CHECKS_ASKED,
        then=_D.WAIT,
        says="It has ended on {runner} before its hidden checks came; they are being sent, and it is graded then",
    ),
    _row(
        _F.EXITED,
        _F.GRADABLE,
        then=_D.SEND_CHECKS,
        says="It has ended on {runner} before its hidden checks came; they are sent next",
    ),
    _row(_F.EXITED, then=_D.COLLECT, says="It has ended on {runner}"),
    _row(_F.TOMBSTONE, _F.UNWANTED, then=_D.CANCELLED, says="It was cancelled before it was started on {runner}"),
    _row(
        _F.TOMBSTONE,
        then=_D.LOST,
        reason=_R.RUNNER_FAULT,
        says="the runner promised that this attempt will never start",
    ),
    _row(
        _F.SEEN,
        _F.REBOOTED,
        then=_D.LOST,
        reason=_R.RUNNER_LOST,
        says="the runner has restarted since, and the attempt left no exit record",
    ),
    _row(
        _F.SEEN,
        _F.DEAD,
        then=_D.LOST,
        reason=_R.SUPERVISOR_DIED,
        says="the runner reports that no process of the attempt lives and that it left no exit record",
    ),
    _row(
        _F.SEEN,
        _F.GONE,
        then=_D.LOST,
        reason=_R.ATTEMPT_LOST,
        says="the runner has not restarted, and reports that neither a folder nor a process of the attempt is left",
    ),
    _row(
        _F.UNREACHABLE,
        then=_D.WAIT,
        says="{runner} is unreachable ({detail}). Unreachable is not dead: the attempt may well be running, and "
        "nothing else is started until there is proof. If the machine will never come back, say so with "
        "`matins runner declare-dead {runner}`",
    ),
    _row(_F.AWAITING, _F.UNWANTED, then=_D.WAIT, says="It runs on {runner}"),
    _row(_F.AWAITING, _F.CHECKS_ASKED, then=_D.WAIT, says="Its hidden checks are on their way to {runner}"),
    _row(_F.AWAITING, then=_D.SEND_CHECKS, says="It waits on {runner} for its hidden checks, which are sent next"),
    _row(_F.SEEN, then=_D.WAIT, says="It runs on {runner}"),
    _row(then=_D.WAIT, says="Its launch on {runner} is committed, and the runner has not confirmed it yet"),
)

PROOF: tuple[frozenset[Fact], ...] = tuple(row.facts for row in TABLE if row.decision is Decision.LOST)
"""The sets of facts that prove an attempt lost; there is no other way to a retry."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was decided of an attempt. `reason` is there if it is lost; `says` is a sentence without its full stop."""

    decision: Decision
    reason: EndReason | None
    says: str


def decide(facts: frozenset[Fact]) -> Row:
    """The first row all of whose facts hold; the last one asks for none."""
    return next(row for row in TABLE if row.facts <= facts)


def examine(attempt: Attempt, runner: Runner | None, *, unwanted: bool) -> Finding:
    """What is to be done about a live attempt. `runner` is the one it was given to, None if that is not known here."""
    row = decide(facts_of(attempt, runner, unwanted=unwanted))
    why = attempt.failure_detail if attempt.failure is not None else runner.detail if runner else ""
    reason = (row.reason or attempt.failure) if row.decision is Decision.LOST else None
    return Finding(decision=row.decision, reason=reason, says=row.says.format(runner=attempt.runner, detail=why))


def facts_of(attempt: Attempt, runner: Runner | None, *, unwanted: bool) -> frozenset[Fact]:
    status = attempt.status
    said = status.phase if status else None
    boots = (status.boot_id if status else "", attempt.reported_boot_id)
    holds = {
        Fact.FOUND_FAILED: attempt.failure is not None,
        Fact.EXITED: said == "exited",
        Fact.GRADABLE: status is not None and status.gradable,
        Fact.CHECKS_ASKED: "checks" in attempt.requested,
        Fact.CHECKS_OVER: "checks" in attempt.finished,
        Fact.TOMBSTONE: said == "cancelled",
        Fact.SEEN: said is not None,
        Fact.REBOOTED: all(boots) and boots[0] != boots[1],
        Fact.DEAD: said == "dead",
        Fact.GONE: attempt.gone,
        Fact.UNREACHABLE: runner is not None and runner.power is Power.UNREACHABLE,
        Fact.AWAITING: said == "awaiting-checks",
        Fact.UNWANTED: unwanted,
    }
    return frozenset(fact for fact, true in holds.items() if true)
