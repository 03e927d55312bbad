"""Acts that are due: claimed for a while, done once. A claim only avoids useless work; that an act is safe to repeat
is what makes it right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, bindparam, or_, text, update
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from orchestrator.store.changes import rows_changed
from orchestrator.store.tables import AttemptRow, OutboxRow, RunnerRow


@dataclass(frozen=True, kw_only=True)
class Act:
    """One claimed act: `kind` on attempt `attempt_id`, asked for at `created_at`. `tries` counts this one, and none
    that only waited for the runner. One that moves the runner's power has no attempt, and `begun` instead."""

    id: int
    kind: str
    attempt_id: str
    episode_id: str
    runner: str
    fence: int
    tries: int
    created_at: datetime
    begun: datetime | None = None


def due_acts(session: Session, now: datetime) -> Sequence[int]:
    """Ids of the acts that are due and unclaimed, oldest first. What is not done is not counted either, and of that
    there is an index: a million acts that are done are not looked through."""
    return [act_id for act_id in session.exec(_due(), params={"now": now}) if act_id is not None]


@cache
def _due() -> SelectOfScalar[int | None]:
    due = (text("NOT outbox.counted"), *_open(bindparam("now")))
    return select(col(OutboxRow.id)).where(*due).order_by(col(OutboxRow.id))


def claim(session: Session, act_id: int, now: datetime, claim_s: float) -> Act | None:
    """The act, held for `claim_s`; None if it is done, not due, or someone else's."""
    changes = {"claimed_until": now + timedelta(seconds=claim_s), "tries": OutboxRow.tries + 1}
    claimed = update(OutboxRow).where(col(OutboxRow.id) == act_id, *_open(now)).values(**changes)
    if rows_changed(session, claimed) == 0:
        return None
    row = session.get_one(OutboxRow, act_id)
    if row.attempt_id is None:
        return Act(
            id=act_id,
            kind=row.kind,
            attempt_id="",
            episode_id="",
            runner=row.runner or "",
            fence=0,
            tries=row.tries,
            created_at=row.created_at,
            begun=row.begun,
        )
    attempt = session.get_one(AttemptRow, row.attempt_id)
    return Act(
        id=act_id,
        kind=row.kind,
        attempt_id=attempt.id,
        episode_id=attempt.episode_id,
        runner=attempt.runner,
        fence=attempt.fence,
        tries=row.tries,
        created_at=row.created_at,
    )


def finish(session: Session, act: Act, now: datetime) -> None:
    session.execute(
        update(OutboxRow).where(col(OutboxRow.id) == act.id).values(done_at=now, claimed_until=None, error="")
    )


def postpone(session: Session, act: Act, now: datetime, delay_s: float, error: str, *, tried: bool = True) -> None:
    """It did not work out: due again after `delay_s`. Not `tried`: it never got so far, and that is not counted."""
    changes = {
        "not_before": now + timedelta(seconds=delay_s),
        "claimed_until": None,
        "error": error[:2000],
        "tries": OutboxRow.tries if tried else OutboxRow.tries - 1,
    }
    still_open = (col(OutboxRow.id) == act.id, col(OutboxRow.done_at).is_(None))
    session.execute(update(OutboxRow).where(*still_open).values(**changes))


def drop_claims(session: Session, now: datetime) -> None:
    """For a process that knows that it is the only one: whoever held these acts, or was asking a runner, is gone."""
    session.execute(update(OutboxRow).where(col(OutboxRow.done_at).is_(None)).values(claimed_until=None))
    session.execute(update(RunnerRow).values(observe_after=now))


def _open(now: datetime | BindParameter[Any]) -> tuple[Any, ...]:
    unclaimed = or_(col(OutboxRow.claimed_until).is_(None), col(OutboxRow.claimed_until) <= now)
    return (col(OutboxRow.done_at).is_(None), col(OutboxRow.not_before) <= now, unclaimed)
