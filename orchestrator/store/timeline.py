"""A runner's time, from rows: what accounting settles. Only what is live, due or not yet settled is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel import Session, col, select

from orchestrator.accounting.tenure import TOLD, Tenure, Told, holds
from orchestrator.accounting.values import Metered, Timeline, Waking
from orchestrator.domain.wake import WakeRecord
from orchestrator.store.account_tables import EnergyRow
from orchestrator.store.convert import to_runner
from orchestrator.store.meters import clock_ahead
from orchestrator.store.power import to_record
from orchestrator.store.spans import spans_between
from orchestrator.store.tables import AttemptRow, EventRow, RunnerEventRow, RunnerRow, WakeRow

UNCOSTED = text("NOT attempt.costed")
"""As the index says it: one of a database without truth values is not used for a comparison with 0."""

UNCOSTED_MOST = 2000
WAKE_MOST = timedelta(hours=2)
"""No wake lasts so long."""

WAKES_TOLD = 500
"""Of so many of a runner's events the newest are searched for whom a wake was for."""


def uncosted(session: Session, runner: str) -> Sequence[AttemptRow]:
    """Attempts on it that are not wholly in the ledger, the oldest first."""
    query = select(AttemptRow).where(AttemptRow.runner == runner, UNCOSTED)
    return session.exec(query.order_by(col(AttemptRow.created_at)).limit(UNCOSTED_MOST)).all()


def timeline(session: Session, row: RunnerRow, start: datetime, end: datetime, tenures: Iterable[Tenure]) -> Timeline:
    """Of the runner from `start` to `end`."""
    return Timeline(
        runner=row.name,
        start=start,
        end=end,
        gates=to_runner(row).slots.gates,
        spans=spans_between(session, row.name, start, end),
        holds=tuple(hold for tenure in tenures for hold in holds(tenure, end)),
        wakes=_wakes(session, row.name, start, end),
        metered=_metered(session, row.name, end),
    )


def tenures(session: Session, row: RunnerRow, attempts: Iterable[AttemptRow]) -> tuple[Tenure, ...]:
    """What these attempts held of the runner, at our time."""
    ahead = clock_ahead(row)
    return tuple(
        Tenure(
            episode_id=attempt.episode_id,
            attempt_id=attempt.id,
            start=attempt.created_at,
            ended=attempt.ended_at,
            told=_told(session, attempt.id, ahead),
        )
        for attempt in attempts
    )


def _told(session: Session, attempt_id: str, ahead: timedelta) -> tuple[Told, ...]:
    query = select(EventRow).where(EventRow.attempt_id == attempt_id, col(EventRow.event).in_(TOLD))
    lines = session.exec(query.where(EventRow.source == "runner").order_by(col(EventRow.seq))).all()
    return tuple(Told(at=line.at - ahead, event=line.event, data=line.data) for line in lines)


def _wakes(session: Session, runner: str, start: datetime, end: datetime) -> tuple[Waking, ...]:
    begun = (col(WakeRow.started_at) > start - WAKE_MOST, col(WakeRow.started_at) < end)
    records = [to_record(row) for row in session.exec(select(WakeRow).where(WakeRow.runner == runner, *begun))]
    reaching = [record for record in records if record.ended_at > start]
    return tuple(
        Waking(start=wake.started_at, end=wake.ended_at, ready=wake.ready, episodes=_woken_for(session, wake))
        for wake in reaching
    )


def _woken_for(session: Session, wake: WakeRecord) -> tuple[str, ...]:
    query = select(RunnerEventRow).where(RunnerEventRow.runner == wake.runner)
    events = session.exec(query.order_by(col(RunnerEventRow.id).desc()).limit(WAKES_TOLD)).all()
    began = [each.data for each in events if each.event == "wake-started" and each.at == wake.started_at]
    return tuple(began[0].get("episodes", ())) if began else ()


def _metered(session: Session, runner: str, end: datetime) -> tuple[Metered, ...]:
    rows = session.exec(select(EnergyRow).where(EnergyRow.runner == runner, col(EnergyRow.started_at) < end))
    return tuple(Metered(start=row.started_at, end=row.ended_at, joules=row.joules, whole=row.whole) for row in rows)
