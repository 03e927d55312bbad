"""What follows from wakes that failed: another try, quarantine, and how a machine comes out of it."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.power import EndSuspend, EndWake, Quarantine, Readmit, Wake
from orchestrator.domain.runner import Operation, Power
from orchestrator.domain.wake import GpuNeed, SleepKind, StageTime, WakeStage
from tests.unit.planning.builders import NOW, fleet, gpu, hello
from tests.unit.planning.sleepers import (
    POLICY,
    SICK,
    THREE,
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
