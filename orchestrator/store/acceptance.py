"""On which runner a campaign was accepted, as rows: preflights that are to prove it there, and what they found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete
from sqlmodel import Session, and_, col, or_, select

from orchestrator.domain.actions import BeginPreflight
from orchestrator.domain.episode import Acceptance, CampaignFacts, EpisodeKind
from orchestrator.domain.phases import ENDED
from orchestrator.domain.proof import Proof, Proofs, drivers_of, sort_out
from orchestrator.domain.runner import Runner, Service
from orchestrator.store.changes import log_runner_event
from orchestrator.store.convert import to_runner
from orchestrator.store.health import OURSELVES
from orchestrator.store.pinned import queue_pinned
from orchestrator.store.tables import AcceptanceRow, AttemptRow, CampaignRow, EpisodeRow, RunnerRow

SHOWN_MAX = 50
"""Campaigns that `runner show` lists: the newest."""

_REFUSED = and_(
    col(AcceptanceRow.accepted).is_(False), col(AcceptanceRow.campaign_id).in_(bindparam("others", expanding=True))
)
ANSWERS = select(AcceptanceRow).where(
    or_(col(AcceptanceRow.campaign_id).in_(bindparam("live", expanding=True)), _REFUSED)
)


def load_proofs(
    session: Session, live: Iterable[CampaignFacts], accepted: Iterable[CampaignFacts], runners: Collection[Runner]
) -> Proofs:
    """`live`: campaigns with episodes; of the others that are `accepted` only who refused them matters."""
    wanted = [one for one in live if one.acceptance is Acceptance.ACCEPTED]
    campaigns = {"live": [one.id for one in wanted], "others": [one.id for one in accepted]}
    rows = session.exec(ANSWERS, params=campaigns)
    return sort_out(wanted, runners, (to_proof(row) for row in rows))


def refused_by(session: Session, row: RunnerRow) -> frozenset[str]:
    """The ids of campaigns that the runner refused as it is now."""
    own = (AcceptanceRow.runner == row.name, AcceptanceRow.drivers == drivers_of_row(row))
    refused = select(AcceptanceRow.campaign_id).where(*own, col(AcceptanceRow.accepted).is_(False))
    return frozenset(session.exec(refused).all())


def to_proof(row: AcceptanceRow) -> Proof:
    return Proof(
        campaign_id=row.campaign_id,
        runner=row.runner,
        drivers=row.drivers,
        accepted=row.accepted,
        detail=row.detail,
        episode_id=row.episode_id,
    )


def begin_preflight(session: Session, action: BeginPreflight, now: datetime) -> bool:
    """False where one is under way for that campaign there, where one has answered since, or where the machine is not
    in service any more."""
    campaign = session.get_one(CampaignRow, action.campaign_id)
    row = session.get_one(RunnerRow, action.runner)
    if row.service != Service.IN_SERVICE or campaign.acceptance != Acceptance.ACCEPTED:
        return False
    known = session.get(AcceptanceRow, (campaign.id, row.name, drivers_of_row(row)))
    if known is not None or _is_live(session, action):
        return False
    reason = f"campaign {campaign.name} is unproven on {row.name} as it is now"
    queue_pinned(session, EpisodeKind.PREFLIGHT, campaign, row.name, actor=OURSELVES, reason=reason, now=now)
    return True


def _is_live(session: Session, action: BeginPreflight) -> bool:
    live = select(EpisodeRow.id).where(
        EpisodeRow.campaign_id == action.campaign_id,
        EpisodeRow.kind == str(EpisodeKind.PREFLIGHT),
        EpisodeRow.pinned_runner == action.runner,
        col(EpisodeRow.phase).not_in([str(phase) for phase in ENDED]),
    )
    return session.exec(live).first() is not None


def drivers_of_row(row: RunnerRow) -> str:
    return drivers_of(to_runner(row)) or ""


def keep_answer(session: Session, preflight: EpisodeRow, attempt_id: str | None, why: str, now: datetime) -> None:
    """What a preflight that has ended says of the runner that it ran or was to run on, as that was when the attempt was
    launched. `why`: what was missing; empty if nothing was."""
    attempt = session.get_one(AttemptRow, attempt_id) if attempt_id else None
    name = attempt.runner if attempt else preflight.pinned_runner
    row = AcceptanceRow(
        campaign_id=preflight.campaign_id,
        runner=name,
        drivers=attempt.drivers if attempt else drivers_of_row(session.get_one(RunnerRow, name)),
        accepted=not why,
        detail=why,
        episode_id=preflight.id,
        at=now,
    )
    session.merge(row)
    campaign = session.get_one(CampaignRow, preflight.campaign_id)
    told = {"campaign": campaign.name, "episode": preflight.id, "drivers": row.drivers, "why": why}
    event = "campaign-refused" if why else "campaign-accepted"
    log_runner_event(session, name, event, actor=OURSELVES, now=now, data=told)


def forget_refusals(session: Session, campaign_id: str) -> None:
    """Runners that refused the campaign are tried again: they may have been mended meanwhile."""
    refused = (col(AcceptanceRow.campaign_id) == campaign_id, col(AcceptanceRow.accepted).is_(False))
    session.execute(delete(AcceptanceRow).where(*refused))


def answers_of(session: Session, runner: str) -> Sequence[tuple[AcceptanceRow, str]]:
    """The newest of a runner, newest first, with the name of each campaign."""
    query = select(AcceptanceRow, CampaignRow.name).where(
        AcceptanceRow.campaign_id == CampaignRow.id, AcceptanceRow.runner == runner
    )
    return session.exec(query.order_by(col(AcceptanceRow.at).desc()).limit(SHOWN_MAX)).all()
