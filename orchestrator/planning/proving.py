"""Where a campaign has to be proven before its episodes: which machines it may not use yet, or at all, and why.

A campaign is accepted by one preflight, and then, unless the policy takes the first for all, on each runner by one of
its own: made when the queue would put an episode there, and made again when devices or drivers are others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.domain.episode import CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.proof import Proofs
from orchestrator.planning.power_policy import PowerPolicy


@dataclass(frozen=True, kw_only=True)
class Trials:
    """What placing is to respect: the proofs in force, and the campaigns and runners of which a preflight has `begun`;
    those `under_way` among them hold a slot, or get one now."""

    proofs: Proofs = field(default_factory=Proofs)
    begun: frozenset[tuple[str, str]] = frozenset()
    under_way: frozenset[tuple[str, str]] = frozenset()


def trials(fleet: FleetState, policy: PowerPolicy, placed: Iterable[str] = ()) -> Trials:
    """`placed`: ids of what is given a slot in this plan."""
    now = frozenset(placed)
    held = (key for key, one in fleet.preflights.items() if one.phase is not Phase.QUEUED or one.id in now)
    return Trials(proofs=in_force(fleet, policy), begun=frozenset(fleet.preflights), under_way=frozenset(held))


def in_force(fleet: FleetState, policy: PowerPolicy) -> Proofs:
    """What was refused is refused, whichever preflight found it."""
    return fleet.proofs if policy.preflight_on == "every-runner" else Proofs(refused=fleet.proofs.refused)


def refusal(fleet: FleetState, name: str, campaign: CampaignFacts) -> str:
    """Why the runner takes no episode of the campaign as it is now; empty if it did not refuse it."""
    proof = fleet.proofs.refused.get(campaign.id, {}).get(name)
    return f"refused {campaign.name}: {proof.detail} (preflight {proof.episode_id})" if proof is not None else ""


def unproven(fleet: FleetState, name: str, campaign: CampaignFacts, policy: PowerPolicy) -> str:
    """What comes before an episode of the campaign may run on the runner; empty where nothing does."""
    if name not in in_force(fleet, policy).unproven.get(campaign.id, ()):
        return ""
    live = fleet.preflights.get((campaign.id, name))
    says = f"has to prove the base of {campaign.name} first"
    return f"{says}: preflight {live.id} is {live.phase}" if live is not None else says


def may_not_take(fleet: FleetState, name: str, episode: Episode, policy: PowerPolicy) -> str:
    """Of an episode: why it may not be begun on the runner. Preflights and canaries may always."""
    campaign = fleet.campaign[episode.campaign_id]
    if episode.kind is not EpisodeKind.EPISODE:
        return ""
    return refusal(fleet, name, campaign) or unproven(fleet, name, campaign, policy)
