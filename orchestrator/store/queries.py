"""What the API asks of the database. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import load_only
from sqlmodel import Session, col, func, select

from orchestrator.domain.episode import Acceptance, EpisodeKind
from orchestrator.domain.phases import ENDED
from orchestrator.errors import BadInput, NotFound
from orchestrator.store.tables import AttemptRow, CampaignRow, ChunkRow, EpisodeRow, EventRow, RunnerEventRow, RunnerRow

LOG_PAGE_CHARS = 262_144


ACCEPTED_MAX = 100
"""Campaigns of which a canary may be made: the newest."""

OF_A_CAMPAIGN: tuple[Any, ...] = (
    CampaignRow.name,
    CampaignRow.acceptance,
    CampaignRow.acceptance_detail,
    CampaignRow.needs_tags,
    CampaignRow.needs_vram_bytes,
    CampaignRow.submitted_at,
    CampaignRow.repo_url,
    CampaignRow.commit,
)
"""Its file and attachments may be megabytes."""

NEWEST_ACCEPTED = (
    select(CampaignRow)
    .where(CampaignRow.acceptance == str(Acceptance.ACCEPTED))
    .options(load_only(*OF_A_CAMPAIGN))
    .order_by(col(CampaignRow.submitted_at).desc(), col(CampaignRow.id))
    .limit(ACCEPTED_MAX)
)


@dataclass(frozen=True, kw_only=True)
class EpisodeFilter:
    """Empty means any. `kind` "episode" leaves preflights and canaries out; several are separated by commas."""

    campaign: str = ""
    agent: str = ""
    phase: str = ""
    kind: str = "episode"
    limit: int = 100


def list_episodes(session: Session, wanted: EpisodeFilter) -> Sequence[tuple[EpisodeRow, CampaignRow]]:
    """Newest first."""
    query = select(EpisodeRow, CampaignRow).where(EpisodeRow.campaign_id == CampaignRow.id)
    if wanted.kind:
        query = query.where(col(EpisodeRow.kind).in_(wanted.kind.split(",")))
    if wanted.campaign:
        query = query.where(CampaignRow.name == wanted.campaign)
    if wanted.agent:
        query = query.where(EpisodeRow.agent == wanted.agent)
    if wanted.phase:
        query = query.where(EpisodeRow.phase == wanted.phase.upper())
    newest = (col(EpisodeRow.submitted_at).desc(), col(EpisodeRow.id))
    return session.exec(query.order_by(*newest).limit(wanted.limit)).all()


def find_episode(session: Session, prefix: str) -> tuple[EpisodeRow, CampaignRow]:
    """The episode whose id begins so. Raises NotFound, or BadInput where several do."""
    query = select(EpisodeRow, CampaignRow).where(
        EpisodeRow.campaign_id == CampaignRow.id, col(EpisodeRow.id).startswith(prefix, autoescape=True)
    )
    found = session.exec(query.limit(2)).all() if prefix else []
    if not found:
        raise NotFound(f"there is no episode {prefix!r}", "`matins episode list --all` shows those there are")
    if len(found) > 1:
        raise BadInput(f"{prefix!r} is the beginning of more than one episode's id", "give more of it")
    return found[0]


def compared_campaign(session: Session, name: str) -> tuple[CampaignRow, Sequence[EpisodeRow], int]:
    """Of the campaigns of that name the newest with a verdict, else the newest; its episodes, without preflights; and
    how many verdicts the others have. Raises NotFound."""
    newest = (col(CampaignRow.submitted_at).desc(), col(CampaignRow.id))
    campaigns = session.exec(select(CampaignRow).where(CampaignRow.name == name).order_by(*newest)).all()
    if not campaigns:
        raise NotFound(f"there is no campaign {name!r}", "`matins episode list` shows the campaigns of episodes")
    wanted = select(EpisodeRow).where(
        col(EpisodeRow.campaign_id).in_([row.id for row in campaigns]), EpisodeRow.kind == EpisodeKind.EPISODE
    )
    episodes = session.exec(wanted.order_by(col(EpisodeRow.submitted_at), col(EpisodeRow.id))).all()
    judged = [episode.campaign_id for episode in episodes if episode.result is not None]
    chosen = next((row for row in campaigns if row.id in set(judged)), campaigns[0])
    return (
        chosen,
        [episode for episode in episodes if episode.campaign_id == chosen.id],
        sum(campaign_id != chosen.id for campaign_id in judged),
    )


def attempts_of(session: Session, episode_id: str) -> Sequence[AttemptRow]:
    """In the order of their fences."""
    query = select(AttemptRow).where(AttemptRow.episode_id == episode_id).order_by(col(AttemptRow.fence))
    return session.exec(query).all()


def events_of(session: Session, episode_id: str, after: int, limit: int = 1000) -> Sequence[EventRow]:
    query = select(EventRow).where(EventRow.episode_id == episode_id, col(EventRow.id) > after)
    return session.exec(query.order_by(col(EventRow.id)).limit(limit)).all()


def live_log(session: Session, attempt_id: str, offset: int, stream: str = "") -> str:
    """Up to LOG_PAGE_CHARS of an attempt's log from `offset` characters: of one stream, or of all as they came."""
    query = select(ChunkRow).where(ChunkRow.attempt_id == attempt_id)
    if stream:
        chunks = session.exec(query.where(ChunkRow.stream == stream).order_by(col(ChunkRow.start))).all()
        return "".join(chunk.text for chunk in chunks)[offset : offset + LOG_PAGE_CHARS]
    reaching = col(ChunkRow.merged_start) + func.length(ChunkRow.text) > offset
    chunks = session.exec(query.where(reaching).order_by(col(ChunkRow.merged_start)).limit(64)).all()
    if not chunks:
        return ""
    text = "".join(chunk.text for chunk in chunks)
    return text[offset - chunks[0].merged_start :][:LOG_PAGE_CHARS]


def newest_accepted(session: Session) -> Sequence[CampaignRow]:
    """Campaigns of which a canary may be made, newest first, without their files."""
    return session.exec(NEWEST_ACCEPTED).all()


def list_runners(session: Session) -> Sequence[RunnerRow]:
    return session.exec(select(RunnerRow).order_by(col(RunnerRow.name))).all()


def find_runner(session: Session, name: str) -> RunnerRow:
    row = session.get(RunnerRow, name)
    if row is None:
        raise NotFound(f"there is no runner {name!r}", "`matins runner list` shows those there are")
    return row


def runner_events_of(session: Session, name: str, limit: int = 20) -> Sequence[RunnerEventRow]:
    """The newest, oldest of them first."""
    query = select(RunnerEventRow).where(RunnerEventRow.runner == name).order_by(col(RunnerEventRow.id).desc())
    return session.exec(query.limit(limit)).all()[::-1]


def last_judged(session: Session, name: str) -> RunnerEventRow | None:
    """The newest change of the machine's own health; those of its devices stand with these."""
    changed = (RunnerEventRow.runner == name, RunnerEventRow.event == "health-changed")
    query = select(RunnerEventRow).where(*changed).order_by(col(RunnerEventRow.id).desc()).limit(100)
    return next((row for row in session.exec(query).all() if "device" not in row.data), None)


def has_ended(row: EpisodeRow) -> bool:
    return row.phase in ENDED
