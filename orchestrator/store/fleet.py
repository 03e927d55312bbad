"""The frozen picture that planning looks at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, bindparam
from sqlalchemy.orm import aliased, load_only
from sqlmodel import Session, and_, col, exists, func, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import ENDED, Phase
from orchestrator.domain.reasons import EndReason, meaning
from orchestrator.store.acceptance import load_proofs
from orchestrator.store.convert import to_attempt, to_campaign, to_episode, to_runner
from orchestrator.store.power import load_power, load_warmth
from orchestrator.store.queries import OF_A_CAMPAIGN, newest_accepted
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, OutboxRow, RunnerRow

LIVE = [str(phase) for phase in Phase if phase not in ENDED]
"""Named, so that an index finds them among all that have ended."""

LEAVINGS_MAX = 1000
"""Attempts that are over and still on their runner, looked at in one plan: the oldest first, others after them."""

# What each tick asks is put together once: that takes as long as asking it.
LIVE_EPISODES = select(EpisodeRow).where(col(EpisodeRow.phase).in_(LIVE))
CAMPAIGNS = select(CampaignRow).where(col(CampaignRow.id).in_(bindparam("ids", expanding=True)))
CAMPAIGNS = CAMPAIGNS.options(load_only(*OF_A_CAMPAIGN))
LIVE_ATTEMPTS = select(AttemptRow).where(col(AttemptRow.ended).is_(None))
RUNNERS = select(RunnerRow)
LAST_BEGUN = select(func.max(EpisodeRow.started_at)).where(EpisodeRow.submitter == bindparam("submitter"))
ACTS = select(OutboxRow.attempt_id, OutboxRow.kind, OutboxRow.done_at).where(
    col(OutboxRow.attempt_id).in_(bindparam("ids", expanding=True))
)
ENDED_ATTEMPTS = select(AttemptRow.episode_id, AttemptRow.runner, AttemptRow.ended).where(
    col(AttemptRow.episode_id).in_(bindparam("ids", expanding=True)), col(AttemptRow.ended).is_not(None)
)


def load_fleet(session: Session) -> FleetState:
    """All runners, what has not ended, and what was left on runners."""
    episodes = session.exec(LIVE_EPISODES).all()
    campaigns = session.exec(CAMPAIGNS, params={"ids": [*{row.campaign_id for row in episodes}]}).all()
    attempts = [*session.exec(LIVE_ATTEMPTS), *session.exec(_leavings())]
    requested, finished = _acts(session, [row.id for row in attempts])
    avoids = _avoids(session, [row.id for row in episodes if row.fence > 0])
    rows = session.exec(RUNNERS).all()
    runners = tuple(to_runner(row) for row in rows)
    facts = tuple(to_campaign(row) for row in campaigns)
    accepted = tuple(to_campaign(row) for row in newest_accepted(session))
    return FleetState(
        runners=runners,
        episodes=tuple(to_episode(row, avoids.get(row.id, frozenset())) for row in episodes),
        attempts=tuple(
            to_attempt(row, frozenset(requested.get(row.id, ())), frozenset(finished.get(row.id, ())))
            for row in attempts
        ),
        campaigns=facts,
        accepted=accepted,
        power=load_power(session, rows),
        warmth=load_warmth(session, campaigns),
        served=_served(session, {row.submitter for row in episodes if row.phase == Phase.QUEUED}),
        proofs=load_proofs(session, facts, accepted, runners),
    )


@cache
def _leavings() -> SelectOfScalar[AttemptRow]:
    return select(AttemptRow).where(left_behind()).order_by(col(AttemptRow.created_at)).limit(LEAVINGS_MAX)


@cache
def left_behind() -> ColumnElement[bool]:
    """Attempts that are over and of which the runner may still hold something; not those whose runner refused to give
    it for good, which stay there for a person to look at."""
    salvage, acknowledge = aliased(OutboxRow), aliased(OutboxRow)
    salvaged = exists().where(
        col(salvage.attempt_id) == col(AttemptRow.id), col(salvage.kind) == "salvage", col(salvage.done_at).is_not(None)
    )
    acknowledging = exists().where(
        col(acknowledge.attempt_id) == col(AttemptRow.id), col(acknowledge.kind) == "acknowledge"
    )
    return and_(
        col(AttemptRow.ended).is_not(None), col(AttemptRow.acknowledged_at).is_(None), or_(~salvaged, acknowledging)
    )


def _served(session: Session, submitters: Iterable[str]) -> dict[str, datetime]:
    """When an episode of each of these last began; one look into an index for each, however many have ended."""
    last = {submitter: session.exec(LAST_BEGUN, params={"submitter": submitter}).one() for submitter in submitters}
    return {submitter: at for submitter, at in last.items() if at is not None}


def _acts(session: Session, attempt_ids: Sequence[str]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Per attempt the kinds of act that were asked for, and those of them that are over."""
    requested: dict[str, set[str]] = {}
    finished: dict[str, set[str]] = {}
    if not attempt_ids:
        return requested, finished
    for attempt_id, kind, done_at in session.exec(ACTS, params={"ids": attempt_ids}):
        if attempt_id is None:
            continue
        requested.setdefault(attempt_id, set()).add(kind)
        if done_at is not None:
            finished.setdefault(attempt_id, set()).add(kind)
    return requested, finished


def _avoids(session: Session, episode_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Per episode the runners on which an attempt ended for a reason that is retried elsewhere."""
    avoids: dict[str, set[str]] = {}
    if not episode_ids:
        return {}
    for episode_id, runner, reason in session.exec(ENDED_ATTEMPTS, params={"ids": episode_ids}):
        retry = meaning(EndReason(reason)).retry if reason else None
        if retry is not None and retry.where == "elsewhere":
            avoids.setdefault(episode_id, set()).add(runner)
    return {episode_id: frozenset(runners) for episode_id, runners in avoids.items()}
