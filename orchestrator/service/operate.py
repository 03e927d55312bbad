"""What an operator says of a runner. Each is one transaction, with a name and a reason in the logs."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from orchestrator.domain.health import Finding
from orchestrator.domain.phases import Phase
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Service
from orchestrator.errors import Conflict
from orchestrator.service.services import Services
from orchestrator.store.changes import fail_attempt, log_event, log_runner_event
from orchestrator.store.health import move_health
from orchestrator.store.queries import find_runner
from orchestrator.store.tables import AttemptRow, EpisodeRow, RunnerRow

ANSWERED_LATELY = timedelta(seconds=60)
"""A machine that answered within this is not dead."""

ON_THE_RUNNER = frozenset({Phase.LAUNCHING, Phase.RUNNING, Phase.COLLECTING})
"""Phases in which what an episode is about lies on its runner only."""


def declare_dead(services: Services, name: str, *, by: str, reason: str, force: bool = False) -> list[str]:
    """Take the runner out of service and end every attempt on it as lost; the ids of their episodes. Where the machine
    is not dead, a second attempt may run beside the first: so one that answers is refused, unless `force`.

    Raises NotFound and Conflict.
    """
    now = services.now()
    with services.store.writing() as session:
        runner = find_runner(session, name)
        if not force:
            _refuse_the_living(runner, now)
        runner.service = str(Service.OUT_OF_SERVICE)
        session.add(runner)
        lost = _fail_attempts(session, name, f"declared dead by {by}: {reason}", now)
        told = {"reason": reason, "episodes": lost, "forced": force}
        log_runner_event(session, name, "declared-dead", actor=by, now=now, data=told)
        for episode_id in lost:
            log_event(
                session, episode_id, "runner-declared-dead", now=now, data={"runner": name, "by": by, "why": reason}
            )
    services.doorbell.tick()
    return lost


def resume(services: Services, name: str, *, by: str, reason: str = "") -> None:
    """Give the runner work again: in service, out of quarantine, and the wakes that failed are forgiven; its health is
    not known before a canary has shown it. What an attempt from before may still do there is stopped first.

    Raises NotFound and Conflict.
    """
    now = services.now()
    with services.store.writing() as session:
        runner = find_runner(session, name)
        if runner.service == Service.RETIRED:
            raise Conflict(f"runner {name} is retired", "add it again under another name")
        was = {"service": runner.service, "health": runner.health}
        runner.service, runner.failures_since = str(Service.IN_SERVICE), now
        why = f"{by} took it back" + (f": {reason}" if reason else "")
        move_health(session, name, Finding.RESUMED, why, now, actor=by)
        if was != {"service": runner.service, "health": runner.health}:
            runner.observe_after = now
            log_runner_event(session, name, "resumed", actor=by, now=now, data={"reason": reason, "was": was})
        session.add(runner)
    services.doorbell.tick()


def _refuse_the_living(runner: RunnerRow, now: datetime) -> None:
    if runner.last_seen is None or now - runner.last_seen > ANSWERED_LATELY:
        return
    ago = max(0.0, (now - runner.last_seen).total_seconds())
    raise Conflict(
        f"runner {runner.name} answered {ago:.0f} s ago, at {runner.last_seen:%H:%M:%S} UTC: it is not dead",
        f"wait until it has been silent for {ANSWERED_LATELY.total_seconds():.0f} s, or say --force: its attempts may "
        "then run on beside those that replace them",
    )


def _fail_attempts(session: Session, runner: str, why: str, now: datetime) -> list[str]:
    """The episodes whose attempt was lost. Those whose artifacts are here already go on."""
    on_it = select(AttemptRow, EpisodeRow).where(
        AttemptRow.episode_id == EpisodeRow.id,
        AttemptRow.runner == runner,
        col(AttemptRow.ended).is_(None),
        col(EpisodeRow.phase).in_([str(phase) for phase in ON_THE_RUNNER]),
    )
    found = session.exec(on_it.order_by(col(EpisodeRow.id))).all()
    return [
        episode.id
        for attempt, episode in found
        if fail_attempt(session, attempt.id, EndReason.RUNNER_LOST, why, now=now)
    ]
