"""The guarded writes that everything else is made of. Each says whether it held: False means that what was read is
stale, and that nothing was written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from orchestrator.domain.phases import ENDED, LEASED, Event, Phase, advance
from orchestrator.domain.reasons import EndReason
from orchestrator.store.tables import AttemptRow, EpisodeRow, EventRow, OutboxRow, RunnerEventRow, RunnerRow


def move_episode(
    session: Session,
    episode_id: str,
    event: Event,
    *,
    phase: Phase,
    fence: int,
    now: datetime,
    values: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
) -> bool:
    """Advance an episode that still is in `phase` with `fence`, and say so in the event log. `values` win over the
    times that a move sets by itself. A runner whose slot it gives back was busy until now."""
    after = advance(phase, event)
    changes: dict[str, Any] = {"phase": str(after), "phase_since": now, **(values or {})}
    if after in ENDED:
        changes.setdefault("ended_at", now)
    guard = (col(EpisodeRow.id) == episode_id, col(EpisodeRow.phase) == str(phase), col(EpisodeRow.fence) == fence)
    held = select(EpisodeRow.runner).where(*guard) if phase in LEASED and after not in LEASED else None
    runner = session.exec(held).first() if held is not None else None
    if rows_changed(session, update(EpisodeRow).where(*guard).values(**changes)) == 0:
        return False
    if runner is not None:
        session.execute(update(RunnerRow).where(col(RunnerRow.name) == runner).values(busy_until=now))
    log_event(session, episode_id, f"episode-{event}", now=now, data={"phase": str(after), **(data or {})})
    return True


def fail_attempt(session: Session, attempt_id: str, reason: EndReason, detail: str, *, now: datetime) -> bool:
    """Note what an act or an operator found that ends a live attempt without a verdict. The planner decides what
    follows."""
    live = (col(AttemptRow.id) == attempt_id, col(AttemptRow.ended).is_(None), col(AttemptRow.failure).is_(None))
    changed = update(AttemptRow).where(*live).values(failure=str(reason), failure_detail=detail)
    if rows_changed(session, changed) == 0:
        return False
    episode_id = session.exec(select(AttemptRow.episode_id).where(AttemptRow.id == attempt_id)).one()
    found = {"reason": str(reason), "detail": detail}
    log_event(session, episode_id, "attempt-failed", now=now, attempt_id=attempt_id, data=found)
    return True


def request_act(session: Session, kind: str, attempt_id: str, *, now: datetime) -> bool:
    """Put an act into the outbox, once per kind and attempt."""
    row = {"kind": kind, "attempt_id": attempt_id, "created_at": now, "not_before": now, "tries": 0, "error": ""}
    try:
        with session.begin_nested():
            session.execute(insert(OutboxRow).values(**row))
    except IntegrityError:
        return False
    return True


def request_power_act(session: Session, kind: str, runner: str, begun: datetime) -> bool:
    """Put an act on a machine's power into the outbox, once per kind, runner and moment."""
    row = {"kind": kind, "runner": runner, "begun": begun, "created_at": begun, "not_before": begun}
    try:
        with session.begin_nested():
            session.execute(insert(OutboxRow).values(**row, tries=0, error=""))
    except IntegrityError:
        return False
    return True


def ask_again(session: Session, kind: str, attempt_id: str, *, now: datetime) -> bool:
    """Have an act that is safe to repeat done once more, or for the first time. False while it is under way."""
    if request_act(session, kind, attempt_id, now=now):
        return True
    over = (col(OutboxRow.kind) == kind, col(OutboxRow.attempt_id) == attempt_id, col(OutboxRow.done_at).is_not(None))
    due = {"done_at": None, "claimed_until": None, "not_before": now, "tries": 0, "error": "", "counted": False}
    return rows_changed(session, update(OutboxRow).where(*over).values(**due)) == 1


def log_event(
    session: Session,
    episode_id: str,
    event: str,
    *,
    now: datetime,
    attempt_id: str | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    session.add(
        EventRow(
            episode_id=episode_id, attempt_id=attempt_id, source="orchestrator", at=now, event=event, data=data or {}
        )
    )


def log_runner_event(
    session: Session, runner: str, event: str, *, actor: str, now: datetime, data: dict[str, Any] | None = None
) -> None:
    session.add(RunnerEventRow(runner=runner, at=now, event=event, actor=actor, data=data or {}))


def rows_changed(session: Session, statement: Any) -> int:
    """How many rows an update touched: 0 means that its guard did not hold."""
    result: Any = session.execute(statement)
    return int(result.rowcount)
