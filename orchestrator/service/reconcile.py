"""One tick: load the picture, plan, commit each action, ring for what is due."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import bindparam, update
from sqlmodel import Session, col, select

from orchestrator.domain.phases import ImpossibleTransition
from orchestrator.domain.runner import Service
from orchestrator.failpoints import reach
from orchestrator.planning.plan import plan
from orchestrator.service.notify import notify
from orchestrator.service.observation import RUNG_HOLD_S
from orchestrator.service.rollup import roll_up
from orchestrator.service.services import Services
from orchestrator.service.settlement import settle
from orchestrator.service.timekeeping import keep_time
from orchestrator.store.commit import commit
from orchestrator.store.fleet import load_fleet
from orchestrator.store.outbox import due_acts
from orchestrator.store.tables import RunnerRow

log = structlog.get_logger()

DUE_RUNNERS = select(RunnerRow.name).where(
    col(RunnerRow.observe_after) <= bindparam("now"), col(RunnerRow.service) != str(Service.RETIRED)
)


def tick(services: Services) -> int:
    """The number of actions committed. Two at once, or one twice, change nothing more than one."""
    with services.store.reading() as session:
        fleet = load_fleet(session)
    committed = 0
    for action in plan(fleet, services.policy, services.now()):
        about = {"action": type(action).__name__, **vars(action)}
        reach("tick-before-commit")
        try:
            with services.store.writing() as session:
                written = commit(session, action, services.now())
        except ImpossibleTransition:
            # A fault of ours, and of one episode: the others' actions do not wait for it to be mended.
            log.exception("action-failed", **about)
            continue
        if written:
            reach("tick-after-commit")
            committed += 1
            log.info("action-committed", **about)
    _ring_for_acts(services)
    _ring_for_runners(services)
    if keep_time(services):
        # Ticks that come in a burst do this once.
        settle(services)
        roll_up(services)
        notify(services, fleet)
    if committed:
        services.doorbell.tick()
    return committed


def _ring_for_acts(services: Services) -> None:
    with services.store.reading() as session:
        due = due_acts(session, services.now())
    for act_id in due:
        services.doorbell.perform(act_id)


def _ring_for_runners(services: Services) -> None:
    now = services.now()
    with services.store.reading() as session:
        if not _due_runners(session, services):
            return
    with services.store.writing() as session:
        due = _due_runners(session, services)
        until = now + timedelta(seconds=RUNG_HOLD_S)
        session.execute(update(RunnerRow).where(col(RunnerRow.name).in_(due)).values(observe_after=until))
    for name in due:
        services.doorbell.observe(name)


def _due_runners(session: Session, services: Services) -> list[str]:
    """Those that are retired are left in peace: nothing of theirs is wanted any more."""
    return list(session.exec(DUE_RUNNERS, params={"now": services.now()}).all())
