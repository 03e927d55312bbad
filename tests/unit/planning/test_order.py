"""A plan as a whole, with machines that sleep, devices, suspicion and canaries: the order of what is known means
nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.device import Device, Health
from orchestrator.domain.episode import Acceptance, Attempt, Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import PowerFacts, Warmth
from orchestrator.domain.proof import Proof, Proofs
from orchestrator.domain.runner import Operation, Power, Prices, Runner, Service
from orchestrator.domain.wake import SleepKind, WakeStage
from orchestrator.planning.plan import plan
from orchestrator.planning.policy import Policy
from orchestrator.planning.power_policy import PowerPolicy
from tests.unit.planning.builders import NOW, attempt, campaign, episode, gpu, hello, runner, status
from tests.unit.planning.sleepers import facts, failed, seconds, waking, woke

NAMES = ("r0", "r1", "r2", "r3", "r4")
UUIDS = ("aa", "bb")
CAMPAIGNS = ("c0", "c1", "c2")
HELD = (Phase.ASSIGNED, Phase.LAUNCHING, Phase.RUNNING, Phase.COLLECTING, Phase.SCORING)
POLICIES = (
    Policy(),
    Policy(power=PowerPolicy(keep_warm=1, waking_max=2, sleep="fixed", fixed_idle_s=60, canary_every_s=3600)),
)


def some(dice: Random, count_max: int) -> list[str]:
    return [name for name in NAMES if dice.random() < count_max / len(NAMES)]


def moment(dice: Random) -> datetime:
    return NOW - seconds(dice.randrange(20_000))


def machine(dice: Random, name: str) -> Runner:
    gpus = tuple(
        gpu(
            device_uuid=uuid,
            device_type=dice.choice(("discrete-gpu", "cpu")),
            vram_bytes=dice.choice((8, 24)) << 30,
        )
        for uuid in dice.choice(((), UUIDS[:1], UUIDS))
    )
    rest = (Operation.NONE, Operation.NONE, Operation.NONE, Operation.WAKING, Operation.SUSPENDING)
    return runner(
        name,
        power=dice.choice((Power.AWAKE, Power.AWAKE, Power.ASLEEP, Power.ASLEEP, *Power)),
        operation=dice.choice(rest),
        service=dice.choice((Service.IN_SERVICE, Service.IN_SERVICE, Service.IN_SERVICE, *Service)),
        health=dice.choice((*Health, Health.GOOD)),
        agent_slots=dice.randint(1, 3),
        prices=Prices(idle_w=dice.choice((0, 60)), asleep_w=2, energy_usd_per_kwh=0.3),
        hello=hello(gpus=gpus) if dice.random() < 0.9 else None,
        devices=tuple(Device(gpu=one, health=dice.choice((*Health, Health.GOOD))) for one in gpus),
        canary_why=dice.choice(("", "", "an attempt was lost")),
        canaried_at=dice.choice((None, moment(dice))),
    )


def power_of(dice: Random, name: str) -> PowerFacts:
    ends = [moment(dice) for _ in range(dice.randrange(4))]
    wakes = (
        failed(dice.choice(list(WakeStage)), ended=end, name=name)
        if dice.random() < 0.2
        else woke(ended=end, name=name)
        for end in dict.fromkeys(ends)
    )
    return facts(
        name,
        sleeps=dice.choice((*SleepKind, None)),
        wakes=tuple(wakes),
        wake=dice.choice((None, waking(name))),
        busy_until=moment(dice),
        asleep_since=dice.choice((None, moment(dice))),
        suspending_since=dice.choice((None, moment(dice))),
        quarantined_since=dice.choice((None, moment(dice))),
        by_wakes=dice.random() < 0.5,
    )


def one_episode(dice: Random, episode_id: str) -> tuple[Episode, Attempt | None]:
    kind, where = dice.choice((*EpisodeKind, EpisodeKind.EPISODE)), dice.choice(NAMES)
    pins = {"pinned_runner": where, "pinned_gpu": dice.choice(("", *UUIDS))}
    values: dict[str, Any] = {
        "campaign_id": dice.choice(CAMPAIGNS),
        "kind": kind,
        "submitter": dice.choice(("ada", "bob")),
        "priority": dice.randrange(3),
        "submitted_at": moment(dice),
        "avoids": frozenset(some(dice, 1)),
        "not_before": dice.choice((None, None, NOW - seconds(1), NOW + seconds(9))),
        "cancel_requested": dice.random() < 0.1,
        **(pins if kind is EpisodeKind.CANARY or (kind is EpisodeKind.PREFLIGHT and dice.random() < 0.6) else {}),
    }
    phase = dice.choice((Phase.QUEUED, Phase.QUEUED, Phase.QUEUED, *HELD))
    if phase in (Phase.QUEUED, Phase.ASSIGNED):
        return episode(episode_id, phase=phase, runner=where if phase is Phase.ASSIGNED else None, **values), None
    said = dice.choice((None, "running", "exited", "dead", "awaiting-checks"))
    known = attempt(episode_id, runner=where, gpu=dice.choice(("", *UUIDS)))
    known = replace(known, status=status(said, episode_id) if said else None)
    return episode(episode_id, phase=phase, runner=where, fence=1, attempt_id=known.id, **values), known


def fleet_of(dice: Random) -> FleetState:
    drawn = [one_episode(dice, f"e{n}") for n in range(dice.randrange(9))]
    campaigns = tuple(
        campaign(
            id=name,
            acceptance=dice.choice((*Acceptance, Acceptance.ACCEPTED)),
            needs_tags=dice.choice(((), ("vulkan",))),
            needs_vram_bytes=dice.choice((0, 16)) << 30,
            submitted_at=moment(dice),
        )
        for name in CAMPAIGNS
    )
    return FleetState(
        runners=tuple(machine(dice, name) for name in NAMES),
        episodes=tuple(one for one, _ in drawn),
        attempts=tuple(one for _, one in drawn if one is not None),
        campaigns=campaigns,
        accepted=tuple(one for one in campaigns if one.acceptance is Acceptance.ACCEPTED),
        power={name: power_of(dice, name) for name in some(dice, 4)},
        warmth=Warmth(base={n: n for n in CAMPAIGNS}, runners={n: frozenset(some(dice, 2)) for n in CAMPAIGNS}),
        proofs=Proofs(
            unproven={name: frozenset(some(dice, 2)) for name in CAMPAIGNS[:2]},
            refused={name: {on: refusal(name, on) for on in some(dice, 1)} for name in CAMPAIGNS[1:]},
        ),
    )


def refusal(campaign_id: str, on: str) -> Proof:
    return Proof(campaign_id=campaign_id, runner=on, drivers="", accepted=False)


def shuffled(fleet: FleetState, dice: Random) -> FleetState:
    def mixed(pile: Any) -> Any:
        return tuple(dice.sample(list(pile), len(pile)))

    power = {name: replace(fleet.power[name], wakes=mixed(fleet.power[name].wakes)) for name in mixed(fleet.power)}
    warmth = Warmth(
        base={name: fleet.warmth.base[name] for name in mixed(fleet.warmth.base)},
        runners={name: fleet.warmth.runners[name] for name in mixed(fleet.warmth.runners)},
    )
    proofs = Proofs(
        unproven={name: fleet.proofs.unproven[name] for name in mixed(fleet.proofs.unproven)},
        refused={name: fleet.proofs.refused[name] for name in mixed(fleet.proofs.refused)},
    )
    piles = {name: mixed(getattr(fleet, name)) for name in ("runners", "episodes", "attempts", "campaigns", "accepted")}
    return FleetState(**piles, power=power, warmth=warmth, proofs=proofs)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_what_is_known_never_changes_a_plan(seed: int) -> None:
    dice = Random(seed)
    for policy in POLICIES:
        fleet = fleet_of(dice)
        expected = plan(fleet, policy, NOW)
        assert all(plan(shuffled(fleet, dice), policy, NOW) == expected for _ in range(3))


def test_the_fleets_that_are_shuffled_have_plans_of_every_kind() -> None:
    """Else the test above would compare nothing with nothing."""
    plans = [plan(fleet_of(dice), policy, NOW) for dice in map(Random, range(60)) for policy in POLICIES]
    wanted = {"Assign", "Release", "BeginLaunch", "BeginCanary", "BeginPreflight"}
    wanted |= {"Wake", "LetSleep", "Retry", "BeginCollect"}
    assert {type(action).__name__ for actions in plans for action in actions} >= wanted
