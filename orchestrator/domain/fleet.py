"""The frozen picture of everything that planning looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from orchestrator.domain.episode import Attempt, CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.phases import LEASED
from orchestrator.domain.power import PowerFacts, Warmth
from orchestrator.domain.proof import Proofs
from orchestrator.domain.runner import Runner


@dataclass(frozen=True, kw_only=True)
class FleetState:
    """All runners, the episodes that have not ended, their campaigns, and the attempts that are not settled: those in
    force, and those whose results the runner still holds. The order of the tuples means nothing. `accepted`: campaigns
    that a canary may be made of. `power`: by name, what is known of each runner's sleep; `warmth`: where the workspace
    of a base is warm; `served`: when an episode of each submitter who has some queued last began; `proofs`: on which
    runners the base of a campaign has yet to be proven, or was refused."""

    runners: tuple[Runner, ...] = ()
    episodes: tuple[Episode, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    campaigns: tuple[CampaignFacts, ...] = ()
    accepted: tuple[CampaignFacts, ...] = ()
    power: Mapping[str, PowerFacts] = field(default_factory=dict[str, PowerFacts])
    warmth: Warmth = field(default_factory=Warmth)
    served: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    proofs: Proofs = field(default_factory=Proofs)

    @cached_property
    def runner(self) -> dict[str, Runner]:
        return {runner.name: runner for runner in self.runners}

    @cached_property
    def campaign(self) -> dict[str, CampaignFacts]:
        return {campaign.id: campaign for campaign in self.campaigns}

    @cached_property
    def attempt(self) -> dict[str, Attempt]:
        return {attempt.id: attempt for attempt in self.attempts}

    @cached_property
    def leases(self) -> dict[str, tuple[Episode, ...]]:
        """Per runner, the episodes that hold one of its slots: busy is derived, never stored."""
        held: dict[str, list[Episode]] = {}
        for episode in self.episodes:
            if episode.phase in LEASED and episode.runner is not None:
                held.setdefault(episode.runner, []).append(episode)
        return {name: tuple(sorted(episodes, key=lambda e: e.id)) for name, episodes in held.items()}

    @cached_property
    def canaries(self) -> tuple[Episode, ...]:
        """Those that have not ended."""
        found = (episode for episode in self.episodes if episode.kind is EpisodeKind.CANARY)
        return tuple(sorted(found, key=lambda canary: canary.id))

    @cached_property
    def pinned(self) -> tuple[Episode, ...]:
        """Those that have not ended and that may run on one machine alone: canaries, and preflights on it."""
        return tuple(sorted((one for one in self.episodes if one.pinned_runner), key=lambda one: one.id))

    @cached_property
    def preflights(self) -> dict[tuple[str, str], Episode]:
        """By campaign and runner, the preflight that has not ended and is to prove the campaign there."""
        found = (one for one in self.pinned if one.kind is EpisodeKind.PREFLIGHT)
        return {(one.campaign_id, one.pinned_runner): one for one in found}

    @cached_property
    def wanted(self) -> frozenset[str]:
        """The campaigns that have an episode in the queue."""
        waiting = (one for one in self.queued if one.kind is EpisodeKind.EPISODE and not one.cancel_requested)
        return frozenset(one.campaign_id for one in waiting)

    @cached_property
    def leavings(self) -> tuple[Attempt, ...]:
        """Attempts that are over here, and of which their runner may still hold something."""
        return tuple(sorted((a for a in self.attempts if a.ended is not None), key=lambda a: (a.created_at, a.id)))

    @cached_property
    def queued(self) -> tuple[Episode, ...]:
        """Episodes without a runner; `planning.fairness` says whose turn it is."""
        return tuple(episode for episode in self.episodes if episode.phase == "QUEUED")
