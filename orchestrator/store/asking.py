"""What a runner is asked about, and what is known before it answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func
from sqlmodel import Session, col, select

from orchestrator.store.fleet import left_behind
from orchestrator.store.tables import AttemptRow, ChunkRow, RunnerRow

OPEN_MAX = 2000
"""Attempts that a runner is asked about at once."""

AMONG: Any = bindparam("ids", expanding=True)
_OF_RUNNER = select(AttemptRow.id).where(AttemptRow.runner == bindparam("runner"))
LIVE_THERE = _OF_RUNNER.where(col(AttemptRow.ended).is_(None))
LEFT_THERE = _OF_RUNNER.where(left_behind()).limit(OPEN_MAX)
NAMED = select(AttemptRow).where(col(AttemptRow.id).in_(AMONG))
LENGTHS = (
    select(ChunkRow.attempt_id, ChunkRow.stream, func.sum(ChunkRow.length))
    .where(col(ChunkRow.attempt_id).in_(AMONG))
    .group_by(ChunkRow.attempt_id, ChunkRow.stream)
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was known when a runner was asked. Its answer counts only for what is still as it was then: whatever was
    learnt meanwhile is newer. `cursors`: per attempt, the bytes held of each stream; `statuses`: what it last was;
    `suspend_sent_at`: when the runner had been asked to sleep by then. `at`: when it was asked, None: just now."""

    cursors: dict[str, dict[str, int]]
    statuses: dict[str, dict[str, Any] | None]
    last_seen: datetime | None
    asleep_since: datetime | None = None
    suspend_sent_at: datetime | None = None
    at: datetime | None = None


def ask(session: Session, runner: str, now: datetime | None = None) -> Asked:
    """What to ask a runner about, and what is known before it answers."""
    held = cursors(session, runner)
    known = session.exec(NAMED, params={"ids": [*held]}).all()
    row = session.get_one(RunnerRow, runner)
    statuses = {attempt.id: attempt.status for attempt in known}
    then = {"last_seen": row.last_seen, "asleep_since": row.asleep_since, "suspend_sent_at": row.suspend_sent_at}
    return Asked(cursors=held, statuses=statuses, at=now, **then)


def cursors(session: Session, runner: str) -> dict[str, dict[str, int]]:
    """Per attempt of which the runner may have something to tell, the bytes held of each of its streams."""
    there = {"runner": runner}
    ids = [*session.exec(LIVE_THERE, params=there), *session.exec(LEFT_THERE, params=there)]
    return _lengths(session, ids[:OPEN_MAX])


def cursors_of(session: Session, attempt_id: str) -> dict[str, int]:
    """The bytes held of each stream of one attempt."""
    return _lengths(session, [attempt_id])[attempt_id]


def _lengths(session: Session, attempt_ids: Iterable[str]) -> dict[str, dict[str, int]]:
    held: dict[str, dict[str, int]] = {attempt_id: {} for attempt_id in attempt_ids}
    for attempt_id, stream, length in session.exec(LENGTHS, params={"ids": [*held]}):
        held[attempt_id][stream] = int(length)
    return held
