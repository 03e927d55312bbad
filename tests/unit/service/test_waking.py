"""Machines that are woken though they are no ordinary members of the fleet: unknown, out of reach, taken out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.domain.runner import shown_state
from orchestrator.domain.wake import WakeStage
from orchestrator.service import fleet_ops
from orchestrator.store.convert import to_runner
from orchestrator.store.fleet import load_fleet
from orchestrator.web.overview import view_of
from tests.unit.service.rig import Toy
from tests.unit.service.sleepers import POLICY, SILENT, SleepingRig


@pytest.fixture
def rig(the_toy: Toy, tmp_path: Path) -> SleepingRig:
    return SleepingRig(the_toy, tmp_path / "home", runners=("a",))


def state(rig: SleepingRig, name: str = "a") -> str:
    return shown_state(to_runner(rig.runner(name)), leases=0)


def note(rig: SleepingRig, name: str = "a") -> str:
    with rig.store.reading() as session:
        view = view_of(load_fleet(session), rig.runner(name), POLICY.power, rig.clock())
    return view["note"]


def asleep_since_ever(rig: SleepingRig) -> None:
    """As a machine is that was added while it slept."""
    rig.runners["a"].unreachable = SILENT
    for _ in range(3):
        rig.beat(10)
    assert rig.facets("a") == ("UNREACHABLE", "NONE") and rig.runner("a").hello is None


def test_a_runner_that_was_added_while_it_slept_is_woken_for_the_first_episode(rig: SleepingRig) -> None:
    asleep_since_ever(rig)
    assert rig.wakes("a") == []
    (one,) = rig.submit_accepted()
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    (record,) = rig.wakes("a")
    assert record.failed_stage is None
    assert [row.fence for row in rig.attempts(one)] == [1]


def test_one_that_has_not_what_the_episode_needs_is_woken_once_and_sleeps_again(rig: SleepingRig) -> None:
    asleep_since_ever(rig)
    rig.runners["a"].said = replace(rig.runners["a"].said, tags=(), sandbox_problem="no user namespaces")
    (one,) = rig.submit_accepted()
    for _ in range(60):
        rig.beat(10)
        rig.go_down()
    assert rig.episode(one).phase == "QUEUED" and rig.attempts(one) == []
    assert len(rig.wakes("a")) == 1
    assert rig.facets("a") == ("ASLEEP", "NONE")


def test_one_that_never_wakes_is_quarantined_as_any_other(rig: SleepingRig) -> None:
    asleep_since_ever(rig)
    rig.senses["a"].missing = WakeStage.LINK
    rig.submit_accepted()
    for _ in range(60):
        rig.beat(10)
    assert rig.runner("a").health == "QUARANTINED" and len(rig.wakes("a")) == 3


def test_a_runner_that_is_out_of_reach_and_is_being_woken_is_shown_as_waking(rig: SleepingRig) -> None:
    rig.beat(1)
    rig.cut("a")
    rig.beat(10)
    assert state(rig) == "unreachable"
    fleet_ops.wake(rig.services, "a", by="ada")
    assert state(rig) == "waking"
    rig.answer()
    rig.settle()
    assert state(rig) == "idle"


@pytest.mark.parametrize("service", ["DRAINING", "OUT_OF_SERVICE"])
def test_a_machine_that_was_taken_out_and_sleeps_over_a_result_is_woken_to_fetch_it_and_gets_nothing_new(
    rig: SleepingRig, service: str
) -> None:
    (one,) = rig.submit_accepted()
    attempt = rig.up_to("RUNNING", one)
    rig.runners["a"].await_checks(attempt)
    rig.settle()
    rig.exit(attempt)
    rig.bell.rung.clear()
    rig.set("a", power="ASLEEP", asleep_since=rig.clock(), service=service)
    rig.runners["a"].unreachable = SILENT
    (two,) = rig.submit_accepted()
    for _ in range(30):
        rig.beat(10)
    assert rig.ended(one) == ("DONE", "completed")
    assert len(rig.wakes("a")) == 1
    assert rig.episode(two).phase == "QUEUED" and rig.attempts(two) == []


def test_a_machine_that_never_showed_a_device_is_ready_without_one_and_says_so(rig: SleepingRig) -> None:
    rig.runners["a"].said = replace(rig.runners["a"].said, gpus=(), gpu_problem="there is no libvulkan")
    asleep_since_ever(rig)
    fleet_ops.wake(rig.services, "a", by="ada")
    rig.answer()
    rig.settle()
    assert rig.wakes("a")[0].failed_stage is None and rig.wakes("a")[0].gpu == 0
    assert note(rig) == "It shows no Vulkan device (there is no libvulkan), and takes episodes that need none."


def test_one_that_was_declared_to_have_a_device_is_not_ready_without(rig: SleepingRig) -> None:
    rig.set("a", tags=["vulkan"])
    asleep_since_ever(rig)
    rig.senses["a"].missing = WakeStage.VULKAN
    fleet_ops.wake(rig.services, "a", by="ada")
    rig.answer()
    assert rig.wakes("a")[0].failed_stage == "vulkan"
    assert "no Vulkan device" in rig.wakes("a")[0].reason
