"""A user can always ask what a machine is doing between asleep and ready."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.domain.power import PowerFacts
from orchestrator.domain.runner import Health, Operation, Power, Runner
from orchestrator.domain.wake import StageTime, WakeStage
from orchestrator.planning.explain import explain
from orchestrator.planning.power import match_fleet
from orchestrator.planning.power_explain import explain_gpu, explain_idle, explain_runner, explain_wait
from orchestrator.planning.power_policy import PowerPolicy
from tests.unit.planning.builders import NOW, attempt, campaign, episode, fleet, hello, started, status
from tests.unit.planning.sleepers import asleep, facts, failed, idle, known, seconds, waking, woke

POLICY = PowerPolicy()
UP = tuple(StageTime(stage=stage, seconds=6) for stage in (WakeStage.PACKET, WakeStage.LINK))


def told(runner: Runner, known_of_it: PowerFacts, **changes: Any) -> str:
    return explain_runner(runner, campaign(**changes), known_of_it, POLICY, NOW)


def test_a_wake_is_told_by_what_it_usually_takes_and_by_what_it_waits_for() -> None:
    up = facts(wakes=(woke(65),), wake=waking(came=UP))
    text = told(asleep(operation=Operation.WAKING), up)
    assert text == "gpu01 is waking, 41 s of an expected 65 s; it waits for its SSH port."


def test_a_first_wake_is_told_by_its_deadline_and_a_late_one_by_both() -> None:
    first = told(asleep(operation=Operation.WAKING), facts(wake=waking(came=UP)))
    assert first == "gpu01 is waking, 41 s of at most 180 s; it waits for its SSH port."
    late = told(asleep(operation=Operation.WAKING), facts(wakes=(woke(30),), wake=waking(came=UP)))
    assert late == "gpu01 is waking, 41 s of an expected 30 s, given up after 180 s; it waits for its SSH port."


def test_a_quarantined_machine_is_told_with_its_reason_and_what_comes_next() -> None:
    sick = asleep("gpu02", health=Health.QUARANTINED, detail="SSH up, no Vulkan device")
    since = facts("gpu02", quarantined_since=NOW.replace(hour=10, minute=2), by_wakes=True)
    assert told(sick, since) == (
        "gpu02 has the tags but is QUARANTINED since 10:02: SSH up, no Vulkan device; it is woken to see at 11:02 UTC."
    )
    by_hand = told(sick, replace(since, by_wakes=False), needs_tags=("lab-3",))
    assert by_hand == (
        "gpu02 is QUARANTINED since 10:02: SSH up, no Vulkan device; `matins runner resume gpu02` readmits it."
    )


def test_a_back_off_is_told_with_the_stage_that_failed() -> None:
    text = told(asleep(), facts(wakes=(failed(detail="192.0.2.7: no answer in time"),)))
    assert text == (
        "gpu01 failed to wake once (sent, but no answer to ARP: 192.0.2.7: no answer in time)"
        " and is tried again at 12:00:30 UTC."
    )


def test_a_sleeping_machine_can_be_woken_or_says_why_not() -> None:
    assert told(asleep(), facts()) == "gpu01 is asleep and can be woken."
    assert "its MAC address is not known" in told(asleep(), facts(sleeps=None))
    assert "only just gone to sleep" in told(asleep(), facts(asleep_since=NOW))


def test_a_machine_that_answers_though_its_wake_failed_is_proven_before_it_is_used() -> None:
    late = facts(wakes=(failed(WakeStage.TCP, ended=NOW - seconds(60), detail="connection refused"),))
    assert told(idle(), late) == "gpu01 is about to be proven ready again."


def test_where_power_is_not_the_obstacle_it_is_silent() -> None:
    assert told(idle(), facts()) == ""
    assert told(asleep(hello=hello(tags=("linux",))), facts()) == ""


NEW = asleep(power=Power.UNREACHABLE, hello=None)


def test_a_machine_that_never_answered_says_what_it_takes_to_be_woken() -> None:
    assert told(NEW, facts()) == (
        "gpu01 has never answered, and is woken once to see what it offers, where no other runner can take an episode."
    )
    assert told(NEW, facts(wakes=(failed(),))) == (
        "gpu01 has never answered, and failed to wake once (sent, but no answer to ARP)"
        " and is tried again at 12:00:30 UTC."
    )
    assert told(replace(NEW, operation=Operation.WAKING), facts(wake=waking(came=UP))) == (
        "gpu01 is waking, 41 s of at most 180 s; it waits for its SSH port."
        " It has never answered: what it offers is known then."
    )


def test_an_episode_knows_which_unknown_machine_is_woken_for_its_sake_and_why_not_yet() -> None:
    waits = episode()
    state = fleet(runners=(NEW,), episodes=(waits,), power=known(facts()))
    assert (
        "No runner that is known can take it now, so gpu01 is to be woken to see what it offers: the next tick does."
    ) in explain(state, waits, NOW, POLICY)
    full = replace(state, runners=(NEW, asleep("b", operation=Operation.WAKING, hello=hello(tags=()))))
    one = replace(POLICY, waking_max=1)
    (line,) = [line for line in explain(full, waits, NOW, one) if "to see what it offers:" in line]
    assert line.endswith("to see what it offers: 1 of at most 1 machines are waking.")


def test_an_episode_whose_attempt_is_on_a_sleeping_machine_knows_what_that_machine_does() -> None:
    held = started(runner="gpu01")
    up = asleep(operation=Operation.WAKING)
    state = fleet(
        runners=(up,),
        episodes=(held,),
        attempts=(attempt(runner="gpu01", status=status("exited")),),
        power=known(facts(wakes=(woke(65),), wake=waking(came=UP))),
    )
    assert "gpu01 is waking, 41 s of an expected 65 s; it waits for its SSH port." in explain(state, held, NOW, POLICY)


def test_a_machine_without_a_device_says_what_follows_unless_it_should_have_one() -> None:
    bare = idle(hello=hello(gpus=(), gpu_problem="there is no libvulkan"))
    assert explain_gpu(bare) == (
        "It shows no Vulkan device (there is no libvulkan), and takes episodes that need none."
    )
    assert explain_gpu(replace(bare, tags=frozenset({"vulkan"}))) == ""
    assert explain_gpu(idle()) == explain_gpu(NEW) == ""


def waited(runners: tuple[Runner, ...], *all_facts: PowerFacts, policy: PowerPolicy = POLICY) -> str:
    waits = episode()
    state, power = fleet(runners=runners, episodes=(waits,)), known(*all_facts)
    awaits = match_fleet(state, power, policy, NOW).awaits
    return explain_wait(waits, awaits, runners, power, policy, NOW)


def test_an_episode_knows_which_machine_wakes_for_it() -> None:
    up = waited((asleep(operation=Operation.WAKING),), facts(wakes=(woke(65),), wake=waking(came=UP)))
    assert up == "It is to run on gpu01. gpu01 is waking, 41 s of an expected 65 s; it waits for its SSH port."
    assert waited((asleep(),), facts()) == "gpu01 is asleep and is to be woken for it: the next tick does."
    assert waited((idle(),), facts()) == ""


def test_an_episode_knows_that_its_machine_has_to_wait_its_turn() -> None:
    full = asleep("a", operation=Operation.WAKING, hello=hello(tags=()))
    one = replace(POLICY, waking_max=1)
    text = waited((full, asleep("b")), facts("a", wake=waking("a", since_s=100)), facts("b"), policy=one)
    assert text == "b is asleep and is to be woken for it: 1 of at most 1 machines are waking."


def test_an_idle_machine_says_why_it_is_still_awake() -> None:
    rested = facts(wakes=(woke(60),), busy_until=NOW - seconds(100))
    assert explain_idle(idle(), rested, POLICY, NOW, spare=False).startswith(
        "gpu01 is idle for 100 s of 365 s (sleeping"
    )
    assert explain_idle(idle(), rested, replace(POLICY, keep_warm=2), NOW, spare=True) == (
        "gpu01 is kept warm as one of 2 spares."
    )
    assert explain_idle(idle(), facts(), POLICY, NOW, spare=False) == ""
