"""Asking one runner what it knows. No database session is open while it is asked; a runner that hangs delays nobody."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import update
from sqlmodel import Session, col

from orchestrator.domain.runner import Operation, Power, Service
from orchestrator.errors import LinkError, LinkRefused
from orchestrator.failpoints import reach
from orchestrator.machines.link import Link
from orchestrator.service.services import Services
from orchestrator.store.asking import Asked, ask
from orchestrator.store.convert import to_address
from orchestrator.store.record import record_hello, record_report, record_unreachable
from orchestrator.store.tables import RunnerRow
from runner_agent.protocol import Hello, Report, ReportRequest

log = structlog.get_logger()

HELLO_EVERY = timedelta(seconds=60)

RUNG_HOLD_S = 5.0
"""Who rang for a runner does so again after this: the ring may have been lost."""

WAKING_S = 10.0
ASLEEP_S = 15.0
"""A machine asleep is asked so often: somebody may have pressed its button."""

OBSERVATION_MAX_S = 60.0
"""A runner that is being asked is not asked again before this has passed: one that hangs holds up one thread."""


def observe(services: Services, runner: str) -> None:
    """Ask, then record; ring a tick if something changed. A runner that another is asking now is left to it."""
    now = services.now()
    with services.store.writing() as session:
        row = session.get(RunnerRow, runner)
        if row is None or row.service == Service.RETIRED or row.observe_after > now + timedelta(seconds=RUNG_HOLD_S):
            return
        if row.operation == Operation.WAKING:
            # Whoever proves the wake is asking it already.
            _observe_again(session, runner, now, WAKING_S)
            return
        _observe_again(session, runner, now, min(OBSERVATION_MAX_S, services.settings.claim_s))
        asked = ask(session, runner, now)
        address = to_address(row)
        introduce = row.hello_at is None or row.power != "AWAKE" or now - row.hello_at > HELLO_EVERY
    try:
        hello, report = _ask(services.link(address), introduce, ReportRequest(cursors=asked.cursors))
    except (LinkError, LinkRefused) as error:
        changed = _record_failure(services, runner, error, asked, now)
    else:
        reach("observe-before-record")
        changed = _record(services, runner, hello, report, asked)
        reach("observe-after-record")
    if changed:
        services.doorbell.tick()


def _ask(link: Link, introduce: bool, request: ReportRequest) -> tuple[Hello | None, Report]:
    return link.hello() if introduce else None, link.report(request)


def _record(services: Services, runner: str, hello: Hello | None, report: Report, asked: Asked) -> bool:
    now = services.now()
    with services.store.writing() as session:
        before = session.get_one(RunnerRow, runner).power
        changed = record_report(session, runner, report, asked, now)
        if hello is not None:
            record_hello(session, runner, hello, now)
        _observe_again(session, runner, now, services.settings.observe_s)
    return changed or before != "AWAKE"


def _record_failure(
    services: Services, runner: str, error: LinkError | LinkRefused, asked: Asked, asked_at: datetime
) -> bool:
    now = services.now()
    with services.store.writing() as session:
        row = session.get_one(RunnerRow, runner)
        before = row.power
        if row.operation == Operation.WAKING:
            return False
        record_unreachable(session, runner, error.kind, str(error), asked, asked_at, now)
        asleep, silent = row.power == Power.ASLEEP, row.power == Power.UNREACHABLE
        _observe_again(
            session, runner, now, max(ASLEEP_S, services.settings.observe_s) if asleep else services.settings.observe_s
        )
    if silent:
        log.warning("runner-unreachable", runner=runner, error=str(error))
    return asleep and before != Power.ASLEEP


def _observe_again(session: Session, runner: str, now: datetime, after_s: float) -> None:
    changes = {"observe_after": now + timedelta(seconds=after_s)}
    session.execute(update(RunnerRow).where(col(RunnerRow.name) == runner).values(**changes))
