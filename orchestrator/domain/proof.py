"""On which machines a campaign's base has been shown to run, with the devices and drivers that they have now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.domain.episode import Acceptance, CampaignFacts
from orchestrator.domain.runner import Runner
from runner_agent.device_tags import drivers_fingerprint


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What the newest preflight (`episode_id`) of a campaign found on a runner that had those `drivers`
    (`drivers_fingerprint`). `detail`: what was missing, where it was not accepted."""

    campaign_id: str
    runner: str
    drivers: str
    accepted: bool
    detail: str = ""
    episode_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """By id of an accepted campaign: the runners on which it has yet to be proven, if it has episodes, and by name
    those that refused it. One that has episodes and is in neither is proven everywhere."""

    unproven: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    refused: Mapping[str, Mapping[str, Proof]] = field(default_factory=dict[str, Mapping[str, Proof]])


def drivers_of(runner: Runner) -> str | None:
    """None where it has not told yet what it has."""
    return drivers_fingerprint(runner.hello.gpus) if runner.hello is not None else None


def sort_out(campaigns: Iterable[CampaignFacts], runners: Iterable[Runner], found: Iterable[Proof]) -> Proofs:
    """`campaigns`: those of which it is to be known where they are unproven. What was found under other devices or
    drivers says nothing of a runner as it is now."""
    drivers = {runner.name: drivers_of(runner) for runner in runners}
    proven: dict[str, set[str]] = {one.id: set() for one in campaigns if one.acceptance is Acceptance.ACCEPTED}
    refused: dict[str, dict[str, Proof]] = {}
    for one in found:
        if drivers.get(one.runner) != one.drivers:
            continue
        proven.get(one.campaign_id, set[str]()).add(one.runner)
        if not one.accepted:
            refused.setdefault(one.campaign_id, {})[one.runner] = one
    left = {campaign_id: frozenset(drivers.keys() - names) for campaign_id, names in proven.items()}
    return Proofs(unproven={campaign_id: names for campaign_id, names in left.items() if names}, refused=refused)
