"""Messages as rows: each is an act of the outbox, so that it is sent once more by whoever finds it unsent."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from orchestrator.planning.notices import WINDOW_S, Draft
from orchestrator.store.changes import rows_changed
from orchestrator.store.notice_tables import MessageRow
from orchestrator.store.tables import OutboxRow
from orchestrator.store.totals import add_total

ACT = "notify"
COUNTER = "matins_notifications"
RESULTS = ("sent", "failed")


def made_lately(session: Session, now: datetime, every_s: float) -> list[tuple[datetime, Collection[str]]]:
    """When messages were made, and about which conditions."""
    since = now - timedelta(seconds=max(WINDOW_S, every_s))
    query = select(MessageRow.made_at, MessageRow.conditions).where(col(MessageRow.made_at) > since)
    return [(at, conditions) for at, conditions in session.exec(query).all()]


def post(session: Session, draft: Draft, now: datetime) -> int:
    """The act that sends it."""
    act = OutboxRow(kind=ACT, created_at=now, not_before=now)
    session.add(act)
    session.flush()
    act_id, conditions = act.id or 0, [str(condition) for condition in draft.conditions]
    session.add(
        MessageRow(
            outbox_id=act_id,
            conditions=conditions,
            severity=draft.severity,
            title=draft.title,
            body=draft.body,
            made_at=now,
            reached=[],
        )
    )
    session.flush()
    for condition in conditions:
        for result in RESULTS:
            add_total(session, COUNTER, {"condition": condition, "result": result}, 0)
    return act_id


def load_message(session: Session, act_id: int) -> MessageRow | None:
    """One that is not ended."""
    waiting = (MessageRow.outbox_id == act_id, col(MessageRow.ended_at).is_(None))
    return session.exec(select(MessageRow).where(*waiting)).first()


def note_reached(session: Session, act_id: int, place: int) -> None:
    message = load_message(session, act_id)
    if message is not None and place not in message.reached:
        message.reached = [*message.reached, place]
        session.add(message)


def end_message(session: Session, act_id: int, result: str, now: datetime) -> None:
    """Counted once, for each condition that it was about."""
    message = load_message(session, act_id)
    if message is None:
        return
    waiting = (col(MessageRow.id) == message.id, col(MessageRow.ended_at).is_(None))
    if rows_changed(session, update(MessageRow).where(*waiting).values(ended_at=now, result=result)) == 1:
        for condition in message.conditions:
            add_total(session, COUNTER, {"condition": condition, "result": result}, 1)
