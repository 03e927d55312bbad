"""Which runner takes which queued episode, and what stands in the way. `explain` answers from the same predicates."""

from __future__ import annotations

from datetime import datetime

from orchestrator.domain.episode import Acceptance, CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.runner import Health, Operation, Power, Runner, Service
from orchestrator.planning.devices import lacks
from orchestrator.planning.leavings import still_runs


def waits_for(episode: Episode, campaign: CampaignFacts, now: datetime) -> str:
    """What an episode waits for before any runner is considered; empty if nothing."""
    if episode.not_before is not None and episode.not_before > now:
        return f"the back-off after {episode.end_reason} ends at {episode.not_before:%H:%M:%S} UTC"
    if episode.kind is EpisodeKind.EPISODE and campaign.acceptance is Acceptance.PENDING:
        return f"the preflight of campaign {campaign.name} has not ended"
    return ""


def unfit(runner: Runner, campaign: CampaignFacts) -> str:
    """Why the runner could not take an episode of the campaign even with free slots; empty if it could."""
    if runner.service is not Service.IN_SERVICE:
        return f"is {runner.service.replace('_', ' ').lower()}"
    if runner.health is Health.QUARANTINED:
        return f"is QUARANTINED: {runner.detail}"
    if runner.power is Power.UNREACHABLE:
        return f"is UNREACHABLE: {runner.detail}"
    if runner.power is not Power.AWAKE or runner.hello is None:
        return f"is {runner.power}: it has not answered yet"
    if runner.operation is not Operation.NONE:
        return f"is {runner.operation.lower()}"
    if runner.hello.sandbox_problem:
        return f"cannot confine an agent: {runner.hello.sandbox_problem}"
    return lacks(runner, campaign)


def occupied(fleet: FleetState, runner: Runner) -> str:
    """Why a runner that fits must not be used yet, whoever asks; empty if it may."""
    stale = still_runs(fleet, runner.name)
    if stale is None:
        return ""
    return f"may still run attempt {stale.id} of episode {stale.episode_id}, which is being stopped there"


def candidates(fleet: FleetState, episode: Episode) -> tuple[str, ...]:
    """The runners that could take the episode, free or not; without those that it avoids, as long as there are others.
    In the order of their names."""
    campaign = fleet.campaign[episode.campaign_id]
    refused = fleet.proofs.refused.get(campaign.id, {})
    able = (name for name, runner in sorted(fleet.runner.items()) if not unfit(runner, campaign))
    fit = tuple(name for name in able if name not in refused)
    return tuple(name for name in fit if name not in episode.avoids) or fit


def may_start(episode: Episode, campaign: CampaignFacts) -> bool:
    """Whether the episode is still wanted: neither cancelled nor of a refused campaign."""
    refused = episode.kind is EpisodeKind.EPISODE and campaign.acceptance is Acceptance.REFUSED
    return not episode.cancel_requested and not refused
