"""Submissions: the whole is checked, the base resolved and the rows committed before the answer. From then on an
episode cannot be lost."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath

from sqlmodel import Session, col, select

from orchestrator.domain.campaign import Campaign
from orchestrator.domain.campaign_file import read_campaign
from orchestrator.domain.episode import Acceptance, EpisodeKind
from orchestrator.domain.phases import ENDED, Phase
from orchestrator.errors import BadInput
from orchestrator.failpoints import reach
from orchestrator.service.agents import find_agent
from orchestrator.service.repository import locate, resolve
from orchestrator.service.secrets import missing_secrets
from orchestrator.service.services import Services
from orchestrator.store.acceptance import forget_refusals
from orchestrator.store.changes import log_event
from orchestrator.store.tables import CampaignRow, EpisodeRow
from runner_agent.protocol import Agent, to_json

COUNT_MAX = 1000
BUNDLE_BYTES_MAX = 8 * 1024 * 1024
GIB = 1024**3
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A campaign file and what it refers to: `files` maps relative paths to base64."""

    text: str
    filename: str
    directory: str
    files: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Submission:
    """`submitter`: whose they are, for the fair share of the queue."""

    bundle: Bundle
    agents: tuple[str, ...]
    model: str | None = None
    count: int = 1
    priority: int = 0
    submitter: str = ""


def check_bundle(bundle: Bundle) -> Campaign:
    """The campaign. Raises BadInput with every problem at once."""
    return read_campaign(bundle.text, decode_files(bundle.files))


def decode_files(files: dict[str, str]) -> dict[str, bytes]:
    try:
        decoded = {path: base64.b64decode(data, validate=True) for path, data in files.items()}
    except binascii.Error:
        raise BadInput("an attached file is not base64", "send the bundle as `matins episode submit` does") from None
    if sum(map(len, decoded.values())) > BUNDLE_BYTES_MAX:
        raise BadInput(f"the attached files exceed {BUNDLE_BYTES_MAX} bytes", "attach less")
    return decoded


def submit(services: Services, submission: Submission) -> tuple[CampaignRow, list[EpisodeRow]]:
    """The campaign and its new episodes, committed. Raises BadInput; then nothing was stored."""
    campaign = check_bundle(submission.bundle)
    if not 1 <= submission.count <= COUNT_MAX:
        raise BadInput(f"the count {submission.count} is not between 1 and {COUNT_MAX}", "submit in several steps")
    if not submission.agents:
        raise BadInput("no agent is named", "say --agent KIND:NAME")
    folders = services.settings.agents_path
    agents = [find_agent(name, submission.model, folders) for name in submission.agents]
    if missing := missing_secrets(services.settings.home, campaign.agent.secrets):
        folder = services.settings.home / "secrets"
        raise BadInput(f"secret {missing[0]} is not known", f"write it to {folder / missing[0]} (mode 0600)")
    if PurePath(submission.bundle.directory) == PurePath("/"):
        raise BadInput("the campaign lies in /, which cannot be hidden from agents", "put it into a folder of its own")
    repo_url = locate(campaign.repo.url, submission.bundle.directory)
    commit = resolve(repo_url, campaign.repo.base)
    now = services.now()
    with services.store.writing() as session:
        row = _keep_campaign(session, submission.bundle, campaign, repo_url, commit, now)
        _ensure_preflight(session, row, submission.submitter, now)
        wanted = [agent for agent in agents for _ in range(submission.count)]
        episodes = [
            # A microsecond apart, so that they are taken in the order in which they were named.
            _add_episode(
                session,
                row,
                EpisodeKind.EPISODE,
                agent,
                submission.submitter,
                now + place * MICROSECOND,
                submission.priority,
            )
            for place, agent in enumerate(wanted)
        ]
    reach("intake-after-commit")
    services.doorbell.tick()
    return row, episodes


def _keep_campaign(
    session: Session, bundle: Bundle, campaign: Campaign, repo_url: str, commit: str, now: datetime
) -> CampaignRow:
    key = _key(bundle, repo_url, commit)
    known = session.exec(select(CampaignRow).where(CampaignRow.key == key)).first()
    if known is not None:
        return known
    row = CampaignRow(
        id=secrets.token_hex(6),
        key=key,
        name=campaign.name,
        text=bundle.text,
        filename=bundle.filename,
        directory=bundle.directory,
        files=bundle.files,
        repo_url=repo_url,
        commit=commit,
        needs_tags=list(campaign.requires.tags),
        needs_vram_bytes=int(campaign.requires.vram_gib * GIB),
        acceptance=str(Acceptance.PENDING),
        submitted_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _key(bundle: Bundle, repo_url: str, commit: str) -> str:
    parts = [bundle.text, sorted(bundle.files.items()), repo_url, commit]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _ensure_preflight(session: Session, campaign: CampaignRow, submitter: str, now: datetime) -> None:
    """One live preflight for a campaign that is not accepted. A refused one is tried afresh, and so is one that single
    runners refused on these: the machine may have been mended meanwhile."""
    forget_refusals(session, campaign.id)
    if campaign.acceptance == Acceptance.ACCEPTED:
        return
    live = select(EpisodeRow.id).where(
        EpisodeRow.campaign_id == campaign.id,
        EpisodeRow.kind == str(EpisodeKind.PREFLIGHT),
        col(EpisodeRow.phase).not_in([str(phase) for phase in ENDED]),
    )
    if session.exec(live).first() is None:
        campaign.acceptance, campaign.acceptance_detail = str(Acceptance.PENDING), ""
        session.add(campaign)
        _add_episode(session, campaign, EpisodeKind.PREFLIGHT, None, submitter, now)


def _add_episode(
    session: Session,
    campaign: CampaignRow,
    kind: EpisodeKind,
    agent: Agent | None,
    submitter: str,
    now: datetime,
    priority: int = 0,
) -> EpisodeRow:
    row = EpisodeRow(
        id=secrets.token_hex(6),
        campaign_id=campaign.id,
        kind=str(kind),
        agent=f"{agent.kind}:{agent.name}" if agent else "preflight",
        model=agent.model if agent else None,
        agent_spec=to_json(agent) if agent else None,
        phase=str(Phase.QUEUED),
        phase_since=now,
        submitted_at=now,
        submitter=submitter,
        priority=priority,
    )
    session.add(row)
    session.flush()
    told = {"campaign": campaign.name, "agent": row.agent, "by": submitter}
    log_event(session, row.id, "episode-submitted", now=now, data=told)
    return row
