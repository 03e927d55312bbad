"""Each look at the machines is noted: what they were, from when to when, and that nobody knows where nobody looked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.service import fleet_ops
from orchestrator.service.timekeeping import keep_time
from orchestrator.store.account_tables import WatchRow
from orchestrator.store.tables import RunnerRow
from tests.unit.planning.builders import NOW
from tests.unit.service.accounts import all_time_is_accounted, shown, spans, total
from tests.unit.service.rig import Rig, Toy
from tests.unit.service.sleepers import SleepingRig


def seconds(rig: Rig, state: str, runner: str = "local") -> float:
    return total(rig, "matins_runner_state_seconds", runner=runner, state=state)


def watch_row(rig: Rig) -> WatchRow:
    (row,) = rig.rows(WatchRow)
    return row


def test_what_a_runner_is_shown_as_becomes_its_spans(rig: Rig) -> None:
    rig.tick()
    rig.submit_accepted()
    rig.run()
    rig.cut()
    rig.beat(10)
    rig.beat(10)
    assert shown(rig) == [("unknown", "away"), ("busy", "awake"), ("idle", "awake"), ("unreachable", "away")]
    all_time_is_accounted(rig)


def test_a_closed_span_is_in_the_counter_and_the_open_one_is_not(rig: Rig) -> None:
    rig.beat(10)
    rig.beat(10)
    rig.beat(10)
    unknown, idle = spans(rig)
    assert (unknown.ended_at, idle.ended_at) == (idle.started_at, None)
    assert seconds(rig, "unknown") == 10
    assert seconds(rig, "idle") == 0


def test_nobody_knows_what_a_machine_was_while_nobody_watched(rig: Rig) -> None:
    for _ in range(3):
        rig.beat(10)
    last_look = rig.clock()
    rig.clock.advance(3600)
    rig.restart()
    rig.tick()
    assert shown(rig) == [("unknown", "away"), ("idle", "awake"), ("unknown", "away"), ("idle", "awake")]
    gap = spans(rig)[2]
    assert (gap.started_at, gap.ended_at) == (last_look, rig.clock())
    assert seconds(rig, "unknown") == 10 + 3600
    all_time_is_accounted(rig)


def test_a_span_that_began_at_the_last_look_before_a_gap_is_the_gap(rig: Rig) -> None:
    rig.beat(10)
    rig.beat(10)
    rig.clock.advance(3600)
    rig.tick()
    assert shown(rig) == [("unknown", "away"), ("unknown", "away"), ("idle", "awake")]
    all_time_is_accounted(rig)


def test_ticks_that_are_rare_by_setting_leave_no_gap(rig: Rig) -> None:
    rig.services = replace(rig.services, settings=rig.services.settings.model_copy(update={"tick_s": 600.0}))
    for _ in range(3):
        rig.clock.advance(600)
        keep_time(rig.services)
    assert len(spans(rig)) == 1


def test_ticks_in_a_burst_look_once_and_so_do_two_orchestrators(rig: Rig) -> None:
    rig.beat(10)
    looks = watch_row(rig).ticks
    for _ in range(4):
        rig.clock.advance(0.1)
        rig.tick()
    assert watch_row(rig).ticks == looks
    rig.clock.advance(1)
    assert keep_time(rig.services)
    assert not keep_time(rig.services)
    late = replace(rig.services, now=lambda: rig.clock() - timedelta(seconds=30))
    assert not keep_time(late)
    assert (watch_row(rig).ticks, watch_row(rig).at) == (looks + 1, rig.clock())


def test_what_is_retired_draws_nothing_also_while_nobody_watches(rig: Rig) -> None:
    rig.beat(10)
    rig.beat(10)
    fleet_ops.remove(rig.services, "local", by="ada")
    rig.beat(10)
    rig.clock.advance(3600)
    rig.tick()
    assert shown(rig)[-1] == ("retired", "off")
    assert len(spans(rig)) == 3


def test_a_runner_that_is_added_later_has_a_time_of_its_own(rig: Rig) -> None:
    rig.beat(10)
    with rig.store.writing() as session:
        known = rig.rows(RunnerRow)[0].model_dump()
        session.add(RunnerRow(**{**known, "name": "other", "added_at": NOW}))
    rig.clock.advance(10)
    keep_time(rig.services)
    assert [row.started_at for row in spans(rig, "other")] == [rig.clock()]


@pytest.fixture
def sleepers(the_toy: Toy, tmp_path: Path) -> SleepingRig:
    return SleepingRig(the_toy, tmp_path / "home", runners=("a",))


def test_a_machine_on_its_way_up_or_down_runs_and_asleep_it_hardly_draws(sleepers: SleepingRig) -> None:
    sleepers.rest()
    sleepers.beat(10)
    sleepers.submit_accepted()
    sleepers.run()
    drawn = dict(shown(sleepers, "a"))
    assert drawn.items() >= {"suspending": "awake", "asleep": "asleep", "waking": "awake", "busy": "awake"}.items()
    all_time_is_accounted(sleepers)
