"""What an act needs to know, read in one transaction, and what a runner is sent from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import orchestrator
from orchestrator.domain.campaign import Campaign
from orchestrator.domain.campaign_file import read_campaign
from orchestrator.domain.campaign_launch import canary_spec, launch_spec
from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.runner import Address
from orchestrator.domain.slots import holds_one
from orchestrator.service import delivery
from orchestrator.service.intake import GIB, decode_files
from orchestrator.service.secrets import read_secrets
from orchestrator.service.services import Services
from orchestrator.settings import shipped_examples
from orchestrator.store.convert import to_address
from orchestrator.store.outbox import Act
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, RunnerRow
from runner_agent.protocol import Agent, AttemptRequest, LaunchSpec, PullRequest, from_json


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What an act needs to know, read in one transaction. `gpu`: the device that its attempt is for, if any;
    `build_slots`: of its machine, which may hold one attempt `alone`."""

    act: Act
    episode: EpisodeRow
    campaign_row: CampaignRow
    campaign: Campaign
    files: dict[str, bytes]
    address: Address
    gpu: str
    build_slots: int
    alone: bool

    @property
    def is_preflight(self) -> bool:
        return self.episode.kind == EpisodeKind.PREFLIGHT

    @property
    def is_canary(self) -> bool:
        return self.episode.kind == EpisodeKind.CANARY

    @property
    def request(self) -> AttemptRequest:
        return AttemptRequest(attempt_id=self.act.attempt_id, episode_id=self.act.episode_id, fence=self.act.fence)

    @property
    def pull_request(self) -> PullRequest:
        return PullRequest(attempt_id=self.act.attempt_id, episode_id=self.act.episode_id, fence=self.act.fence)


def look(services: Services, act: Act) -> Scene:
    with services.store.reading() as session:
        episode = session.get_one(EpisodeRow, act.episode_id)
        campaign_row = session.get_one(CampaignRow, episode.campaign_id)
        runner = session.get_one(RunnerRow, act.runner)
        address, build_slots = to_address(runner), runner.build_slots
        alone = holds_one(runner.agent_slots, runner.buffer_slots)
        gpu = session.get_one(AttemptRow, act.attempt_id).gpu
    files = decode_files(campaign_row.files)
    campaign = read_campaign(campaign_row.text, files)
    return Scene(
        act=act,
        episode=episode,
        campaign_row=campaign_row,
        campaign=campaign,
        files=files,
        address=address,
        gpu=gpu,
        build_slots=build_slots,
        alone=alone,
    )


def launch_spec_of(services: Services, scene: Scene, agent: Agent | None) -> LaunchSpec:
    """What the runner is sent for the attempt; the same each time but for the agent."""
    spec = launch_spec(
        scene.campaign,
        attempt_id=scene.act.attempt_id,
        episode_id=scene.act.episode_id,
        fence=scene.act.fence,
        kind="preflight" if scene.is_preflight or scene.is_canary else "episode",
        commit=scene.campaign_row.commit,
        repo_url=scene.campaign_row.repo_url,
        agent=agent,
        files=scene.files,
        hide=hidden_folders(services, scene.campaign_row.directory, scene.campaign_row.repo_url),
        gpu=scene.gpu,
        build_slots=scene.build_slots,
        alone=scene.alone,
        deliver=delivery.how(scene.campaign.repo.deliver, scene.address.kind, scene.campaign_row.repo_url),
        cache_bytes=int(services.settings.runner_cache_gib * GIB),
    )
    return canary_spec(spec) if scene.is_canary else spec


def agent_of(services: Services, scene: Scene) -> Agent | None:
    """The agent with its secrets; None for a preflight and a canary."""
    if scene.episode.agent_spec is None:
        return None
    secrets = read_secrets(services.settings.home, scene.campaign.agent.secrets)
    return replace(from_json(Agent, scene.episode.agent_spec), secrets=secrets)


def hidden_folders(services: Services, campaign_directory: str, repo_url: str = "") -> tuple[str, ...]:
    """Folders of this machine that no process of an episode may see: our state and token, the campaign with its hidden
    checks, the recorded agents, our own source tree where there is one, and the campaign's repository where that is a
    folder: an agent gets one commit of it, and nothing of what came after."""
    source = Path(orchestrator.__file__).resolve().parent.parent
    wanted = [
        services.settings.home,
        Path(campaign_directory),
        *([Path(repo_url.removeprefix("file://"))] if repo_url.startswith(("/", "file:///")) else []),
        shipped_examples(),
        *services.settings.agents_path,
        *([source] if (source / "pyproject.toml").is_file() else []),
    ]
    return tuple(sorted({str(path.resolve()) for path in wanted}))
