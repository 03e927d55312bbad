"""Agents begin beside what is built and measured, within a bound."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.actions import Assign
from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.runner import Runner
from orchestrator.planning.explain import explain
from orchestrator.planning.plan import plan
from orchestrator.planning.policy import Policy
from tests.unit.planning.builders import NOW, attempt, campaign, episode, fleet, runner, started, status, two_cards


def at_work(*stages: str, on: Runner, queued: int = 9, **changes: Any) -> FleetState:
    """A machine with an attempt in each of these stages, and a queue before it."""
    running = [started(f"r{number}") for number in range(len(stages))]
    attempts = [
        attempt(one.id, status=status("running", one.id, stage=stage))
        for one, stage in zip(running, stages, strict=True)
    ]
    waiting = [episode(f"q{number}") for number in range(queued)]
    values = {"runners": (on,), "episodes": (*running, *waiting), "attempts": tuple(attempts)}
    return fleet(**{**values, **changes})


def begun(state: FleetState) -> int:
    return sum(isinstance(action, Assign) for action in plan(state, Policy(), NOW))


def told(state: FleetState) -> str:
    return "\n".join(explain(state, next(each for each in state.episodes if each.id == "q0"), NOW))


def test_what_is_past_its_session_leaves_its_slot_to_the_next() -> None:
    assert begun(at_work("session", "build", "smoke", on=runner(agent_slots=3))) == 2


def test_nothing_begins_while_as_many_are_built_as_may_wait() -> None:
    assert begun(at_work("build", "smoke", "smoke", "smoke", on=runner(agent_slots=3))) == 0
    assert begun(at_work("build", "smoke", "smoke", "smoke", on=runner(agent_slots=3, buffer_slots=3))) == 3


def test_each_device_has_a_buffer_of_its_own() -> None:
    assert begun(at_work("build", "smoke", "smoke", "smoke", on=two_cards(agent_slots=3))) == 3


def test_a_machine_with_one_slot_measures_undisturbed_unless_an_operator_wants_more() -> None:
    assert begun(at_work("smoke", on=runner())) == 0
    assert begun(at_work("smoke", on=runner(buffer_slots=2))) == 1


def test_a_canary_begins_beside_what_is_measured_too() -> None:
    canary = episode("k", kind=EpisodeKind.CANARY, pinned_runner="local")
    busy = at_work("session", "smoke", on=runner(agent_slots=2), queued=0)
    state = fleet(runners=busy.runners, episodes=(*busy.episodes, canary), attempts=busy.attempts)
    assert begun(state) == 1


def test_it_is_told_who_holds_the_slots_and_who_is_past_them() -> None:
    text = told(at_work("session", "session", "smoke", on=runner(agent_slots=2)))
    assert "local is busy: 2 of 2 agent slots held (r0, r1); past their sessions: r2 in smoke." in text


def test_it_is_told_that_too_many_wait_for_the_device() -> None:
    text = told(at_work("session", "build", "smoke", "smoke", "smoke", on=runner(agent_slots=2)))
    assert "local is busy: too many are past their sessions (r1 in build, r2 in smoke," in text
    assert "r4 in smoke); 1 of 2 agent slots held (r0)." in text


def test_a_canary_is_told_so_too() -> None:
    canary = episode("q0", kind=EpisodeKind.CANARY, pinned_runner="local")
    busy = at_work("smoke", on=runner(), queued=0)
    state = fleet(
        runners=busy.runners, episodes=(*busy.episodes, canary), attempts=busy.attempts, campaigns=(campaign(),)
    )
    assert "which is busy: 1 of 1 agent slots held (r0)." in told(state)
