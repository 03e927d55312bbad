"""Canaries as rows: made once per machine and device, and what their end says of these."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from orchestrator.domain.actions import BeginCanary
from orchestrator.domain.episode import Acceptance, EpisodeKind
from orchestrator.domain.health import Finding
from orchestrator.domain.phases import ENDED
from orchestrator.domain.reasons import EndReason, meaning
from orchestrator.domain.runner import Service
from orchestrator.store.changes import log_runner_event
from orchestrator.store.health import OURSELVES, move_health
from orchestrator.store.pinned import queue_pinned
from orchestrator.store.tables import CampaignRow, EpisodeRow, RunnerRow


def begin_canary(session: Session, action: BeginCanary, now: datetime, actor: str = OURSELVES) -> EpisodeRow | None:
    """None where one is under way for that machine and device, or the campaign is not accepted any more."""
    campaign = session.get_one(CampaignRow, action.campaign_id)
    retired = session.get_one(RunnerRow, action.runner).service == Service.RETIRED
    if retired or campaign.acceptance != Acceptance.ACCEPTED or live_canary(session, action.runner, action.gpu):
        return None
    row = queue_pinned(
        session,
        EpisodeKind.CANARY,
        campaign,
        action.runner,
        gpu=action.gpu,
        actor=actor,
        reason=action.reason,
        now=now,
    )
    asked = {"episode": row.id, "device": action.gpu, "campaign": campaign.name, "reason": action.reason}
    log_runner_event(session, action.runner, "canary-begun", actor=actor, now=now, data=asked)
    return row


def live_canary(session: Session, runner: str, gpu: str) -> EpisodeRow | None:
    query = _canaries(runner).where(EpisodeRow.pinned_gpu == gpu)
    return session.exec(query.where(col(EpisodeRow.phase).not_in([str(phase) for phase in ENDED]))).first()


def newest_canary(session: Session, runner: str) -> EpisodeRow | None:
    return session.exec(_canaries(runner).order_by(col(EpisodeRow.submitted_at).desc()).limit(1)).first()


def _canaries(runner: str) -> SelectOfScalar[EpisodeRow]:
    return select(EpisodeRow).where(EpisodeRow.kind == str(EpisodeKind.CANARY), EpisodeRow.pinned_runner == runner)


def unproven(reason: EndReason) -> Finding:
    """What it says of a machine that a canary ended without a verdict: nothing, if that was not worth another try."""
    return Finding.BROKE_DOWN if meaning(reason).retry is not None else Finding.VOID


def end_canary(session: Session, canary: EpisodeRow, finding: Finding, why: str, now: datetime) -> None:
    """`why`: the first line of what was missing; empty if nothing was."""
    told = {"episode": canary.id, "device": canary.pinned_gpu, "found": str(finding), "why": why}
    log_runner_event(session, canary.pinned_runner, "canary-ended", actor=OURSELVES, now=now, data=told)
    says = f"canary {canary.id} passed" if finding is Finding.PASSED else f"canary {canary.id} {finding}: {why}"
    move_health(session, canary.pinned_runner, finding, says, now, gpu=canary.pinned_gpu)
