"""What has ended and is not in the roll-ups yet, and the mark that it is. Each look goes into an index of such rows
alone: few, however long the tables are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import bindparam, text, update
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

from orchestrator.accounting.counting import EndedEpisode, EndedPull, EndedWake
from orchestrator.domain.reasons import EndReason
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, OutboxRow, WakeRow


@dataclass(frozen=True, kw_only=True)
class Uncounted:
    """A batch. `retries`: why the attempts ended that others were made after. `ids`: per table, all rows of the batch;
    most acts and first attempts add nothing."""

    episodes: Sequence[EndedEpisode]
    retries: Sequence[str]
    wakes: Sequence[EndedWake]
    pulls: Sequence[EndedPull]
    ids: dict[str, list[Any]]

    def fills(self, limit: int) -> bool:
        """Whether there may be more."""
        return any(len(ids) >= limit for ids in self.ids.values())


TABLES: dict[str, Any] = {"episode": EpisodeRow, "attempt": AttemptRow, "wake": WakeRow, "outbox": OutboxRow}

MOST: Any = bindparam("most")
"""Of one table. Each look is put together once: that takes as long as looking."""


def uncounted(session: Session, limit: int) -> Uncounted:
    """At most `limit` rows of each table, those that ended first."""
    episodes, attempts = _episodes(session, limit), _attempts(session, limit)
    wakes, acts = _wakes(session, limit), _acts(session, limit)
    return Uncounted(
        episodes=[_episode(*row) for row in episodes],
        retries=[before for _, fence, before in attempts if fence > 1 and before],
        wakes=[_wake(row) for row in wakes],
        pulls=[_pull(row) for row in acts if row.kind == "collect"],
        ids={
            "episode": [row.id for row, _ in episodes],
            "attempt": [row[0] for row in attempts],
            "wake": [row.id for row in wakes],
            "outbox": [row.id for row in acts],
        },
    )


def mark_counted(session: Session, batch: Uncounted) -> bool:
    """False, and nothing is marked, if somebody else has counted one of them meanwhile. Writers stand in line, so what
    is uncounted here stays so until it is marked."""
    marks = [(TABLES[name], ids) for name, ids in batch.ids.items() if ids]
    for table, ids in marks:
        still = select(func.count()).where(col(table.id).in_(ids), ~col(table.counted))
        if session.exec(still).one() != len(ids):
            return False
    for table, ids in marks:
        session.execute(update(table).where(col(table.id).in_(ids)).values(counted=True))
    return True


def _new(table: str) -> Any:
    """As the index has it: `counted = false` would not be taken for the same."""
    return text(f"NOT {table}.counted")


def _episodes(session: Session, limit: int) -> Sequence[tuple[EpisodeRow, str]]:
    return session.exec(_ended_episodes(), params={"most": limit}).all()


@cache
def _ended_episodes() -> Any:
    query = select(EpisodeRow, CampaignRow.name)
    ended = (EpisodeRow.campaign_id == CampaignRow.id, _new("episode"), col(EpisodeRow.ended_at).is_not(None))
    return query.where(*ended).order_by(col(EpisodeRow.ended_at)).limit(MOST)


def _episode(row: EpisodeRow, campaign: str) -> EndedEpisode:
    return EndedEpisode(
        id=row.id,
        campaign=campaign,
        agent=row.agent,
        model=row.model or "",
        kind=row.kind,
        phase=row.phase,
        end_reason=row.end_reason or "",
        runner=row.runner or "",
        submitted_at=row.submitted_at,
        started_at=row.started_at,
        ended_at=row.ended_at or row.phase_since,
        result=row.result or {},
    )


def _attempts(session: Session, limit: int) -> Sequence[tuple[str, int, str | None]]:
    return session.exec(_with_the_one_before(), params={"most": limit}).all()


@cache
def _with_the_one_before() -> Any:
    before = aliased(AttemptRow)
    query = select(AttemptRow.id, AttemptRow.fence, before.ended).outerjoin(
        before, (col(before.episode_id) == col(AttemptRow.episode_id)) & (col(before.fence) == AttemptRow.fence - 1)
    )
    return query.where(_new("attempt")).order_by(col(AttemptRow.created_at)).limit(MOST)


def _wakes(session: Session, limit: int) -> Sequence[WakeRow]:
    return session.exec(_ended_wakes(), params={"most": limit}).all()


@cache
def _ended_wakes() -> Any:
    return select(WakeRow).where(_new("wake")).order_by(col(WakeRow.ended_at)).limit(MOST)


def _wake(row: WakeRow) -> EndedWake:
    stages = [(time["stage"], time["seconds"]) for time in row.stages]
    return EndedWake(runner=row.runner, ready=row.failed_stage is None, stages=stages)


def _acts(session: Session, limit: int) -> Sequence[Any]:
    return session.execute(_acts_done(), {"most": limit}).all()


@cache
def _acts_done() -> Any:
    told = (OutboxRow.id, OutboxRow.kind, OutboxRow.tries, OutboxRow.done_at, AttemptRow.failure, AttemptRow.ended_at)
    query: Any = select_columns(*told)  # pyright: ignore[reportCallIssue, reportArgumentType]
    query = query.outerjoin(AttemptRow, col(OutboxRow.attempt_id) == col(AttemptRow.id))
    done = (_new("outbox"), col(OutboxRow.done_at).is_not(None))
    return query.where(*done).order_by(col(OutboxRow.done_at)).limit(MOST)


def _pull(row: Any) -> EndedPull:
    if row.failure == EndReason.ARTIFACTS_LOST:
        return EndedPull(came=False, failed_tries=row.tries)
    # Of an attempt that was over before, nothing was fetched.
    came = row.ended_at is None or row.ended_at >= row.done_at
    return EndedPull(came=came, failed_tries=max(0, row.tries - 1))
