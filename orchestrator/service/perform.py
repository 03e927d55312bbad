"""Doing one act of the outbox. Each is safe to repeat, lasts seconds, and leaves deciding to the planner."""

from __future__ import annotations

import structlog
from sqlmodel import Session

from orchestrator.domain.reasons import EndReason
from orchestrator.errors import ArtifactError, LinkError, LinkRefused, Unavailable
from orchestrator.failpoints import reach
from orchestrator.service import acts, power_acts
from orchestrator.service.notify import deliver
from orchestrator.service.scoring import score
from orchestrator.service.services import Services
from orchestrator.store.changes import fail_attempt, log_event
from orchestrator.store.outbox import Act, claim, finish, postpone
from orchestrator.store.tables import AttemptRow, OutboxRow

log = structlog.get_logger()

RETRY_DELAY_MAX_S = 60.0
SALVAGE_DELAY_MAX_S = 3600.0
"""What nobody waits for, and what is never given up, since giving it up would lose it."""
ERROR_CHARS = 2000
"""What the outbox keeps of an error."""

TRIES_MAX = {"launch": 6, "collect": 6, "score": 3}
"""Acts whose failure is not the link's are given up after so many tries."""

NOT_YET = frozenset({"not-ended", "suspending"})
"""Refusals that end by themselves: an older attempt still has to end, this one has not come so far, or the machine is
about to sleep and will be woken for it."""

FAULT = "runner-fault"
"""A refusal that the runner cannot name, such as a lock that another call held: tried again, as our own faults are."""

GIVES_UP_AS = {"launch": EndReason.RUNNER_FAULT, "collect": EndReason.ARTIFACTS_LOST, "score": EndReason.SCORING_FAILED}

OTHER_ACTS = {"wake": power_acts.wake, "suspend": power_acts.suspend, "notify": deliver}
"""Acts of no attempt, but on a machine or for people: they note themselves what came of them."""

FOR_THE_LIVING = frozenset({"launch", "checks", "collect", "score"})
"""Acts that must not, or need not, be done any more once their attempt is over in the database."""

ACTS = {
    "launch": acts.launch,
    "checks": acts.send_checks,
    "cancel": acts.send_cancel,
    "collect": acts.collect,
    "salvage": acts.salvage,
    "score": score,
    "acknowledge": acts.acknowledge,
}


def perform(services: Services, act_id: int) -> None:
    """Claim the act, do it, and note what came of it. An unreachable runner only postpones it."""
    with services.store.writing() as session:
        act = claim(session, act_id, services.now(), services.settings.claim_s)
        if act is not None and act.kind in FOR_THE_LIVING and _is_over(session, act):
            finish(session, act, services.now())
            return
    if act is None:
        return
    reach("act-claimed")
    if act.kind in OTHER_ACTS:
        _do_other(services, act)
        return
    about = {"act": act.kind, "attempt": act.attempt_id, "episode": act.episode_id, "runner": act.runner}
    try:
        ACTS[act.kind](services, act)
    except (LinkError, LinkRefused) as error:
        if isinstance(error, LinkError) or error.refusal in NOT_YET:
            log.warning("act-postponed", **about, error=str(error))
            _await_runner(services, act, str(error))
            return
        log.warning("act-refused", **about, refusal=error.refusal, error=str(error))
        if error.refusal != FAULT:
            _refused(services, act, error)
        elif not _failed(services, act, str(error)):
            return
    except Unavailable:
        # Not the act's fault, and nowhere to note it. The claim ends, and it is done again.
        raise
    except Exception as error:
        log.exception("act-failed", **about)
        if not _failed(services, act, _describe(error)):
            return
    else:
        log.info("act-done", **about)
        with services.store.writing() as session:
            finish(session, act, services.now())
    reach("act-done")
    services.doorbell.tick()


def _do_other(services: Services, act: Act) -> None:
    about = {"act": act.kind, "runner": act.runner}
    try:
        OTHER_ACTS[act.kind](services, act)
    except Unavailable:
        raise
    except Exception as error:
        log.exception("act-failed", **about)
        delay_s = min(RETRY_DELAY_MAX_S, 2.0 ** min(act.tries, 10) / 2)
        with services.store.writing() as session:
            postpone(session, act, services.now(), delay_s, _describe(error))


def _failed(services: Services, act: Act, error: str) -> bool:
    """Whether the act is given up; else it is tried again."""
    if act.tries < TRIES_MAX.get(act.kind, act.tries + 1):
        _postpone(services, act, error)
        return False
    _give_up(services, act, error)
    return True


def _await_runner(services: Services, act: Act, error: str) -> None:
    """However long a runner is away, that uses up none of the act's tries; the pause grows with the act's age."""
    now = services.now()
    delay_s = min(RETRY_DELAY_MAX_S, max(0.5, (now - act.created_at).total_seconds() / 2))
    with services.store.writing() as session:
        _tell_postponed(session, services, act, error)
        postpone(session, act, now, delay_s, error, tried=False)


def _postpone(services: Services, act: Act, error: str) -> None:
    most_s = SALVAGE_DELAY_MAX_S if act.kind == "salvage" else RETRY_DELAY_MAX_S
    delay_s = min(most_s, 2.0 ** min(act.tries, 16) / 2)
    with services.store.writing() as session:
        _tell_postponed(session, services, act, error)
        postpone(session, act, services.now(), delay_s, error)


def _refused(services: Services, act: Act, error: LinkRefused) -> None:
    """The runner says no for good. That ends an attempt that was to be launched; elsewhere it means that there is
    nothing left to do, or that the runner lost what it was asked for."""
    reason = {"launch": EndReason.LAUNCH_REFUSED, "collect": EndReason.ARTIFACTS_LOST}.get(act.kind)
    with services.store.writing() as session:
        finish(session, act, services.now())
        if reason is not None:
            fail_attempt(session, act.attempt_id, reason, str(error), now=services.now())
        else:
            _tell(session, services, act, "act-refused", str(error))


def _give_up(services: Services, act: Act, error: str) -> None:
    if act.kind == "launch" and not _never_starts(services, act):
        return
    with services.store.writing() as session:
        finish(session, act, services.now())
        reason = GIVES_UP_AS.get(act.kind)
        if reason is not None:
            fail_attempt(session, act.attempt_id, reason, error, now=services.now())
        else:
            _tell(session, services, act, "act-given-up", error)


def _never_starts(services: Services, act: Act) -> bool:
    """A launch whose answer was lost may have started: only the runner can say that the attempt does not live."""
    try:
        return acts.forgo_launch(services, act)
    except (LinkError, LinkRefused) as error:
        _await_runner(services, act, str(error))
        return False


def _is_over(session: Session, act: Act) -> bool:
    """Such as declared dead meanwhile: another attempt may be under way."""
    return session.get_one(AttemptRow, act.attempt_id).ended is not None


def _tell_postponed(session: Session, services: Services, act: Act, error: str) -> None:
    """In the episode's log, once for each reason in a row and not for each try."""
    if session.get_one(OutboxRow, act.id).error != error[:ERROR_CHARS]:
        _tell(session, services, act, "act-postponed", error)


def _tell(session: Session, services: Services, act: Act, event: str, why: str) -> None:
    data = {"act": act.kind, "runner": act.runner, "why": why[:ERROR_CHARS]}
    log_event(session, act.episode_id, event, now=services.now(), attempt_id=act.attempt_id, data=data)


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, ArtifactError) else f"{type(error).__name__}: {error}"
