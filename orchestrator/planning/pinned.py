"""Where the episodes run that may run on one machine alone: canaries, and preflights that prove a campaign there.

They go before everything else. A canary tries the machine itself, so neither quarantine nor draining keeps it away, and
a machine that sleeps is woken for it. A preflight tries a campaign on a machine that other work could get: it asks what
an episode asks, and waits where that does not hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from orchestrator.domain.actions import Assign
from orchestrator.domain.device import Health
from orchestrator.domain.episode import CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import PowerFacts
from orchestrator.domain.runner import Operation, Power, Runner, Service
from orchestrator.planning.canaries import SERVED, on_trial
from orchestrator.planning.devices import fitting
from orchestrator.planning.fairness import KINDS
from orchestrator.planning.placement import occupied, unfit, waits_for
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.planning.power_rules import is_down, may_not_wake
from orchestrator.planning.slots import explain_busy, room

ANYTHING = CampaignFacts(id="", name="")
"""A campaign that needs nothing: what stands in the way then is the machine itself."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """`assign`: onto machines that are ready. `awaits`: per machine that is not, the canaries that it is woken for."""

    assign: tuple[Assign, ...] = ()
    awaits: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def taken(self) -> Counter[str]:
        """Slots that they take, by machine."""
        return Counter(one.runner for one in self.assign)


def place(fleet: FleetState, facts: Mapping[str, PowerFacts], policy: PowerPolicy, now: datetime) -> Placed:
    """Each that is queued onto its machine, if that is ready and has a slot; one that sleeps is woken for a canary."""
    assign: list[Assign] = []
    awaits: dict[str, tuple[str, ...]] = {}
    left = {name: room(fleet, runner) for name, runner in fleet.runner.items()}
    queued = (one for one in fleet.pinned if one.phase is Phase.QUEUED)
    for one in sorted(queued, key=lambda one: (KINDS.index(one.kind), one.submitted_at, one.id)):
        runner = fleet.runner.get(one.pinned_runner)
        if runner is None or one.cancel_requested or not_needed(fleet, one):
            continue
        if waits_for(one, fleet.campaign[one.campaign_id], now):
            continue
        if _is_woken(fleet, one, runner, facts[runner.name], policy, now):
            awaits[runner.name] = (*awaits.get(runner.name, ()), one.id)
        elif left[runner.name].takes(_devices(fleet, one, runner)) and not cannot_take(
            fleet, one, runner, facts[runner.name]
        ):
            left[runner.name] = left[runner.name].but(1)
            assign.append(Assign(episode_id=one.id, runner=runner.name))
    return Placed(assign=tuple(assign), awaits=awaits)


def _devices(fleet: FleetState, one: Episode, runner: Runner) -> tuple[str, ...]:
    """Those of its machine that it may be for."""
    return (one.pinned_gpu,) if one.pinned_gpu else fitting(runner, fleet.campaign[one.campaign_id])


def _is_woken(
    fleet: FleetState, one: Episode, runner: Runner, facts: PowerFacts, policy: PowerPolicy, now: datetime
) -> bool:
    """Whether it waits for a wake that is for its sake."""
    if one.kind is not EpisodeKind.CANARY:
        return False
    return runner.operation is Operation.WAKING or _may_be_woken(fleet, runner, facts, policy, now)


def _may_be_woken(fleet: FleetState, runner: Runner, facts: PowerFacts, policy: PowerPolicy, now: datetime) -> bool:
    down = runner.service in SERVED and is_down(runner, facts) and not occupied(fleet, runner)
    # Whether it wakes at all is found out by probation, on a budget.
    return down and not facts.by_wakes and not may_not_wake(runner, facts, policy, now)


def cannot_take(fleet: FleetState, one: Episode, runner: Runner, facts: PowerFacts | None = None) -> str:
    """Why the machine cannot run what is pinned to it now, free slot or not; empty if it can."""
    if runner.service is Service.RETIRED:
        return "is retired"
    if facts is not None and is_down(runner, facts) and runner.power is Power.AWAKE:
        return "answers, but its wake was not proven"
    if one.kind is EpisodeKind.CANARY:
        ready = replace(runner, service=Service.IN_SERVICE, health=Health.GOOD)
        return unfit(ready, ANYTHING) or occupied(fleet, runner)
    return unfit(runner, fleet.campaign[one.campaign_id]) or occupied(fleet, runner) or on_trial(fleet, runner)


def not_needed(fleet: FleetState, one: Episode) -> str:
    """Why nobody waits any more for something that is pinned and queued; empty if somebody does."""
    runner = fleet.runner.get(one.pinned_runner)
    if runner is None or runner.service is Service.RETIRED:
        return f"{one.pinned_runner} is gone"
    if one.kind is EpisodeKind.PREFLIGHT and one.campaign_id not in fleet.wanted:
        return f"no episode waits for a proof on {one.pinned_runner} any more"
    return ""


def explain_pinned(fleet: FleetState, one: Episode, policy: PowerPolicy, now: datetime) -> str:
    """Where something that is queued stands with its machine, in one sentence."""
    runner = fleet.runner.get(one.pinned_runner)
    if runner is None:
        return f"{one.pinned_runner} is not known any more."
    facts = fleet.power.get(runner.name) or PowerFacts(runner=runner.name)
    if one.kind is EpisodeKind.CANARY and _may_be_woken(fleet, runner, facts, policy, now):
        return f"It runs on {runner.name} and nowhere else, which is to be woken for it."
    problem = cannot_take(fleet, one, runner, facts)
    if problem:
        return f"It runs on {runner.name} and nowhere else, which {problem}."
    if busy := explain_busy(fleet, runner, _devices(fleet, one, runner)):
        return f"It runs on {runner.name} and nowhere else, which {busy}."
    return f"{runner.name} can take it: the next tick assigns it."
