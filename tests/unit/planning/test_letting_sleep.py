"""Whom to let sleep, and who stays awake."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.power import (
    LetSleep,
    PowerFacts,
    Wake,
)
from orchestrator.domain.runner import Health, Operation, Power, Prices, Service
from orchestrator.domain.wake import SleepKind, WakeStage
from tests.unit.planning.builders import NOW, attempt, fleet, started
from tests.unit.planning.sleepers import (
    POLICY,
    PRICES,
    THREE,
    facts,
    failed,
    idle,
    known,
    planned,
    quarantined,
    queue,
    seconds,
    waking,
    woke,
)

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
