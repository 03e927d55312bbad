"""Which machines have to prove themselves by a canary, on which device and with which campaign, and where canaries run.

A canary is the known-good smoke run of a campaign that a preflight has accepted: it runs on one machine and nowhere
else, before everything, also on one that gets no other work. While one decides on a SUSPECT machine, nothing else is
placed there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.actions import Assign, BeginCanary
from orchestrator.domain.device import Device, Health
from orchestrator.domain.episode import CampaignFacts, Episode
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import PowerFacts
from orchestrator.domain.runner import Operation, Power, Runner, Service
from orchestrator.planning.placement import occupied, unfit, waits_for
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.planning.power_rules import is_down, may_not_wake
from orchestrator.planning.slots import explain_busy, free_slots

RANK = (Health.SUSPECT, Health.UNKNOWN, Health.GOOD, Health.QUARANTINED)
"""Which device of a machine a canary looks at first."""

SERVED = (Service.IN_SERVICE, Service.DRAINING)
"""Machines that get canaries without an operator's asking."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """`assign`: onto machines that are ready. `awaits`: per machine that is not, the canaries that it is woken for."""

    assign: tuple[Assign, ...] = ()
    awaits: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def taken(self) -> Counter[str]:
        """Slots that they take, by machine."""
        return Counter(one.runner for one in self.assign)


def due(fleet: FleetState, policy: PowerPolicy, now: datetime) -> Iterator[BeginCanary]:
    """One at a time per machine. Where no accepted campaign fits none is made: there is nothing to prove it by."""
    live = {canary.pinned_runner for canary in fleet.canaries}
    for runner in sorted(fleet.runners, key=lambda runner: runner.name):
        why = due_why(fleet, runner, policy, now) if runner.name not in live else ""
        found = trial_of(runner, fleet.accepted) if why else None
        if found is not None:
            gpu, campaign = found
            yield BeginCanary(runner=runner.name, gpu=gpu, campaign_id=campaign.id, reason=why)


def due_why(fleet: FleetState, runner: Runner, policy: PowerPolicy, now: datetime) -> str:
    """Why the machine has to prove itself now; empty if it has not."""
    if runner.service not in SERVED or runner.health is Health.QUARANTINED:
        return ""
    if runner.canary_why:
        return runner.canary_why
    at_rest = runner.power is Power.AWAKE and runner.operation is Operation.NONE and runner.name not in fleet.leases
    trusted = runner.service is Service.IN_SERVICE and runner.health in (Health.GOOD, Health.UNKNOWN)
    if not (policy.canary_every_s > 0 and at_rest and trusted):
        return ""
    last = runner.canaried_at
    if last is not None and now < last + timedelta(seconds=policy.canary_every_s):
        return ""
    return f"one is run every {policy.canary_every_s:.0f} s" + ("" if last else ", and there was none yet")


def trial_of(runner: Runner, accepted: Iterable[CampaignFacts]) -> tuple[str, CampaignFacts] | None:
    """The device to look at first for which there is a campaign, with the newest such; "" for a machine that lists no
    device."""
    known = list(accepted)
    for gpu in [device.uuid for device in sorted(runner.devices, key=_turn)] or [""]:
        campaign = campaign_for(runner, gpu, known)
        if campaign is not None:
            return gpu, campaign
    return None


def _turn(device: Device) -> tuple[bool, bool, int]:
    return device.health is not Health.SUSPECT, device.is_software, RANK.index(device.health)


def campaign_for(runner: Runner, gpu: str, accepted: Iterable[CampaignFacts]) -> CampaignFacts | None:
    """The newest of the accepted campaigns that the machine could run on that device, were it awake and trusted."""
    trusted = as_if_trusted(runner, gpu)
    fit = (campaign for campaign in accepted if not unfit(trusted, campaign))
    return max(fit, key=lambda campaign: (campaign.submitted_at, campaign.id), default=None)


def as_if_trusted(runner: Runner, gpu: str) -> Runner:
    """What it would be if nothing were held against it or its device `gpu`, and it had no other."""
    devices = tuple(replace(device, health=Health.GOOD) for device in runner.devices if gpu in ("", device.uuid))
    return replace(
        runner,
        power=Power.AWAKE,
        operation=Operation.NONE,
        service=Service.IN_SERVICE,
        health=Health.GOOD,
        devices=devices,
    )


