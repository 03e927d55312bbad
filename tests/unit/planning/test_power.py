"""Whom to wake for the queue, and how many at once."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.actions import Assign
from orchestrator.domain.episode import Acceptance
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import Wake
from orchestrator.domain.runner import Health, Operation, Power, Service
from orchestrator.domain.wake import GpuNeed, SleepKind, WakeStage
from orchestrator.planning.power_policy import Bucket
from tests.unit.planning.builders import NOW, attempt, campaign, episode, fleet, hello, started
from tests.unit.planning.sleepers import (
    POLICY,
    SICK,
    asleep,
    facts,
    failed,
    idle,
    known,
    planned,
    quarantined,
    queue,
    seconds,
    sleeping_fleet,
    waking,
    woke,
    woken,
)


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
