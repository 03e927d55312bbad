"""Canaries that an operator asks for, and what became of them."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, or_, select

from orchestrator.domain.actions import BeginCanary
from orchestrator.domain.episode import Acceptance, CampaignFacts, EpisodeKind
from orchestrator.domain.phases import ENDED, Phase
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Service
from orchestrator.errors import Conflict, NotFound
from orchestrator.planning.canaries import as_if_trusted, trial_of
from orchestrator.planning.placement import unfit
from orchestrator.service.services import Services
from orchestrator.store.acceptance import refused_by
from orchestrator.store.canary import begin_canary, live_canary, newest_canary
from orchestrator.store.convert import to_campaign, to_runner
from orchestrator.store.queries import find_runner, newest_accepted
from orchestrator.store.tables import CampaignRow, EpisodeRow, RunnerRow


def ask_canary(services: Services, name: str, *, by: str, gpu: str = "", campaign: str = "") -> dict[str, Any]:
    """Have the machine prove itself, whatever its health and service: on its device `gpu` (a deviceUUID; empty: the one
    that most needs it) by `campaign` (a name or an id; empty: the newest accepted one that fits). One that is under way
    there already is answered. Raises NotFound and Conflict."""
    with services.store.writing() as session:
        row = find_runner(session, name)
        action = _chosen(session, row, gpu, campaign, f"asked for by {by}")
        canary = live_canary(session, name, action.gpu) or begin_canary(session, action, services.now(), actor=by)
        if canary is None:
            raise Conflict(f"campaign {action.campaign_id} is not accepted any more", "ask again")
        answer = _status(session, canary)
    services.doorbell.tick()
    return answer


def canary_status(services: Services, name: str, episode_id: str = "") -> dict[str, Any]:
    """Of that canary, or of the machine's newest. Raises NotFound."""
    with services.store.reading() as session:
        find_runner(session, name)
        canary = session.get(EpisodeRow, episode_id) if episode_id else newest_canary(session, name)
        if canary is None or canary.kind != EpisodeKind.CANARY or canary.pinned_runner != name:
            raise NotFound(f"runner {name} has no such canary", f"`matins runner canary {name}` runs one")
        return _status(session, canary)


def last_canary(session: Session, name: str) -> dict[str, Any] | None:
    """As `runner show` has it; None if there was none yet."""
    canary = newest_canary(session, name)
    return _status(session, canary) if canary is not None else None


def _chosen(session: Session, row: RunnerRow, gpu: str, campaign: str, reason: str) -> BeginCanary:
    if row.service == Service.RETIRED:
        raise Conflict(f"runner {row.name} is retired", "add it again under another name")
    runner = to_runner(row)
    if runner.hello is None:
        raise Conflict(f"runner {row.name} has not told yet what it is", "wait until it has answered once")
    if gpu and gpu not in {device.uuid for device in runner.devices}:
        raise NotFound(f"runner {row.name} has no device {gpu}", f"`matins runner show {row.name}` lists its devices")
    known = _named(session, campaign) if campaign else _known_good(session, row)
    found = trial_of(as_if_trusted(runner, gpu) if gpu else runner, known)
    if found is None:
        raise Conflict(f"runner {row.name} cannot run a canary: {_why(runner, gpu, known)}", REMEDY)
    return BeginCanary(runner=row.name, gpu=found[0], campaign_id=found[1].id, reason=reason)


REMEDY = "submit a campaign that this machine can run: once its preflight has passed, it is what canaries are made of"


def _known_good(session: Session, row: RunnerRow) -> list[CampaignFacts]:
    """What the machine refused would fail there, whether it is sound or not."""
    refused = refused_by(session, row)
    return [to_campaign(one) for one in newest_accepted(session) if one.id not in refused]


def _why(runner: Any, gpu: str, known: list[CampaignFacts]) -> str:
    if not known:
        return "no campaign has been accepted yet that it did not refuse"
    newest = known[0]
    return f"it {unfit(as_if_trusted(runner, gpu), newest)}, which campaign {newest.name} needs"


def _named(session: Session, campaign: str) -> list[CampaignFacts]:
    query = select(CampaignRow).where(or_(CampaignRow.id == campaign, CampaignRow.name == campaign))
    rows = session.exec(query.order_by(col(CampaignRow.submitted_at).desc())).all()
    if not rows:
        raise NotFound(f"there is no campaign {campaign!r}", "`matins episode list` shows names of campaigns")
    accepted = [to_campaign(row) for row in rows if row.acceptance == Acceptance.ACCEPTED]
    if not accepted:
        raise Conflict(f"campaign {campaign} is {rows[0].acceptance}, not accepted", "name one whose preflight passed")
    return accepted


def _status(session: Session, canary: EpisodeRow) -> dict[str, Any]:
    """`passed`: None while it is under way, and where it ended without a verdict. `reason`: what was missing, or what
    it waits for."""
    row = session.get_one(RunnerRow, canary.pinned_runner)
    ended = canary.phase in ENDED
    verdict = canary.end_reason == EndReason.COMPLETED if canary.phase == Phase.DONE else None
    return {
        "runner": canary.pinned_runner,
        "gpu": canary.pinned_gpu,
        "episode": canary.id,
        "campaign": session.get_one(CampaignRow, canary.campaign_id).name,
        "by": canary.submitter,
        "phase": canary.phase,
        "under_way": not ended,
        "passed": verdict,
        "reason": canary.detail or (canary.end_reason or "" if ended and not verdict else ""),
        "health": row.health,
        "ended_at": canary.ended_at.isoformat() if canary.ended_at else None,
    }