def on_trial(fleet: FleetState, runner: Runner) -> str:
    """Why nothing but a canary may be placed on a runner; empty where none stands in the way."""
    if runner.health is not Health.SUSPECT:
        return ""
    live = next((canary.id for canary in fleet.canaries if canary.pinned_runner == runner.name), None)
    because = f" ({runner.canary_why})" if runner.canary_why else ""
    if live is not None:
        return f"is SUSPECT{because}: canary {live} decides"
    waits = runner.canary_why and runner.service in SERVED and trial_of(runner, fleet.accepted) is not None
    return f"is SUSPECT{because}: a canary is due" if waits else ""


def place(fleet: FleetState, facts: Mapping[str, PowerFacts], policy: PowerPolicy, now: datetime) -> Placed:
    """Each queued canary onto its machine, if that is ready and has a slot; one that sleeps is woken for it."""
    assign: list[Assign] = []
    awaits: dict[str, tuple[str, ...]] = {}
    left = {name: free_slots(fleet, runner) for name, runner in fleet.runner.items()}
    for canary in sorted(_queued(fleet), key=lambda canary: (canary.submitted_at, canary.id)):
        runner = fleet.runner.get(canary.pinned_runner)
        if runner is None or canary.cancel_requested or waits_for(canary, fleet.campaign[canary.campaign_id], now):
            continue
        if runner.operation is Operation.WAKING or _is_woken(fleet, runner, facts[runner.name], policy, now):
            awaits[runner.name] = (*awaits.get(runner.name, ()), canary.id)
        elif left[runner.name] > 0 and not cannot_take(fleet, runner, facts[runner.name]):
            left[runner.name] -= 1
            assign.append(Assign(episode_id=canary.id, runner=runner.name))
    return Placed(assign=tuple(assign), awaits=awaits)


def _queued(fleet: FleetState) -> Iterator[Episode]:
    return (canary for canary in fleet.canaries if canary.phase is Phase.QUEUED)


def _is_woken(fleet: FleetState, runner: Runner, facts: PowerFacts, policy: PowerPolicy, now: datetime) -> bool:
    down = runner.service in SERVED and is_down(runner, facts) and not occupied(fleet, runner)
    # Whether it wakes at all is found out by probation, on a budget.
    return down and not facts.by_wakes and not may_not_wake(runner, facts, policy, now)


def cannot_take(fleet: FleetState, runner: Runner, facts: PowerFacts | None = None) -> str:
    """Why the machine cannot run its canary now, free slot or not; empty if it can. Neither quarantine nor draining
    keeps a canary away."""
    if runner.service is Service.RETIRED:
        return "is retired"
    if facts is not None and is_down(runner, facts) and runner.power is Power.AWAKE:
        return "answers, but its wake was not proven"
    ready = replace(runner, service=Service.IN_SERVICE, health=Health.GOOD)
    return unfit(ready, ANYTHING) or occupied(fleet, runner)


ANYTHING = CampaignFacts(id="", name="")
"""A campaign that needs nothing: what stands in the way then is the machine itself."""


def explain_canary(fleet: FleetState, canary: Episode, policy: PowerPolicy, now: datetime) -> str:
    """Where a queued canary stands with its machine, in one sentence."""
    runner = fleet.runner.get(canary.pinned_runner)
    if runner is None:
        return f"{canary.pinned_runner} is not known any more."
    facts = fleet.power.get(runner.name) or PowerFacts(runner=runner.name)
    if _is_woken(fleet, runner, facts, policy, now):
        return f"It runs on {runner.name} and nowhere else, which is to be woken for it."
    problem = cannot_take(fleet, runner, facts)
    if problem:
        return f"It runs on {runner.name} and nowhere else, which {problem}."
    busy = explain_busy(fleet, runner)
    if busy:
        return f"It runs on {runner.name} and nowhere else, which {busy}"
    return f"{runner.name} can take it: the next tick assigns it."


def explain_due(fleet: FleetState, runner: Runner, policy: PowerPolicy, now: datetime) -> str:
    """Whether the machine has to prove itself, why, and what comes of that; empty if it has not."""
    live = next((canary for canary in fleet.canaries if canary.pinned_runner == runner.name), None)
    why = due_why(fleet, runner, policy, now)
    if live is not None:
        return f"canary {live.id} is {live.phase}" + (f": {why}" if why else "")
    if not why:
        return ""
    if trial_of(runner, fleet.accepted) is None:
        return f"{why}; none can be made, as no accepted campaign fits, so it takes work like any other"
    return f"{why}; the next tick makes one"
