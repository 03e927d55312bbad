"""Episodes for one machine and no other, that nobody's agent works on: canaries and preflights there, as rows."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlmodel import Session

from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.phases import Phase
from orchestrator.store.changes import log_event
from orchestrator.store.tables import CampaignRow, EpisodeRow


def queue_pinned(
    session: Session,
    kind: EpisodeKind,
    campaign: CampaignRow,
    runner: str,
    *,
    gpu: str = "",
    actor: str,
    reason: str,
    now: datetime,
) -> EpisodeRow:
    """Queues one for the runner, and its device `gpu` if one is named; the log says who wanted it, and why."""
    row = EpisodeRow(
        id=secrets.token_hex(6),
        campaign_id=campaign.id,
        kind=str(kind),
        agent=str(kind),
        phase=str(Phase.QUEUED),
        phase_since=now,
        submitted_at=now,
        submitter=actor,
        pinned_runner=runner,
        pinned_gpu=gpu,
    )
    session.add(row)
    session.flush()
    told = {"campaign": campaign.name, "agent": row.agent, "runner": runner, "by": actor, "reason": reason}
    log_event(session, row.id, "episode-submitted", now=now, data=told)
    return row
