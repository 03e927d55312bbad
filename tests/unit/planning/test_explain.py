"""A user can always ask why."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.domain.episode import Acceptance, Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Health, Power
from orchestrator.planning.explain import explain
from tests.unit.planning.builders import (
    NOW,
    attempt,
    campaign,
    episode,
    fleet,
    hello,
    runner,
    started,
    status,
    two_cards,
)


def told(state: FleetState, about: Episode) -> str:
    return "\n".join(explain(state, about, NOW + timedelta(seconds=41)))


def test_without_a_runner_it_says_how_to_add_one() -> None:
    assert "matins runner add" in told(fleet(runners=(), episodes=(episode(),)), episode())


def test_each_runner_that_cannot_take_it_says_why() -> None:
    runners = (
        runner("gpu01", health=Health.QUARANTINED, detail="SSH up, no Vulkan device"),
        runner("gpu02", power=Power.UNREACHABLE, detail="no answer in 20 s"),
        runner("gpu03", hello=hello(tags=("linux",), gpu_problem="libvulkan.so.1 is not installed")),
    )
    text = told(fleet(runners=runners, episodes=(episode(),)), episode())
    assert "gpu01 has the tags but is QUARANTINED: SSH up, no Vulkan device" in text
    assert "gpu02 is UNREACHABLE: no answer in 20 s" in text
    assert "gpu03 does not report vulkan (libvulkan.so.1 is not installed)" in text


def test_a_busy_runner_names_who_holds_its_slots() -> None:
    text = told(fleet(episodes=(started("e7"), episode())), episode())
    assert "local is busy: 1 of 1 agent slots held (e7)." in text


def test_a_preflight_that_is_waited_for_is_explained_too() -> None:
    preflight = started("p1", kind=EpisodeKind.PREFLIGHT)
    state = fleet(
        campaigns=(campaign(acceptance=Acceptance.PENDING),),
        episodes=(preflight, episode()),
        attempts=(attempt("p1", status=status("running", "p1", stage="build", stage_since="12:00:03")),),
    )
    text = told(state, episode())
    assert "the preflight of campaign decode has not ended" in text
    assert "Preflight p1: It runs on local in stage build since 12:00:03" in text


def test_unreachable_is_said_not_to_be_dead() -> None:
    state = fleet(
        runners=(runner(power=Power.UNREACHABLE, detail="no answer"),),
        episodes=(started(),),
        attempts=(attempt(status=status("running")),),
    )
    assert "Unreachable is not dead" in told(state, started())


def test_an_ended_episode_says_its_reason() -> None:
    ended = started(phase=Phase.FAILED, end_reason=EndReason.SUPERVISOR_DIED, detail="no exit record")
    text = told(fleet(), ended)
    assert "FAILED, supervisor-died" in text
    assert "no exit record" in text


def test_every_phase_has_an_answer() -> None:
    for phase in Phase:
        assert told(fleet(attempts=(attempt(),)), started(phase=phase))


def test_on_a_machine_with_several_devices_it_names_the_one_in_use() -> None:
    running = attempt(gpu="large", status=status("running", stage="smoke", stage_since="12:00:03"))
    state = {"episodes": (started(),), "attempts": (running,)}
    one = "It runs on local in stage smoke since 12:00:03."
    two = "It runs on local, its RX 7900 XTX (large), in stage smoke since 12:00:03."
    assert two in told(fleet(runners=(two_cards(),), **state), started())
    assert one in told(fleet(**state), started())
