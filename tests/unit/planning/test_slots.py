"""Agents begin beside what is built and measured, within a bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.domain.actions import Assign, BeginLaunch
from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.runner import Runner
from orchestrator.planning.explain import explain
from orchestrator.planning.plan import plan
from orchestrator.planning.policy import Policy
from tests.unit.planning.builders import NOW, attempt, campaign, episode, fleet, runner, started, status, two_cards


def at_work(*stages: str, on: Runner, queued: int = 9, **changes: Any) -> FleetState:
    """A machine with an attempt in each of these stages, for any device or as in "smoke on small", and a queue before
    it."""
    running = [started(f"r{number}") for number in range(len(stages))]
    attempts = [
        attempt(one.id, status=status("running", one.id, stage=stage), gpu=gpu)
        for one, (stage, _, gpu) in zip(running, (stage.partition(" on ") for stage in stages), strict=True)
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


SMALL_IS_FULL = ("build on small", "smoke on small", "smoke on small", "smoke on small")
LARGE_ALONE = campaign(needs_vram_bytes=16 * 1024**3)
SMALL_ALONE = campaign(needs_tags=("little",))
NAMES = ("small", "large")
CARDS = two_cards(agent_slots=3, small={"tags": frozenset({"little"})})


def test_what_waits_for_one_device_keeps_nothing_from_another() -> None:
    assert begun(at_work(*SMALL_IS_FULL, on=CARDS, campaigns=(SMALL_ALONE,))) == 0
    assert begun(at_work(*SMALL_IS_FULL, on=CARDS, campaigns=(LARGE_ALONE,))) == 3
    assert begun(at_work(*SMALL_IS_FULL, "smoke on small", on=CARDS, campaigns=(LARGE_ALONE,))) == 3


def test_what_waits_for_any_device_stands_before_each() -> None:
    assert begun(at_work("build", "smoke", "smoke", "smoke", on=CARDS)) == 0


def test_an_episode_that_may_have_either_device_gets_the_one_with_room() -> None:
    held = started("a", Phase.ASSIGNED, attempt_id=None)
    busy = at_work(*SMALL_IS_FULL, on=CARDS, queued=1)
    assert begun(busy) == 1
    more = [attempt(f"m{n}", status=status("running", f"m{n}", stage="pack"), gpu="large") for n in range(5)]
    loaded = fleet(
        runners=busy.runners,
        episodes=(*busy.episodes, *(started(one.episode_id) for one in more), held),
        attempts=(*busy.attempts, *more),
    )
    (launch,) = [action for action in plan(loaded, Policy(), NOW) if isinstance(action, BeginLaunch)]
    assert launch.gpu == "large"


def test_a_canary_of_a_device_waits_for_that_device() -> None:
    canaries = {name: episode("k", kind=EpisodeKind.CANARY, pinned_runner="local", pinned_gpu=name) for name in NAMES}
    busy = at_work(*SMALL_IS_FULL, on=CARDS, queued=0)
    found = {
        name: begun(fleet(runners=busy.runners, episodes=(*busy.episodes, one), attempts=busy.attempts))
        for name, one in canaries.items()
    }
    assert found == {"small": 0, "large": 1}


def test_an_episode_whose_device_is_full_does_not_go_where_it_failed_before() -> None:
    lost = episode("q0", avoids=frozenset({"other"}))
    busy = at_work(*SMALL_IS_FULL, on=CARDS, queued=0, campaigns=(SMALL_ALONE,))
    able = (CARDS, replace(two_cards("other"), devices=CARDS.devices))
    episodes = (*busy.episodes, lost)
    assert begun(fleet(runners=able, episodes=episodes, attempts=busy.attempts, campaigns=(SMALL_ALONE,))) == 0


def test_it_is_told_for_which_device_too_many_wait() -> None:
    text = told(at_work(*SMALL_IS_FULL, "smoke on large", "session", on=CARDS, campaigns=(SMALL_ALONE,)))
    assert (
        "local is busy: too many are past their sessions and for RX 7600 (small) (r0 in build, r1 in smoke, "
        "r2 in smoke, r3 in smoke); 1 of 3 agent slots held (r5)." in text
    )
    assert "can take it: the next tick assigns it" in told(at_work(*SMALL_IS_FULL, on=CARDS, campaigns=(LARGE_ALONE,)))


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
