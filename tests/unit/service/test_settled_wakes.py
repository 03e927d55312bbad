"""Who pays for waking a machine, and when that was for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from orchestrator.domain.wake import WakeStage
from orchestrator.machines.fake import FakeLink
from orchestrator.machines.fake_senses import FakeSenses
from orchestrator.machines.wake_probe import Sighting
from orchestrator.store.account_tables import CostRow
from orchestrator.store.tables import RunnerRow
from tests.unit.service.accounts import PRICES, all_time_is_accounted, charged, settle_now, total, usd
from tests.unit.service.parts import Clock
from tests.unit.service.rig import Toy
from tests.unit.service.sleepers import SleepingRig


class SlowSenses(FakeSenses):
    """Each stage of a wake takes two seconds."""

    def __init__(self, runner: FakeLink, clock: Clock) -> None:
        super().__init__(runner)
        self.clock = clock

    def look(self, stage: WakeStage, limit_s: float, age_s: float) -> Sighting:
        self.clock.advance(2)
        return super().look(stage, limit_s, age_s)


@pytest.fixture
def rig(the_toy: Toy, tmp_path: Path) -> SleepingRig:
    rig = SleepingRig(the_toy, tmp_path / "home", runners=("a",))
    with rig.store.writing() as session:
        session.execute(update(RunnerRow).values(prices=PRICES))
    rig.senses["a"] = SlowSenses(rig.runners["a"], rig.clock)
    rig.rest()
    rig.beat(10)
    return rig


def watch(rig: SleepingRig, beats: int = 20) -> None:
    for _ in range(beats):
        rig.beat(20)


def until_woken(rig: SleepingRig) -> None:
    for _ in range(100):
        if rig.wakes("a"):
            return
        if not rig.bell.rung:
            rig.clock.advance(1)
            rig.bell.tick()
        rig.answer_one()
    raise AssertionError("nobody wakes it")


def test_the_episode_that_a_machine_was_woken_for_pays_for_that(rig: SleepingRig) -> None:
    (one,) = rig.submit_accepted()
    rig.run()
    watch(rig, 4)
    (woken,) = rig.wakes("a")
    seconds = (woken.ended_at - woken.started_at).total_seconds()
    assert seconds > 0
    assert charged(rig, episode_id=one)["wake"] == pytest.approx(seconds)
    assert (rig.episode(one).result or {})["cost"]["by_phase"]["wake"] == pytest.approx(usd(rig, phase="wake"))
    assert total(rig, "matins_cost_usd", kind="wake", agent="replay:doer") == pytest.approx(usd(rig, phase="wake"))
    all_time_is_accounted(rig)


def test_a_wake_that_failed_is_charged_to_nobody_and_is_waste(rig: SleepingRig) -> None:
    rig.senses["a"].missing = WakeStage.SSH
    (one,) = rig.submit_accepted()
    watch(rig, 6)
    assert "failed-wake" in charged(rig, episode_id="")
    assert {row.reason for row in rig.rows(CostRow) if row.phase == "failed-wake"} == {"wake-failed"}
    assert charged(rig, episode_id=one) == {}
    assert total(rig, "matins_waste_usd", reason="wake-failed") == pytest.approx(usd(rig, phase="failed-wake"))


@pytest.mark.parametrize("settled_before", [True, False])
def test_a_wake_for_an_episode_that_nobody_wants_any_more_is_waste(rig: SleepingRig, settled_before: bool) -> None:
    (one,) = rig.submit_accepted()
    until_woken(rig)
    if settled_before:
        rig.set("a", service="DRAINING")
        watch(rig, 6)
        assert charged(rig, episode_id=one)["wake"] > 0
    rig.cancel(one)
    rig.answer()
    watch(rig, 6)
    assert rig.ended(one) == ("CANCELLED", "cancelled")
    assert charged(rig, episode_id=one)["wake"] > 0
    assert total(rig, "matins_waste_usd", reason="cancelled") == pytest.approx(usd(rig, episode_id=one))


def test_a_machine_asleep_costs_what_it_draws_asleep(rig: SleepingRig) -> None:
    watch(rig, 5)
    settle_now(rig, "a")
    asleep = [row for row in rig.rows(CostRow) if row.phase == "asleep"]
    assert sum(row.seconds for row in asleep) > 90
    assert sum(row.joules for row in asleep) == pytest.approx(3.6 * sum(row.seconds for row in asleep))
    all_time_is_accounted(rig)
