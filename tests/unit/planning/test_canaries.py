"""Which machine has to prove itself, on what, and where canaries are placed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.actions import Action, Assign, BeginCanary, EndCancelled, Release
from orchestrator.domain.device import Device, Health
from orchestrator.domain.episode import Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import LetSleep, Wake
from orchestrator.domain.proof import Proof, Proofs
from orchestrator.domain.runner import Power, Runner, Service
from orchestrator.planning.canaries import explain_due
from orchestrator.planning.explain import explain
from orchestrator.planning.plan import plan
from orchestrator.planning.policy import Policy
from orchestrator.planning.power_policy import PowerPolicy
from tests.unit.planning.builders import NOW, campaign, episode, fleet, gpu, hello, runner
from tests.unit.planning.sleepers import LONG_AGO, asleep, facts, idle, known, seconds

WHY = "an attempt of e9 ended as supervisor-died"
OLD, NEW = campaign(id="old", submitted_at=LONG_AGO), campaign(id="new", submitted_at=NOW)
DAILY = Policy(power=PowerPolicy(canary_every_s=86_400.0))


def card(uuid: str, **changes: Any) -> Device:
    values = {"device_type": "discrete-gpu", "vram_bytes": 24 * 1024**3}
    return Device(gpu=gpu(device_uuid=uuid, **values), **changes)


def machine(name: str = "local", *devices: Device, **changes: Any) -> Runner:
    listed = devices or (card("aa"),)
    values = {"devices": listed, "hello": hello(gpus=tuple(device.gpu for device in listed))}
    return runner(name, **{**values, **changes})


def suspect(*devices: Device, **changes: Any) -> Runner:
    return machine("local", *devices, **{"health": Health.SUSPECT, "canary_why": WHY, **changes})


def canary(episode_id: str = "k1", at: str = "local", **changes: Any) -> Episode:
    values = {"kind": EpisodeKind.CANARY, "agent": "canary", "submitter": "matins", "pinned_runner": at}
    return episode(episode_id, **{**values, "pinned_gpu": "aa", **changes})


def state(**changes: Any) -> FleetState:
    return fleet(**{"accepted": (OLD, NEW), "runners": (suspect(),), **changes})


def planned(picture: FleetState, policy: Policy | None = None) -> tuple[Action, ...]:
    return plan(picture, policy or Policy(), NOW)


def begun(picture: FleetState, policy: Policy | None = None) -> list[BeginCanary]:
    return [action for action in planned(picture, policy) if isinstance(action, BeginCanary)]


def test_a_suspect_machine_gets_a_canary_of_the_newest_campaign_that_was_accepted() -> None:
    assert planned(state()) == (BeginCanary(runner="local", gpu="aa", campaign_id="new", reason=WHY),)


def test_a_campaign_that_the_device_cannot_run_proves_nothing() -> None:
    large = replace(NEW, needs_vram_bytes=48 * 1024**3)
    assert [action.campaign_id for action in begun(state(accepted=(OLD, large)))] == ["old"]


def test_a_campaign_that_the_machine_refused_proves_nothing_of_it() -> None:
    refused = Proof(campaign_id="new", runner="local", drivers="", accepted=False)
    picture = state(proofs=Proofs(refused={"new": {"local": refused}}))
    assert [action.campaign_id for action in begun(picture)] == ["old"]
    assert begun(replace(picture, accepted=(NEW,))) == []


def test_the_device_under_suspicion_comes_first_and_one_of_software_last() -> None:
    soft = Device(gpu=gpu(device_uuid="ss"))
    cards = (soft, card("aa", health=Health.GOOD), card("bb"), card("cc", health=Health.SUSPECT))
    assert begun(state(runners=(suspect(*cards),)))[0].gpu == "cc"
    assert begun(state(runners=(suspect(*cards[:3]),)))[0].gpu == "bb"
    assert begun(state(runners=(suspect(*cards[:2]),)))[0].gpu == "aa"


@pytest.mark.parametrize(
    "changes",
    [
        {"canary_why": ""},
        {"service": Service.OUT_OF_SERVICE},
        {"service": Service.RETIRED},
        {"health": Health.QUARANTINED},
        {"hello": None, "devices": ()},
    ],
)
def test_none_is_due_where_nobody_asks_or_nobody_is_there(changes: dict[str, Any]) -> None:
    assert begun(state(runners=(suspect(**changes),))) == []


def test_a_draining_machine_and_one_taken_back_get_theirs() -> None:
    for changes in ({"service": Service.DRAINING}, {"health": Health.UNKNOWN}):
        assert len(begun(state(runners=(suspect(**changes),)))) == 1


def test_one_at_a_time_for_a_machine() -> None:
    assert begun(state(episodes=(canary(phase=Phase.SCORING, runner="local"),))) == []


def test_a_machine_at_rest_gets_one_now_and_then_if_that_is_wished_for() -> None:
    rested = machine(canaried_at=NOW - seconds(86_399))
    due = replace(rested, canaried_at=NOW - seconds(86_400))
    busy = episode(phase=Phase.ASSIGNED, runner="local")
    assert begun(state(runners=(due,))) == []
    assert begun(state(runners=(rested,)), DAILY) == []
    assert [action.reason for action in begun(state(runners=(due,)), DAILY)] == ["one is run every 86400 s"]
    assert begun(state(runners=(due,), episodes=(busy,)), DAILY) == []
    assert begun(state(runners=(replace(due, power=Power.ASLEEP),)), DAILY) == []
    assert begun(state(runners=(replace(due, service=Service.DRAINING),)), DAILY) == []


def test_nothing_else_is_placed_on_a_machine_on_trial_and_what_was_assigned_leaves() -> None:
    waits, held = episode("e1"), episode("e2", phase=Phase.ASSIGNED, runner="local")
    assert [type(action) for action in planned(state(episodes=(waits,)))] == [BeginCanary]
    decided_later = planned(state(episodes=(waits, held, canary(phase=Phase.COLLECTING, runner="local"))))
    assert decided_later == (Release(episode_id="e2", runner="local"),)


def test_with_nothing_to_prove_it_by_it_takes_work() -> None:
    assert planned(state(accepted=(), episodes=(episode(),))) == (Assign(episode_id="e1", runner="local"),)
    told = explain_due(state(accepted=()), suspect(), PowerPolicy(), NOW)
    assert told == f"{WHY}; none can be made, as no accepted campaign fits, so it takes work like any other"


@pytest.mark.parametrize(
    "changes",
    [
        {"health": Health.QUARANTINED},
        {"service": Service.DRAINING},
        {"service": Service.OUT_OF_SERVICE},
        {"health": Health.SUSPECT},
        {},
    ],
)
def test_a_canary_is_placed_before_everything_wherever_its_machine_stands(changes: dict[str, Any]) -> None:
    eager = episode("a0", priority=1000)
    picture = state(runners=(machine(**changes),), episodes=(eager, canary()))
    assert planned(picture) == (Assign(episode_id="k1", runner="local"),)


def test_it_waits_for_a_slot_and_runs_nowhere_else() -> None:
    busy = episode("e1", phase=Phase.ASSIGNED, runner="local")
    others = (machine(), machine("other"))
    picture = state(runners=others, episodes=(busy, canary()))
    assert not any(isinstance(action, Assign) for action in planned(picture))
    busy_with = "which is busy: 1 of 1 agent slots held (e1)."
    assert explain(picture, canary(), NOW)[-1] == f"It runs on local and nowhere else, {busy_with}"


def test_a_canary_whose_machine_was_retired_is_over() -> None:
    picture = state(runners=(machine(service=Service.RETIRED),), episodes=(canary(),))
    assert planned(picture) == (EndCancelled(episode_id="k1", attempt_id=None, detail="local is gone"),)


def test_a_sleeping_machine_is_woken_for_its_canary_and_not_sent_back_to_sleep_before_it() -> None:
    sleeper = asleep("gpu01", devices=(card("aa"),), service=Service.DRAINING)
    power = known(facts("gpu01", asleep_since=LONG_AGO))
    wakes = planned(state(runners=(sleeper,), episodes=(canary(at="gpu01"),), power=power))
    assert [(type(action), getattr(action, "episodes", ())) for action in wakes] == [(Wake, ("k1",))]
    rested = idle("gpu01", devices=(card("aa"),))
    awake = state(runners=(rested,), power=known(facts("gpu01")))
    assert [type(action) for action in planned(awake)] == [LetSleep]
    later = canary(at="gpu01", not_before=NOW + seconds(30))
    assert planned(replace(awake, episodes=(later,))) == ()
    doubted = replace(rested, health=Health.SUSPECT, canary_why=WHY)
    assert [type(action) for action in planned(replace(awake, runners=(doubted,)))] == [BeginCanary]


def test_a_machine_that_would_not_wake_is_left_to_its_probes() -> None:
    lost = asleep("gpu01", health=Health.QUARANTINED)
    power = known(facts("gpu01", asleep_since=LONG_AGO, quarantined_since=NOW, by_wakes=True))
    assert planned(state(runners=(lost,), episodes=(canary(at="gpu01"),), power=power)) == ()


def test_an_episode_that_waits_is_told_of_the_trial() -> None:
    lines = " ".join(explain(state(episodes=(episode(),)), episode(), NOW))
    assert f"local is SUSPECT ({WHY}): a canary is due." in lines
    picture = state(episodes=(episode(), canary()))
    assert f"local is SUSPECT ({WHY}): canary k1 decides." in " ".join(explain(picture, episode(), NOW))
    assert explain(picture, canary(), NOW)[-1] == "local can take it: the next tick assigns it."
    assert explain_due(picture, suspect(), PowerPolicy(), NOW) == f"canary k1 is QUEUED: {WHY}"
