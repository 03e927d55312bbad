"""Settling one runner: what it cost since the last time, into the ledger, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, or_, update
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from orchestrator.accounting.due import settle_until
from orchestrator.accounting.settle import settle
from orchestrator.accounting.tenure import Tenure
from orchestrator.domain.runner import Operation, Power, Service
from orchestrator.store.account_tables import EnergyRow, SpanRow
from orchestrator.store.changes import rows_changed
from orchestrator.store.convert import to_runner
from orchestrator.store.ledger import add_lines, close_attempt
from orchestrator.store.meters import metered_until, told_until
from orchestrator.store.spans import first_watched, watched_until
from orchestrator.store.tables import AttemptRow, RunnerRow
from orchestrator.store.timeline import UNCOSTED, tenures, timeline, uncosted

AGES = {
    "over": timedelta(seconds=2),
    "living": timedelta(seconds=15),
    "at_rest": timedelta(seconds=60),
    "asleep": timedelta(seconds=900),
}
"""How old a settlement becomes: of a runner with an attempt that has ended and is not wholly in the ledger, with one
that lives, with none, and of one that sleeps."""

MOST: Any = bindparam("most")

OLD_MOST = 20_000
"""Attempts from before there were accounts that are set aside at once."""


def due_runners(session: Session, most: int) -> Sequence[str]:
    """Those that were not settled for the longest. Of one that is waking it is not known yet for whom; one that is
    retired and settled is done with."""
    watched = watched_until(session)
    if watched is None:
        return ()
    before = {name: watched - age for name, age in AGES.items()}
    return session.exec(_due(), params={"most": most, **before}).all()


@cache
def _due() -> SelectOfScalar[str]:
    """With the moments before which a settlement of each of `AGES` is too old, and `most`."""
    until = col(RunnerRow.settled_until)
    living = col(RunnerRow.name).in_(select(AttemptRow.runner).where(col(AttemptRow.ended).is_(None)))
    of_runner = (col(AttemptRow.runner) == col(RunnerRow.name), col(AttemptRow.ended).is_not(None), UNCOSTED)
    over = exists().where(*of_runner)
    awake_now = and_(col(RunnerRow.power) == str(Power.AWAKE), col(RunnerRow.service) != str(Service.RETIRED))
    told = or_(~or_(living, awake_now), and_(col(RunnerRow.last_seen).is_not(None), col(RunnerRow.last_seen) > until))
    awake = col(SpanRow.draw).in_(("awake", "away"))
    due = or_(
        until.is_(None),
        and_(over, until <= bindparam("over")),
        and_(living, until <= bindparam("living")),
        and_(awake, until <= bindparam("at_rest")),
        and_(col(SpanRow.draw) == "asleep", until <= bindparam("asleep")),
        and_(col(SpanRow.draw) == "off", until < col(SpanRow.started_at)),
    )
    is_open = and_(col(SpanRow.runner) == col(RunnerRow.name), col(SpanRow.ended_at).is_(None))
    query = select(RunnerRow.name).join(SpanRow, is_open).where(due, or_(until.is_(None), told))
    query = query.where(RunnerRow.operation != str(Operation.WAKING))
    return query.order_by(until.asc().nulls_first(), RunnerRow.name).limit(MOST)


def settle_runner(session: Session, name: str) -> bool:
    """Whether anything was settled. Once is enough: what was settled is not settled again."""
    row, watched = session.get(RunnerRow, name), watched_until(session)
    if row is None or watched is None or row.operation == Operation.WAKING:
        return False
    start = row.settled_until or first_watched(session, name)
    if start is None or (row.settled_until is None and not _set_aside(session, name, start)):
        return False
    attempts = uncosted(session, name)
    awaited = _is_awake(row) or any(attempt.ended is None for attempt in attempts)
    end = settle_until(start, watched, told=told_until(row), awaited=awaited, metered=metered_until(row))
    held = tenures(session, row, attempts)
    over = [each for each, tenure in zip(attempts, held, strict=True) if _is_over(each, tenure, end)]
    if (end == row.settled_until and not over) or not _move(session, row, start, end):
        return False
    if start < end:
        add_lines(session, settle(timeline(session, row, start, end, held), to_runner(row).full_prices))
        session.execute(delete(EnergyRow).where(col(EnergyRow.runner) == name, col(EnergyRow.ended_at) <= end))
    for attempt in over:
        close_attempt(session, attempt)
    return True


def _is_awake(row: RunnerRow) -> bool:
    return row.power == Power.AWAKE and row.service != Service.RETIRED


def _is_over(attempt: AttemptRow, tenure: Tenure, settled_until: datetime) -> bool:
    """Its tokens were booked before it was ended."""
    return attempt.ended is not None and tenure.over is not None and tenure.over <= settled_until


def _move(session: Session, row: RunnerRow, start: datetime, end: datetime) -> bool:
    """Guarded by what was read: two settlements at once are one."""
    was = col(RunnerRow.settled_until).is_(None) if row.settled_until is None else col(RunnerRow.settled_until) == start
    changed = update(RunnerRow).where(col(RunnerRow.name) == row.name, was).values(settled_until=end)
    return rows_changed(session, changed) == 1


def _set_aside(session: Session, runner: str, start: datetime) -> bool:
    """Attempts that ended before anybody watched the runner have no lines. False while there are more of them."""
    before = or_(col(AttemptRow.ended_at).is_(None), col(AttemptRow.ended_at) <= start)
    old = select(AttemptRow.id).where(AttemptRow.runner == runner, UNCOSTED, col(AttemptRow.ended).is_not(None), before)
    marked = update(AttemptRow).where(col(AttemptRow.id).in_(old.limit(OLD_MOST))).values(costed=True)
    return rows_changed(session, marked) < OLD_MOST
