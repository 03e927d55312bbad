"""Machines that sleep while nobody needs them, and are woken for episodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.actions import Assign
from orchestrator.domain.power import LetSleep
from orchestrator.domain.wake import SleepKind, WakeStage
from orchestrator.errors import Conflict, LinkError
from orchestrator.service import fleet_ops
from orchestrator.store.commit import commit
from orchestrator.web.collector import DatabaseCollector
from tests.unit.service.rig import Rig, Toy
from tests.unit.service.sleepers import SleepingRig


@pytest.fixture
def rig(the_toy: Toy, tmp_path: Path) -> SleepingRig:
    return SleepingRig(the_toy, tmp_path / "home")


def test_idle_machines_sleep_and_the_next_episode_wakes_one_of_them(rig: SleepingRig) -> None:
    rig.rest()
    assert rig.told("a") == ["suspend-started", "asleep"]
    (one,) = rig.submit_accepted()
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    woken = [name for name in rig.runners if rig.wakes(name)]
    assert len(woken) == 1
    (record,) = rig.wakes(woken[0])
    assert record.failed_stage is None and [time["stage"] for time in record.stages] == list(WakeStage)
    assert rig.told(woken[0])[:4] == ["suspend-started", "asleep", "wake-started", "woken"]
    assert [row.fence for row in rig.attempts(one)] == [1]


def test_as_many_machines_are_woken_as_the_queue_fills(rig: SleepingRig) -> None:
    rig.rest()
    rig.submit_accepted(count=2)
    rig.run()
    assert all(len(rig.wakes(name)) == 1 for name in rig.runners)


def test_a_machine_asleep_is_not_called_unreachable(rig: SleepingRig) -> None:
    rig.rest()
    for _ in range(10):
        rig.beat(60)
    assert rig.facets("a") == ("ASLEEP", "NONE")
    assert "unreachable" not in rig.told("a")


def test_a_machine_whose_button_was_pressed_is_awake_and_sleeps_again_when_it_has_idled(rig: SleepingRig) -> None:
    rig.rest()
    rig.runners["a"].wake("by-hand")
    rig.beat(20)
    assert rig.facets("a") == ("AWAKE", "NONE")
    rig.beat(30)
    assert rig.facets("a") == ("AWAKE", "NONE")
    rig.rest()


def test_a_machine_that_is_back_before_anybody_saw_it_gone_is_awake_at_once(rig: SleepingRig) -> None:
    for _ in range(12):
        rig.beat(10)
        if rig.facets("a") == ("AWAKE", "SUSPENDING"):
            break
    rig.perform(rig.acts("suspend")[-1].id)
    rig.runners["a"].reboot("boot-2")
    rig.runners["a"].unreachable = ""
    rig.observe("a")
    assert rig.facets("a") == ("AWAKE", "NONE")
    assert "suspend-refused" not in rig.told("a")


def test_the_machines_own_interlock_has_the_last_word_and_says_why(rig: SleepingRig) -> None:
    rig.runners["a"].against["operator-login"] = "ada is logged in on pts/0"
    for _ in range(12):
        rig.beat(10)
        rig.go_down()
    row = rig.runner("a")
    assert rig.facets("a") == ("AWAKE", "NONE")
    assert row.stay_awake_why == "it would not sleep: ada is logged in on pts/0"
    assert rig.told("a") == ["suspend-started", "suspend-refused"]
    rig.runners["a"].against.clear()
    rig.rest()


def test_a_machine_that_fell_asleep_before_its_answer_came_is_asleep(rig: SleepingRig) -> None:
    def falls_asleep_first() -> None:
        rig.go_down()
        raise LinkError("the connection broke", kind="reset")

    rig.wires["a"].after["suspend"] = [falls_asleep_first]
    rig.rest()
    assert len(rig.runners["a"].sleeps) == 1


def test_a_machine_that_was_cut_off_without_being_asked_to_sleep_is_unreachable(rig: SleepingRig) -> None:
    rig.beat(2)
    rig.cut("a")
    for _ in range(20):
        rig.beat(10)
        rig.go_down()
    assert rig.facets("a") == ("UNREACHABLE", "NONE")


@pytest.mark.fault(24)
def test_of_an_assignment_and_a_sleep_that_were_planned_at_once_the_first_one_holds(rig: SleepingRig) -> None:
    one, two = rig.submit_accepted(count=2)
    for name in rig.runners:
        rig.observe(name)

    def held(action: Assign | LetSleep) -> bool:
        with rig.store.writing() as session:
            return commit(session, action, rig.clock())

    assert held(Assign(episode_id=one, runner="a"))
    assert not held(LetSleep(runner="a", how=SleepKind.SUSPEND, reason="idle"))
    assert held(LetSleep(runner="b", how=SleepKind.SUSPEND, reason="idle"))
    assert not held(Assign(episode_id=two, runner="b"))


@pytest.mark.fault(24)
def test_a_launch_that_meets_a_machine_on_its_way_to_sleep_waits_and_starts_once_it_was_woken(
    rig: SleepingRig,
) -> None:
    """The wish to sleep comes to the machine only once nobody has it any more: a process had frozen."""
    rig.set("b", service="OUT_OF_SERVICE")

    def everybody_goes_on() -> None:
        rig.clock.advance(400)
        rig.tick()
        ids.extend(rig.submit_accepted())
        rig.observe("a")
        rig.tick()
        rig.tick()

    ids: list[str] = []
    rig.wires["a"].before["suspend"] = [everybody_goes_on]
    while not ids:
        rig.beat(10)
    rig.go_down()
    for _ in range(60):
        rig.beat(10)
        rig.work()
        if rig.all_ended():
            break
    assert rig.ended(ids[0]) == ("DONE", "completed")
    assert [row.fence for row in rig.attempts(ids[0])] == [1]
    assert set(rig.starts().values()) == {1}


@pytest.mark.fault(23)
def test_three_failed_wakes_quarantine_and_the_episode_runs_elsewhere_at_no_cost(rig: SleepingRig) -> None:
    rig.rest()
    rig.senses["a"].missing = WakeStage.VULKAN
    rig.set("b", service="DRAINING")
    (one,) = rig.submit_accepted()
    for _ in range(15):
        rig.beat(40)
    row = rig.runner("a")
    assert row.health == "QUARANTINED" and row.detail.startswith("SSH up, no Vulkan device")
    assert [wake.failed_stage for wake in rig.wakes("a")] == ["vulkan"] * 3
    assert rig.episode(one).phase == "QUEUED" and rig.attempts(one) == []
    rig.set("b", service="IN_SERVICE")
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert [(row.runner, row.fence) for row in rig.attempts(one)] == [("b", 1)]


@pytest.mark.fault(3)
def test_a_wake_whose_process_died_before_the_first_packet_is_gone_on_with_by_another(rig: SleepingRig) -> None:
    rig.rest()
    (one,) = rig.submit_accepted()
    rig.clock.advance(1)
    rig.tick()
    (name,) = [name for name in rig.runners if rig.facets(name)[1] == "WAKING"]
    assert rig.senses[name].bursts == 0
    rig.restart()
    rig.run()
    assert rig.ended(one) == ("DONE", "completed") and len(rig.wakes(name)) == 1


def test_a_wake_that_nobody_looks_after_ends_at_its_deadline(rig: SleepingRig) -> None:
    rig.rest()
    rig.submit_accepted()
    rig.clock.advance(1)
    rig.tick()
    (name,) = [name for name in rig.runners if rig.facets(name)[1] == "WAKING"]
    rig.bell.rung.clear()
    rig.clock.advance(300)
    rig.tick()
    (record,) = rig.wakes(name)
    assert record.failed_stage == "packet" and "nothing within 30 s" in record.reason


# What operators do.


def test_an_operator_wakes_a_machine_and_sees_how_it_goes(rig: SleepingRig) -> None:
    rig.rest()
    assert fleet_ops.wake_status(rig.services, "a")["ready"] is False
    fleet_ops.wake(rig.services, "a", by="ada")
    assert fleet_ops.wake_status(rig.services, "a")["under_way"] is True
    rig.answer()
    status = fleet_ops.wake_status(rig.services, "a")
    assert (status["ready"], status["failed_stage"], status["under_way"]) == (True, None, False)
    assert [stage["name"] for stage in status["stages"]] == list(WakeStage)


def test_an_operator_lets_a_machine_sleep_but_not_under_its_work(rig: SleepingRig) -> None:
    rig.beat(1)
    fleet_ops.sleep(rig.services, "a", by="ada", how="power-off")
    rig.answer()
    rig.go_down()
    rig.beat(10)
    assert rig.facets("a") == ("ASLEEP", "NONE") and rig.runner("a").slept == "power-off"
    (one,) = rig.submit_accepted()
    rig.up_to("RUNNING", one)
    with pytest.raises(Conflict, match="has work"):
        fleet_ops.sleep(rig.services, "b", by="ada")


def test_resume_lifts_a_quarantine_and_forgives_failed_wakes(rig: SleepingRig) -> None:
    rig.rest()
    rig.senses["a"].missing = WakeStage.LINK
    rig.set("b", service="DRAINING")
    (one,) = rig.submit_accepted()
    for _ in range(15):
        rig.beat(40)
    assert rig.runner("a").health == "QUARANTINED"
    rig.senses["a"].missing = None
    rig.take_back("a")
    assert (rig.runner("a").health, rig.runner("a").detail) == ("UNKNOWN", "")
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")


def test_a_runner_is_removed_only_once_it_holds_nothing(rig: SleepingRig) -> None:
    (one,) = rig.submit_accepted()
    attempt = rig.up_to("RUNNING", one)
    name = rig.attempt(attempt).runner
    fleet_ops.drain(rig.services, name, by="ada", reason="a new card")
    with pytest.raises(Conflict, match="has work"):
        fleet_ops.remove(rig.services, name, by="ada")
    rig.run()
    fleet_ops.remove(rig.services, name, by="ada")
    assert rig.runner(name).service == "RETIRED"
    assert rig.told(name)[-1] == "retired"


def test_a_runner_without_a_mac_address_stays_awake(the_toy: Toy, tmp_path: Path) -> None:
    rig = Rig(the_toy, tmp_path / "other")
    for _ in range(10):
        rig.beat(2400)
    assert rig.acts("suspend") == []
    with pytest.raises(Conflict, match="could not be woken"):
        fleet_ops.sleep(rig.services, "local", by="ada")


def test_wakes_are_counted_and_their_stages_timed(rig: SleepingRig) -> None:
    rig.rest()
    rig.senses["a"].missing = WakeStage.SSH
    for name in rig.runners:
        fleet_ops.wake(rig.services, name, by="ada")
    rig.answer()
    rig.tick()
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in DatabaseCollector(rig.services).collect()
        for sample in family.samples
        if sample.name.startswith("matins_wake")
    }
    assert samples["matins_wake_attempts_total", "b", "ready"] == 1
    assert samples["matins_wake_attempts_total", "b", "failed"] == 0
    assert samples["matins_wake_attempts_total", "a", "failed"] >= 1
    assert samples["matins_wake_duration_seconds_count", "b", "vulkan"] == 1
