"""Whom to wake for the queue, whom to judge, and whom to let sleep."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.actions import Assign
from orchestrator.domain.episode import Acceptance
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import (
    EndSuspend,
    EndWake,
    LetSleep,
    PowerFacts,
    Quarantine,
    Readmit,
    Wake,
)
from orchestrator.domain.runner import Health, Operation, Power, Prices, Service
from orchestrator.domain.wake import GpuNeed, SleepKind, StageTime, WakeStage
from orchestrator.planning.power import plan_power
from orchestrator.planning.power_policy import Bucket, PowerPolicy
from tests.unit.planning.builders import NOW, attempt, campaign, episode, fleet, gpu, hello, started
from tests.unit.planning.sleepers import PRICES, asleep, facts, failed, idle, known, seconds, waking, woke

POLICY = PowerPolicy(waking_max=4, inrush=Bucket(burst=4, per_s=0.5))


def planned(
    state: FleetState, power: Mapping[str, PowerFacts], policy: PowerPolicy = POLICY, at: Any = NOW
) -> tuple[object, ...]:
    return plan_power(state, power, policy, at)


def woken(actions: tuple[object, ...]) -> list[str]:
    return [action.runner for action in actions if isinstance(action, Wake)]


def queue(count: int = 1, **changes: Any) -> tuple[Any, ...]:
    return tuple(episode(f"e{n}", **changes) for n in range(count))


def sleeping_fleet(count: int, episodes: int, **changes: Any) -> tuple[FleetState, dict[str, PowerFacts]]:
    names = [f"gpu{n:02d}" for n in range(count)]
    state = fleet(runners=tuple(asleep(name) for name in names), episodes=queue(episodes))
    return state, known(*(facts(name, **changes) for name in names))


# Waking for the queue.


def test_a_queued_episode_wakes_a_machine_that_sleeps() -> None:
    (action,) = planned(*sleeping_fleet(1, 1))
    assert action == Wake(
        runner="gpu00", slept=SleepKind.SUSPEND, deadline_s=180.0, waking=1, gpu=GpuNeed.ANY, episodes=("e0",)
    )


def test_nothing_is_woken_for_nothing() -> None:
    assert planned(*sleeping_fleet(3, 0)) == ()


def test_only_as_many_are_woken_as_the_queue_fills() -> None:
    names = ("gpu00", "gpu01", "gpu02")
    state = fleet(runners=tuple(asleep(name, agent_slots=2) for name in names), episodes=queue(3))
    assert woken(planned(state, known(*map(facts, names)))) == ["gpu00", "gpu01"]


def test_a_ready_machine_is_taken_before_one_is_woken() -> None:
    state = fleet(runners=(asleep("a"), idle("b")), episodes=queue())
    assert planned(state, known(facts("a"), facts("b"))) == (Assign(episode_id="e0", runner="b"),)


def test_a_machine_that_wakes_already_is_waited_for() -> None:
    state = fleet(runners=(asleep("a"), asleep("b", operation=Operation.WAKING)), episodes=queue())
    assert planned(state, known(facts("a"), facts("b", wake=waking("b")))) == ()


@pytest.mark.parametrize(
    "waits",
    [
        {"not_before": NOW + seconds(60)},
        {"cancel_requested": True},
        {"campaign_id": "pending"},
    ],
    ids=("in back-off", "cancelled", "awaiting its preflight"),
)
def test_an_episode_that_could_not_start_wakes_nobody(waits: dict[str, Any]) -> None:
    state, power = sleeping_fleet(1, 0)
    campaigns = (campaign(), campaign(id="pending", acceptance=Acceptance.PENDING))
    assert planned(replace(state, campaigns=campaigns, episodes=queue(**waits)), power) == ()


@pytest.mark.parametrize(
    "unfit",
    [
        {"service": Service.DRAINING},
        {"service": Service.OUT_OF_SERVICE},
        {"health": Health.QUARANTINED},
        {"hello": hello(tags=("linux",))},
    ],
    ids=("draining", "out of service", "quarantined", "without the tag"),
)
def test_a_machine_that_could_not_take_the_episode_sleeps_on(unfit: dict[str, Any]) -> None:
    state = fleet(runners=(asleep(**unfit),), episodes=queue())
    assert planned(state, known(facts())) == ()


def test_a_machine_without_a_known_mac_is_never_woken() -> None:
    state = fleet(runners=(asleep(),), episodes=queue())
    assert planned(state, known(facts(sleeps=None))) == ()
    assert planned(state, {}) == ()


def test_a_machine_on_its_way_down_is_not_woken_before_it_can_hear() -> None:
    falling = asleep(operation=Operation.SUSPENDING, power=Power.UNREACHABLE)
    state = fleet(runners=(falling,), episodes=queue())
    assert planned(state, known(facts(suspending_since=NOW - seconds(5)))) == ()
    down = fleet(runners=(asleep(),), episodes=queue())
    just_down = known(facts(asleep_since=NOW - seconds(POLICY.settle_s - 1)))
    assert planned(down, just_down) == ()
    assert woken(planned(down, just_down, at=NOW + seconds(1))) == ["gpu01"]


def test_an_attempt_on_a_sleeping_machine_wakes_it_before_the_queue_does() -> None:
    state, power = sleeping_fleet(2, 1)
    held = (*state.episodes, started("done", Phase.COLLECTING, runner="gpu01"))
    holding = replace(state, episodes=held, attempts=(attempt("done", runner="gpu01"),))
    actions = planned(holding, power, replace(POLICY, waking_max=1))
    assert woken(actions) == ["gpu01"]


@pytest.mark.parametrize(
    ("taken_out", "woken_up"),
    [
        ({"service": Service.DRAINING}, ["gpu01"]),
        ({"service": Service.OUT_OF_SERVICE}, ["gpu01"]),
        ({"service": Service.RETIRED}, []),
        ({"health": Health.QUARANTINED}, ["gpu01"]),
    ],
)
def test_what_a_sleeping_machine_holds_is_fetched_though_it_gets_no_more_work(
    taken_out: dict[str, Any], woken_up: list[str]
) -> None:
    state = fleet(runners=(asleep(**taken_out),), episodes=queue())
    held = started("done", Phase.COLLECTING, runner="gpu01")
    holding = replace(state, episodes=(*state.episodes, held), attempts=(attempt("done", runner="gpu01"),))
    assert planned(state, known(facts())) == ()
    actions = planned(holding, known(facts()))
    assert woken(actions) == woken_up
    assert all(action.episodes == () for action in actions if isinstance(action, Wake))


def test_a_machine_quarantined_for_its_wakes_is_not_woken_more_often_for_what_it_holds() -> None:
    held = started("done", Phase.COLLECTING, runner="gpu01")
    state = fleet(runners=(SICK,), episodes=(held,), attempts=(attempt("done", runner="gpu01"),))
    assert planned(state, known(quarantined(hours_ago=0.9))) == ()


# Limits.


def test_no_more_machines_wake_at_once_than_the_cap_allows() -> None:
    state, power = sleeping_fleet(6, 6)
    up = replace(state.runners[0], operation=Operation.WAKING)
    state = replace(state, runners=(up, *state.runners[1:]))
    power = {**power, "gpu00": facts("gpu00", wake=waking("gpu00", since_s=100))}
    assert len(woken(planned(state, power))) == 3


def test_machines_start_no_faster_than_the_inrush_allows() -> None:
    state, power = sleeping_fleet(6, 6)
    roomy = replace(POLICY, waking_max=100)
    assert len(woken(planned(state, power, roomy))) == 4
    spent = {f"gpu{n:02d}": facts(f"gpu{n:02d}", wakes=(woke(3, ended=NOW),)) for n in range(4)}
    assert woken(planned(state, {**power, **spent}, roomy)) == ["gpu00"]


def test_the_urgent_are_woken_for_first_where_not_all_can_be() -> None:
    wanted = (campaign(), campaign(id="lab", needs_tags=("lab-3",)))
    tagged = asleep("b", tags=frozenset({"lab-3"}), hello=hello(tags=("linux",)))
    waits = (episode("old", submitted_at=NOW - seconds(60)), episode("urgent", campaign_id="lab", priority=1))
    state = fleet(runners=(asleep("a"), tagged), campaigns=wanted, episodes=waits)
    power = known(facts("a"), facts("b"))
    assert woken(planned(state, power, replace(POLICY, waking_max=1))) == ["b"]


def test_each_machine_of_a_crowd_is_given_more_time() -> None:
    state, power = sleeping_fleet(12, 12)
    crowd = planned(state, power, replace(POLICY, waking_max=20, inrush=Bucket(burst=20, per_s=1)))
    assert [action.deadline_s for action in crowd if isinstance(action, Wake)] == [180.0] * 10 + [360.0] * 2


# Failed wakes.


def test_a_failed_wake_is_tried_again_after_a_growing_back_off() -> None:
    state = fleet(runners=(asleep(),), episodes=queue())
    once, twice = (
        (failed(ended=NOW - seconds(31)),),
        (failed(ended=NOW - seconds(400)), failed(ended=NOW - seconds(31))),
    )
    assert woken(planned(state, known(facts(wakes=once)))) == ["gpu01"]
    assert woken(planned(state, known(facts(wakes=once)), at=NOW - seconds(2))) == []
    assert woken(planned(state, known(facts(wakes=twice)))) == []
    assert woken(planned(state, known(facts(wakes=twice)), at=NOW + seconds(29))) == ["gpu01"]


def test_while_one_machine_backs_off_another_is_woken() -> None:
    state, power = sleeping_fleet(2, 1)
    assert woken(planned(state, {**power, "gpu00": facts("gpu00", wakes=(failed(),))})) == ["gpu01"]


THREE = tuple(failed(WakeStage.VULKAN, ended=NOW - seconds(s), detail="device lost") for s in (3000, 2000, 1000))


def test_three_failures_in_a_row_quarantine_it_with_the_stage_that_did_not_come() -> None:
    state = fleet(runners=(asleep(),), episodes=queue())
    assert planned(state, known(facts(wakes=THREE))) == (
        Quarantine(runner="gpu01", stage=WakeStage.VULKAN, reason="SSH up, no Vulkan device: device lost"),
    )


def test_a_ready_wake_between_them_or_an_operators_word_forgives_failures() -> None:
    state = fleet(runners=(asleep(),))
    between = (*THREE[:2], woke(ended=NOW - seconds(1500)), THREE[2])
    assert not any(isinstance(a, Quarantine) for a in planned(state, known(facts(wakes=between))))
    resumed = facts(wakes=THREE, failures_since=NOW - seconds(10))
    assert planned(fleet(runners=(asleep(),), episodes=queue()), known(resumed))[0] == Wake(
        runner="gpu01", slept=SleepKind.SUSPEND, deadline_s=180.0, waking=1, gpu=GpuNeed.ANY, episodes=("e0",)
    )


def test_a_machine_that_answered_but_was_not_proven_is_tried_again_though_nobody_needs_it() -> None:
    halfway = facts(wakes=(failed(WakeStage.SSH, ended=NOW - seconds(60)),))
    silent = facts(wakes=(failed(WakeStage.LINK, ended=NOW - seconds(60)),))
    assert woken(planned(fleet(runners=(idle(power=Power.UNREACHABLE),)), known(halfway))) == ["gpu01"]
    assert woken(planned(fleet(runners=(asleep(),)), known(silent))) == []


def test_a_machine_that_answers_but_was_not_proven_gets_no_episode_before_it_is() -> None:
    state = fleet(runners=(idle(),), episodes=queue())
    late = facts(wakes=(failed(WakeStage.TCP, ended=NOW - seconds(10)),))
    assert planned(state, known(late)) == ()
    (wake,) = planned(state, known(late), at=NOW + seconds(20))
    assert isinstance(wake, Wake) and wake.episodes == ("e0",)


def test_a_card_that_was_lost_is_still_asked_for() -> None:
    bare = asleep(hello=hello(gpus=(gpu(device_type="cpu"),)))
    state = fleet(runners=(bare,), episodes=queue())
    (wake,) = planned(state, known(facts(wakes=(woke(gpu=GpuNeed.HARDWARE),))))
    assert isinstance(wake, Wake) and wake.gpu is GpuNeed.HARDWARE


def test_a_wake_that_nobody_ended_is_ended_by_its_deadline() -> None:
    times = tuple(StageTime(stage=stage, seconds=5) for stage in (WakeStage.PACKET, WakeStage.LINK))
    stuck = waking(since_s=400, came=times, missing="connection refused")
    state = fleet(runners=(asleep(operation=Operation.WAKING),))
    assert planned(state, known(facts(wake=stuck))) == (
        EndWake(
            runner="gpu01",
            started_at=stuck.started_at,
            failed_stage=WakeStage.TCP,
            reason="link up, but the SSH port does not answer: connection refused",
        ),
    )


def test_a_suspend_that_came_to_nothing_is_ended() -> None:
    state = fleet(runners=(idle(operation=Operation.SUSPENDING),))
    (action,) = planned(state, known(facts(suspending_since=NOW - seconds(61))))
    assert isinstance(action, EndSuspend)
    assert planned(state, known(facts(suspending_since=NOW - seconds(59)))) == ()


# Quarantine and recovery.


def quarantined(name: str = "gpu01", *, hours_ago: float = 2, **changes: Any) -> PowerFacts:
    return facts(name, quarantined_since=NOW - seconds(hours_ago * 3600), by_wakes=True, **changes)


SICK = asleep(health=Health.QUARANTINED)


def test_a_machine_quarantined_for_its_wakes_is_woken_again_to_see() -> None:
    (wake,) = planned(fleet(runners=(SICK,)), known(quarantined()))
    assert isinstance(wake, Wake) and wake.probe and wake.episodes == ()
    assert planned(fleet(runners=(SICK,)), known(quarantined(hours_ago=0.9))) == ()


def test_each_look_in_vain_doubles_the_time_to_the_next() -> None:
    looked = quarantined(hours_ago=9, wakes=(failed(probe=True, ended=NOW - seconds(7000)),))
    assert planned(fleet(runners=(SICK,)), known(looked)) == ()
    assert woken(planned(fleet(runners=(SICK,)), known(looked), at=NOW + seconds(200))) == ["gpu01"]


def test_no_more_looks_are_taken_than_the_budget_of_the_fleet_allows() -> None:
    names = [f"gpu{n:02d}" for n in range(6)]
    sick = tuple(replace(SICK, name=name) for name in names)
    ages = {name: quarantined(name, hours_ago=10 - n) for n, name in enumerate(names)}
    thrifty = replace(POLICY, probes_max=2)
    assert woken(planned(fleet(runners=sick), ages, thrifty)) == ["gpu00", "gpu01"]
    spent = {**ages, "gpu00": quarantined("gpu00", wakes=(failed(probe=True, ended=NOW - seconds(300)),))}
    assert woken(planned(fleet(runners=sick), spent, thrifty)) == ["gpu01"]


def test_what_an_operator_quarantined_is_left_to_the_operator() -> None:
    by_hand = known(replace(quarantined(), by_wakes=False))
    assert planned(fleet(runners=(SICK,)), by_hand) == ()


def test_a_proven_wake_readmits_it_to_be_judged_by_a_canary() -> None:
    up = replace(SICK, power=Power.AWAKE)
    healed = quarantined(wakes=(*THREE, woke(ended=NOW - seconds(5), probe=True)))
    actions = planned(fleet(runners=(up,)), known(replace(healed, busy_until=NOW)))
    assert actions == (Readmit(runner="gpu01", reason="it woke in 60 s with every stage proven"),)


# Letting sleep.

TIRED = facts(wakes=(woke(60),), busy_until=NOW - seconds(3000))


def test_an_idle_machine_sleeps_once_idling_has_cost_what_a_cycle_does() -> None:
    due_s = ((350 - 2) * 60 + 58 * 5) / 58
    state = fleet(runners=(idle(),))
    early = known(replace(TIRED, busy_until=NOW - seconds(due_s - 1)))
    late = known(replace(TIRED, busy_until=NOW - seconds(due_s + 1)))
    assert planned(state, early) == ()
    (action,) = planned(state, late)
    assert isinstance(action, LetSleep) and action.how is SleepKind.SUSPEND
    assert action.reason == "idle for 366 s: sleeping saves 58 W, a cycle costs 21.2 kJ: it pays after 365 s"


@pytest.mark.parametrize(
    ("machine", "known_of_it"),
    [
        (idle(), replace(TIRED, sleeps=None)),
        (idle(service=Service.DRAINING), TIRED),
        (idle(power=Power.UNREACHABLE), TIRED),
        (idle(operation=Operation.WAKING), replace(TIRED, wake=waking())),
        (idle(), replace(TIRED, stay_awake_until=NOW + seconds(1), stay_awake_why="ann is logged in")),
        (idle(), facts(busy_until=None)),
        (idle(), replace(TIRED, awake_since=NOW - seconds(10))),
    ],
    ids=("no way to wake it", "draining", "out of reach", "waking", "kept awake", "idle since when?", "just woken"),
)
def test_a_machine_stays_awake(machine: Any, known_of_it: PowerFacts) -> None:
    assert planned(fleet(runners=(machine,)), known(known_of_it)) == ()


def test_a_machine_with_work_or_its_leavings_stays_awake() -> None:
    busy = fleet(runners=(idle(agent_slots=2),), episodes=(started(runner="gpu01"),))
    unfetched = fleet(runners=(idle(),), attempts=(attempt(runner="gpu01"),))
    about_to = fleet(runners=(idle(),), episodes=queue())
    for state in (busy, unfetched, about_to):
        assert not any(isinstance(action, LetSleep) for action in planned(state, known(TIRED)))


def test_a_blip_of_monitoring_does_not_make_it_look_busy() -> None:
    blip, back = fleet(runners=(idle(power=Power.UNREACHABLE),)), fleet(runners=(idle(),))
    assert planned(blip, known(TIRED)) == ()
    assert len(planned(back, known(TIRED))) == 1


def test_spares_are_kept_warm_those_that_draw_least() -> None:
    thrifty = idle("c", prices=replace(PRICES, idle_w=40))
    state = fleet(runners=(idle("a"), idle("b"), thrifty))
    power = known(*(replace(TIRED, runner=name) for name in "abc"))
    kept = planned(state, power, replace(POLICY, keep_warm=2))
    assert [action.runner for action in kept if isinstance(action, LetSleep)] == ["b"]


def test_without_prices_it_sleeps_after_the_fixed_time() -> None:
    state = fleet(runners=(idle(prices=Prices()),))
    assert planned(state, known(replace(TIRED, busy_until=NOW - seconds(1799)))) == ()
    (action,) = planned(state, known(replace(TIRED, busy_until=NOW - seconds(1800))))
    assert isinstance(action, LetSleep) and "prices do not say" in action.reason


def test_the_rule_is_the_operators_choice() -> None:
    state = fleet(runners=(idle(),))
    assert planned(state, known(TIRED), replace(POLICY, sleep="never")) == ()
    assert planned(state, known(TIRED), replace(POLICY, sleep="fixed", fixed_idle_s=3001)) == ()
    assert len(planned(state, known(TIRED), replace(POLICY, sleep="fixed", fixed_idle_s=3000))) == 1


def test_a_quarantined_machine_does_not_stay_awake_for_nothing() -> None:
    state = fleet(runners=(idle(health=Health.QUARANTINED),))
    assert any(isinstance(a, LetSleep) for a in planned(state, known(replace(TIRED, quarantined_since=NOW))))


def test_a_machine_that_is_to_prove_itself_is_not_sent_to_sleep_in_the_same_breath() -> None:
    unproven = facts(wakes=(failed(WakeStage.SSH, ended=NOW - seconds(5000)),))
    on_probation = quarantined(hours_ago=5, wakes=THREE)
    for machine, known_of_it in ((idle(), unproven), (idle(health=Health.QUARANTINED), on_probation)):
        actions = planned(fleet(runners=(machine,)), known(known_of_it))
        assert [type(action) for action in actions] == [Wake]


def test_the_order_of_the_inputs_never_changes_the_plan() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    machines, power = [], []
    for n in range(14):
        name = f"gpu{n:02d}"
        machines.append(dice.choice((asleep, idle))(name, agent_slots=1 + n % 3))
        history = [woke(dice.uniform(20, 90), ended=NOW - seconds(dice.uniform(1, 9000)), name=name) for _ in range(4)]
        history += [failed(dice.choice((*WakeStage,)), ended=NOW - seconds(50 * n + 1), name=name)] * dice.randrange(4)
        power.append(facts(name, wakes=tuple(history)))
    waits = [episode(f"e{n}", priority=n % 2, submitter=f"s{n % 3}") for n in range(12)]
    expected = planned(fleet(runners=tuple(machines), episodes=tuple(waits)), known(*power))
    assert expected
    for _ in range(20):
        for pile in (machines, power, waits):
            dice.shuffle(pile)
        shuffled = known(*(replace(one, wakes=tuple(dice.sample(one.wakes, len(one.wakes)))) for one in power))
        assert planned(fleet(runners=tuple(machines), episodes=tuple(waits)), shuffled) == expected
