"""What a runner's silence means once it was asked to sleep, and once nobody wants anything of it any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import LinkError
from orchestrator.service import fleet_ops
from tests.unit.service.rig import Toy
from tests.unit.service.sleepers import SILENT, SleepingRig

BROKEN = LinkError("the connection broke before the answer was whole", kind="reset")


@pytest.fixture
def rig(the_toy: Toy, tmp_path: Path) -> SleepingRig:
    rig = SleepingRig(the_toy, tmp_path / "home", runners=("a",))
    rig.beat(1)
    return rig


def asked_to_sleep(rig: SleepingRig) -> int:
    """The act that tells the machine so; nobody has done it yet."""
    fleet_ops.sleep(rig.services, "a", by="ada")
    rig.tick()
    (act,) = rig.acts("suspend")
    return act.id or 0


def test_a_report_that_the_suspend_itself_broke_off_is_no_sign_of_sleep(rig: SleepingRig) -> None:
    act = asked_to_sleep(rig)

    def says_yes_meanwhile() -> None:
        rig.perform(act)
        raise BROKEN

    rig.wires["a"].after["report"] = [says_yes_meanwhile]
    rig.observe("a")
    assert rig.runners["a"].sleeps
    assert rig.facets("a") == ("AWAKE", "SUSPENDING")
    assert rig.told("a") == ["suspend-started"]
    rig.clock.advance(10)
    rig.runners["a"].unreachable = SILENT
    rig.observe("a")
    assert rig.facets("a") == ("ASLEEP", "NONE")


def test_a_report_asked_between_the_wish_and_the_answer_to_it_is_no_sign_of_sleep_either(rig: SleepingRig) -> None:
    act = asked_to_sleep(rig)
    rig.lose_answer("suspend", "a")
    rig.perform(act)

    def says_yes_again_meanwhile() -> None:
        rig.perform(act)
        raise BROKEN

    rig.wires["a"].after["report"] = [says_yes_again_meanwhile]
    rig.clock.advance(4)
    rig.observe("a")
    assert rig.facets("a") == ("AWAKE", "SUSPENDING")


def test_one_that_was_slower_to_fall_asleep_than_it_had_time_for_is_not_kept_awake_by_that(rig: SleepingRig) -> None:
    rig.perform(asked_to_sleep(rig))
    rig.clock.advance(61)
    rig.tick()
    assert rig.told("a")[-1] == "suspend-refused"
    assert rig.runner("a").stay_awake_until is not None
    rig.runners["a"].unreachable = SILENT
    rig.observe("a")
    assert rig.facets("a") == ("ASLEEP", "NONE")
    assert (rig.runner("a").stay_awake_until, rig.runner("a").stay_awake_why) == (None, "")


def test_silence_counts_from_when_a_machine_that_said_yes_would_be_down(rig: SleepingRig) -> None:
    rig.perform(asked_to_sleep(rig))
    rig.runners["a"].unreachable = SILENT
    rig.clock.advance(2.9)
    rig.observe("a")
    assert rig.facets("a") == ("AWAKE", "SUSPENDING")
    rig.clock.advance(0.1)
    rig.observe("a")
    assert rig.facets("a") == ("ASLEEP", "NONE")


def test_a_wish_that_is_sent_again_and_again_does_not_put_off_what_silence_means(rig: SleepingRig) -> None:
    act = asked_to_sleep(rig)
    rig.runners["a"].unreachable = SILENT
    rig.perform(act)
    for _ in range(2):
        rig.clock.advance(2)
        rig.perform(act)
    rig.observe("a")
    assert rig.facets("a") == ("ASLEEP", "NONE")


def test_a_retired_runner_is_not_asked_any_more(rig: SleepingRig) -> None:
    fleet_ops.remove(rig.services, "a", by="ada")
    rig.answer()
    calls = rig.wires["a"].calls.total()
    for _ in range(5):
        rig.beat(60)
    rig.observe("a")
    assert rig.wires["a"].calls.total() == calls
