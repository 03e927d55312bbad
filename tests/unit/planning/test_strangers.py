"""Machines that never answered: woken once to see, where the queue holds what nobody else can take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.power import PowerFacts, Wake
from orchestrator.domain.runner import Health, Operation, Power, Service
from orchestrator.domain.wake import GpuNeed
from tests.unit.planning.builders import NOW, campaign, fleet, hello, started
from tests.unit.planning.sleepers import asleep, facts, failed, idle, known, seconds, waking, woke
from tests.unit.planning.test_power import planned, queue, woken


def stranger(name: str = "gpu01", **changes: Any) -> Any:
    return asleep(name, **{"power": Power.UNREACHABLE, "hello": None, **changes})


def test_a_machine_that_never_answered_is_woken_to_see_where_nobody_else_can_take_an_episode() -> None:
    (wake,) = planned(fleet(runners=(stranger(),), episodes=queue()), known(facts()))
    assert isinstance(wake, Wake) and (wake.runner, wake.episodes) == ("gpu01", ("e0",))
    assert planned(fleet(runners=(stranger(),)), known(facts())) == ()


@pytest.mark.parametrize(
    ("machine", "known_of_it"),
    [
        (stranger(power=Power.UNKNOWN), facts()),
        (stranger(), facts(sleeps=None)),
        (stranger(), facts(wakes=(failed(ended=NOW - seconds(29)),))),
        (stranger(), facts(wakes=(woke(),))),
        (stranger(service=Service.DRAINING), facts()),
        (stranger(health=Health.QUARANTINED), facts()),
    ],
    ids=("not asked yet", "without a MAC", "in back-off", "woken before", "draining", "quarantined"),
)
def test_a_machine_that_never_answered_is_left_alone(machine: Any, known_of_it: PowerFacts) -> None:
    assert planned(fleet(runners=(machine,), episodes=queue()), known(known_of_it)) == ()


def test_machines_that_are_known_go_before_those_that_are_not() -> None:
    for other in (idle("b"), asleep("b")):
        state = fleet(runners=(stranger("a"), other), episodes=queue())
        assert "a" not in woken(planned(state, known(facts("a"), facts("b"))))
    busy = fleet(runners=(stranger("a"), idle("b")), episodes=(*queue(), started("e9", runner="b")))
    assert woken(planned(busy, known(facts("a"), facts("b")))) == ["a"]
    unfit = fleet(runners=(stranger("a"), asleep("b", hello=hello(tags=()))), episodes=queue())
    assert woken(planned(unfit, known(facts("a"), facts("b")))) == ["a"]


def test_no_more_strangers_are_woken_than_the_queue_could_fill() -> None:
    names = ("a", "b", "c", "d")
    state = fleet(runners=tuple(stranger(name, agent_slots=2) for name in names), episodes=queue(3))
    assert woken(planned(state, known(*map(facts, names)))) == ["a", "b"]
    up = (stranger("a", agent_slots=2, operation=Operation.WAKING), *state.runners[1:])
    power = known(facts("a", wake=waking("a", since_s=100)), *map(facts, names[1:]))
    assert woken(planned(replace(state, runners=up), power)) == ["b"]


@pytest.mark.parametrize("power", [Power.AWAKE, Power.UNKNOWN])
def test_one_that_is_up_and_about_to_say_what_it_offers_is_waited_for(power: Power) -> None:
    state = fleet(runners=(stranger("a", power=power), stranger("b")), episodes=queue())
    resting = facts("a", wakes=(woke(name="a"),), busy_until=NOW - seconds(5000))
    assert planned(state, known(resting, facts("b"))) == ()
    assert woken(planned(replace(state, episodes=queue(2)), known(resting, facts("b")))) == ["b"]


@pytest.mark.parametrize("waits", [{"not_before": NOW + seconds(60)}, {"cancel_requested": True}])
def test_an_episode_that_could_not_start_makes_nobody_curious(waits: dict[str, Any]) -> None:
    assert planned(fleet(runners=(stranger(),), episodes=queue(**waits)), known(facts())) == ()


@pytest.mark.parametrize(
    ("declared", "needs", "asked_for"),
    [
        ((), (), GpuNeed.NONE),
        (("vulkan",), (), GpuNeed.ANY),
        (("gpu",), (), GpuNeed.HARDWARE),
        ((), ("vulkan",), GpuNeed.ANY),
        (("vulkan",), ("gpu", "linux"), GpuNeed.HARDWARE),
    ],
)
def test_what_a_machine_that_never_showed_a_device_must_show_is_what_was_declared_or_is_needed(
    declared: tuple[str, ...], needs: tuple[str, ...], asked_for: GpuNeed
) -> None:
    machine = stranger(tags=frozenset(declared))
    state = fleet(runners=(machine,), campaigns=(campaign(needs_tags=needs),), episodes=queue())
    (wake,) = planned(state, known(facts()))
    assert isinstance(wake, Wake) and wake.gpu is asked_for


def test_memory_of_a_device_is_a_device() -> None:
    state = fleet(runners=(stranger(),), campaigns=(campaign(needs_tags=(), needs_vram_bytes=1),), episodes=queue())
    (wake,) = planned(state, known(facts()))
    assert isinstance(wake, Wake) and wake.gpu is GpuNeed.ANY
