"""Which machines have to prove themselves by a canary, on which device and with which campaign.

A canary is the known-good smoke run of a campaign that a preflight has accepted: it runs on one machine and nowhere
else (`planning.pinned`), before everything, also on one that gets no other work. While one decides on a SUSPECT
machine, nothing else is placed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain.actions import BeginCanary
from orchestrator.domain.device import Device, Health
from orchestrator.domain.episode import CampaignFacts
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.runner import Operation, Power, Runner, Service
from orchestrator.planning.placement import unfit
from orchestrator.planning.power_policy import PowerPolicy

RANK = (Health.SUSPECT, Health.UNKNOWN, Health.GOOD, Health.QUARANTINED)
"""Which device of a machine a canary looks at first."""

SERVED = (Service.IN_SERVICE, Service.DRAINING)
"""Machines that get canaries without an operator's asking."""


def due(fleet: FleetState, policy: PowerPolicy, now: datetime) -> Iterator[BeginCanary]:
    """One at a time per machine. Where no accepted campaign fits none is made: there is nothing to prove it by."""
    live = {canary.pinned_runner for canary in fleet.canaries}
    for runner in sorted(fleet.runners, key=lambda runner: runner.name):
        why = due_why(fleet, runner, policy, now) if runner.name not in live else ""
        found = trial_of(runner, known_good(fleet, runner)) if why else None
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


def known_good(fleet: FleetState, runner: Runner) -> list[CampaignFacts]:
    """The campaigns that can try a machine: what it refused would fail there, whether it is sound or not."""
    return [one for one in fleet.accepted if runner.name not in fleet.proofs.refused.get(one.id, {})]


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
    waits = runner.canary_why and runner.service in SERVED and trial_of(runner, known_good(fleet, runner)) is not None
    return f"is SUSPECT{because}: a canary is due" if waits else ""


def explain_due(fleet: FleetState, runner: Runner, policy: PowerPolicy, now: datetime) -> str:
    """Whether the machine has to prove itself, why, and what comes of that; empty if it has not."""
    live = next((canary for canary in fleet.canaries if canary.pinned_runner == runner.name), None)
    why = due_why(fleet, runner, policy, now)
    if live is not None:
        return f"canary {live.id} is {live.phase}" + (f": {why}" if why else "")
    if not why:
        return ""
    if trial_of(runner, known_good(fleet, runner)) is None:
        return f"{why}; none can be made, as no accepted campaign fits, so it takes work like any other"
    return f"{why}; the next tick makes one"
