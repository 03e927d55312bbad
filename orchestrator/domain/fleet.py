"""The frozen picture of everything that planning looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from orchestrator.domain.episode import Attempt, CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.phases import LEASED
from orchestrator.domain.power import PowerFacts, Warmth
from orchestrator.domain.runner import Runner


@dataclass(frozen=True, kw_only=True)
class FleetState:
    """All runners, the episodes that have not ended, their campaigns, and the attempts that are not settled: those in
    force, and those whose results the runner still holds. The order of the tuples means nothing. `accepted`: campaigns
    that a canary may be made of. `power`: by name, what is known of each runner's sleep; `warmth`: where the workspace
    of a base is warm; `served`: when an episode of each submitter who has some queued last began."""

    runners: tuple[Runner, ...] = ()
    episodes: tuple[Episode, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    campaigns: tuple[CampaignFacts, ...] = ()
    accepted: tuple[CampaignFacts, ...] = ()
    power: Mapping[str, PowerFacts] = field(default_factory=dict[str, PowerFacts])
    warmth: Warmth = field(default_factory=Warmth)
    served: Mapping[str, datetime] = field(default_factory=dict[str, datetime])

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
    def leavings(self) -> tuple[Attempt, ...]:
        """Attempts that are over here, and of which their runner may still hold something."""
        return tuple(sorted((a for a in self.attempts if a.ended is not None), key=lambda a: (a.created_at, a.id)))

    @cached_property
    def queued(self) -> tuple[Episode, ...]:
        """Episodes without a runner; `planning.fairness` says whose turn it is."""
        return tuple(episode for episode in self.episodes if episode.phase == "QUEUED")
