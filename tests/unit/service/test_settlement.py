"""What machines cost is settled from what they were and who held them: once, and wholly."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlmodel import col

from orchestrator.service import fleet_ops
from orchestrator.service.again import rescore, retry
from orchestrator.service.settlement import settle
from orchestrator.store.account_tables import CostRow, EnergyRow, SpanRow, WatchRow
from orchestrator.store.tables import AttemptRow, RunnerRow
from tests.unit.service.accounts import (
    SECOND_USD,
    AccountRig,
    all_time_is_accounted,
    charged,
    joules,
    settle_now,
    total,
    totals,
    usd,
)
from tests.unit.service.leavings import broke_down, leavings
from tests.unit.service.rig import Toy


@pytest.fixture
def rig(the_toy: Toy, tmp_path: Path) -> AccountRig:
    return AccountRig(the_toy, tmp_path / "home")


def launched(rig: AccountRig, count: int = 1) -> tuple[str, str]:
    """An episode and its attempt; the machine was idle for a while before."""
    rig.watch(60)
    (one, *_) = rig.submit_accepted(count=count)
    return one, rig.up_to("RUNNING", one)


def over(rig: AccountRig) -> None:
    """All has ended and is settled."""
    rig.run()
    rig.watch(80)


def money(rig: AccountRig) -> dict[str, float]:
    return {row.phase + row.label + row.kind + row.attempt_id: round(row.usd, 12) for row in rig.rows(CostRow)}


# Who pays.


def test_an_attempt_pays_for_its_stages_and_the_rest_is_idle(rig: AccountRig) -> None:
    one, attempt = launched(rig)
    rig.tell(attempt, "stage-started", stage="session")
    rig.watch(100)
    rig.tell(attempt, "stage-finished", stage="session")
    rig.tell(attempt, "gate-waited", gate="build", seconds=0.0)
    rig.watch(40)
    rig.tell(attempt, "gate-released", gate="build", held_s=40.0)
    rig.tell(attempt, "gate-waited", gate="gpu", seconds=0.0)
    rig.watch(20)
    rig.tell(attempt, "gate-released", gate="gpu", held_s=20.0)
    rig.tell(attempt, "attempt-ended", reason="completed")
    rig.watch(10)
    over(rig)
    paid = charged(rig, episode_id=one)
    assert {phase: paid[phase] for phase in ("session", "build", "gpu")} == {"session": 100, "build": 40, "gpu": 20}
    assert set(paid) <= {"session", "build", "gpu", "slot"}
    all_time_is_accounted(rig)


def test_the_episode_gets_to_know_what_it_cost(rig: AccountRig) -> None:
    one, attempt = launched(rig)
    rig.tell(attempt, "stage-started", stage="session")
    rig.watch(100)
    over(rig)
    cost = rig.result(one)["cost"]
    assert cost["settled"] is True
    assert cost["usd"] == pytest.approx(usd(rig, episode_id=one))
    assert sum(cost["by_phase"].values()) == pytest.approx(cost["usd"])
    assert sum(cost["by_label"].values()) == pytest.approx(cost["usd"])
    assert cost["by_phase"]["session"] >= 100 * SECOND_USD
    assert all(row.costed for row in rig.rows(AttemptRow))


@pytest.mark.parametrize("skew_s", [3600.0, -86400.0])
def test_a_machine_whose_clock_is_wrong_is_settled_by_ours(rig: AccountRig, skew_s: float) -> None:
    rig.skew_s = skew_s
    one, attempt = launched(rig)
    rig.watch(10)
    rig.tell(attempt, "stage-started", stage="session")
    rig.watch(100)
    rig.tell(attempt, "stage-finished", stage="session")
    rig.tell(attempt, "attempt-ended", reason="completed")
    over(rig)
    assert charged(rig, episode_id=one)["session"] == 100


def test_attempts_side_by_side_share_the_machine(rig: AccountRig) -> None:
    launched(rig, count=2)
    rig.watch(40)
    assert len(rig.rows(AttemptRow)) == 2
    over(rig)
    mine, theirs = (charged(rig, attempt_id=row.id)["slot"] for row in rig.rows(AttemptRow))
    assert mine == pytest.approx(theirs)
    all_time_is_accounted(rig)


# Once.


def test_settling_twice_or_by_two_changes_nothing(rig: AccountRig) -> None:
    launched(rig)
    rig.watch(100)
    settle_now(rig)
    before = money(rig)
    assert before
    assert not settle_now(rig)
    rig.restart()
    settle(rig.services)
    assert money(rig) == before


def test_however_often_it_is_settled_the_sums_are_the_same(the_toy: Toy, tmp_path: Path) -> None:
    sums: list[float] = []
    for step_s in (20, 50):
        rig = AccountRig(the_toy, tmp_path / f"by-{step_s}")
        rig.tick()
        rig.observe()
        rig.watch(300, step_s)
        settle_now(rig)
        all_time_is_accounted(rig)
        sums.append(sum(row.seconds for row in rig.rows(CostRow)))
    assert sums[0] == pytest.approx(sums[1])


def test_what_nobody_watched_is_estimated(rig: AccountRig) -> None:
    rig.watch(30)
    rig.clock.advance(3600)
    rig.watch(200)
    assert charged(rig, phase="away")["away"] >= 3600
    assert {row.label for row in rig.rows(CostRow) if row.phase == "away" and row.joules} == {"estimated"}
    all_time_is_accounted(rig)


def test_but_what_its_meter_tells_of_that_time_later_is_measured(rig: AccountRig) -> None:
    rig.tick()
    rig.observe()
    rig.watch(60, doing=lambda: rig.meter(2000.0, whole=True))
    rig.clock.advance(3600)
    rig.meter(360_000.0, whole=True)
    rig.restart()
    rig.watch(80)
    assert charged(rig, phase="away")["away"] >= 3600
    assert joules(rig, phase="away", label="measured") == pytest.approx(360_000, rel=0.02)
    assert joules(rig, phase="away", label="estimated") < 36 * 60


# Machines out of reach.


def test_a_machine_out_of_reach_with_a_live_attempt_waits_to_be_settled(rig: AccountRig) -> None:
    one, attempt = launched(rig)
    rig.tell(attempt, "stage-started", stage="session")
    rig.watch(60)
    rig.cut()
    last_seen = rig.runner().last_seen
    rig.watch(200)
    assert rig.runner().settled_until == last_seen
    rig.heal()
    rig.watch(60)
    over(rig)
    assert charged(rig, episode_id=one)["session"] >= 200
    all_time_is_accounted(rig)


def test_a_journal_that_a_full_report_left_out_is_waited_for(rig: AccountRig) -> None:
    launched(rig, count=2)
    rig.watch(20)
    rig.cut()
    rig.watch(60)
    attempts = sorted(rig.runners["local"].attempts)
    for attempt in attempts:
        rig.tell(attempt, "stage-started", stage="session")
        rig.runners["local"].log(attempt, "logs/build.log", b"x" * 1_000_000)
    rig.heal()
    rig.clock.advance(20)
    rig.observe()
    rig.tick()
    before = rig.runner().settled_until
    assert before is not None and rig.clock() - before > timedelta(seconds=60)
    rig.watch(60)
    after = rig.runner().settled_until
    assert after is not None and rig.clock() - after < timedelta(seconds=60)
    mine, theirs = (charged(rig, attempt_id=attempt)["session"] for attempt in attempts)
    assert mine == pytest.approx(theirs)


def test_one_without_attempts_is_taken_to_run_on(rig: AccountRig) -> None:
    rig.watch(30)
    rig.cut()
    rig.watch(300)
    assert charged(rig)["away"] >= 200
    all_time_is_accounted(rig)


def test_an_attempt_on_a_machine_declared_dead_cost_up_to_that_and_all_of_it_is_waste(rig: AccountRig) -> None:
    one, attempt = launched(rig)
    rig.watch(60)
    rig.cut()
    rig.watch(100)
    rig.declare_dead()
    rig.watch(80)
    (lost,) = rig.attempts(one)
    assert lost.costed and lost.ended == "runner-lost"
    paid = usd(rig, attempt_id=attempt)
    assert paid >= 160 * SECOND_USD
    assert total(rig, "matins_waste_usd", reason="runner-lost") == pytest.approx(paid)
    all_time_is_accounted(rig)


# What was for nothing.


def test_an_attempt_that_broke_down_is_waste_and_the_one_after_it_is_not(rig: AccountRig) -> None:
    one, _ = launched(rig)
    rig.watch(50)
    rig.leave = lambda spec: broke_down(spec, "SANDBOX_UNAVAILABLE: none") if spec.fence == 1 else leavings(spec)
    over(rig)
    first, second = rig.attempts(one)
    assert (first.ended, second.ended) == ("sandbox-unavailable", "completed")
    wasted = total(rig, "matins_waste_usd", reason="sandbox-unavailable")
    assert wasted == pytest.approx(usd(rig, attempt_id=first.id)) and wasted > 0
    assert rig.result(one)["cost"]["usd"] == pytest.approx(usd(rig, episode_id=one))
    assert total(rig, "matins_waste_usd", reason="completed") == 0


def test_a_cancelled_episode_is_waste(rig: AccountRig) -> None:
    one, attempt = launched(rig)
    rig.watch(50)
    rig.cancel(one)
    over(rig)
    assert rig.ended(one) == ("CANCELLED", "cancelled")
    assert total(rig, "matins_waste_usd", reason="cancelled") == pytest.approx(usd(rig, attempt_id=attempt))
    assert rig.attempt(attempt).costed


def test_one_that_is_tried_afresh_by_hand_has_a_cost_of_its_own(rig: AccountRig) -> None:
    one, _ = launched(rig)
    rig.leave = lambda spec: leavings(spec, smoke="crashed")
    over(rig)
    before = rig.result(one)["cost"]
    rig.leave = leavings
    new, _ = retry(rig.services, one, "ada")
    over(rig)
    assert rig.result(one)["cost"] == before
    assert rig.result(new.id)["cost"]["usd"] == pytest.approx(usd(rig, episode_id=new.id))


# What never falls.


def test_judging_again_moves_no_counter_and_keeps_the_cost(rig: AccountRig) -> None:
    one, _ = launched(rig)
    rig.watch(50)
    over(rig)
    before, cost = totals(rig), rig.result(one)["cost"]
    rescore(rig.services, one, "ada")
    rig.watch(1)
    assert rig.result(one)["cost"] == cost
    money_only = {name: value for name, value in before.items() if name[0].endswith("_usd")}
    assert {name: totals(rig)[name] for name in money_only} == money_only


def test_counters_do_not_fall_when_old_rows_are_deleted_or_the_service_starts_again(rig: AccountRig) -> None:
    launched(rig)
    over(rig)
    before = totals(rig)
    with rig.store.writing() as session:
        session.execute(delete(CostRow))
        session.execute(delete(SpanRow).where(col(SpanRow.ended_at).is_not(None)))
    rig.restart()
    rig.watch(200)
    after = totals(rig)
    assert all(after[name] >= value for name, value in before.items())
    assert (
        total(rig, "matins_cost_usd", kind="idle", agent="") > before["matins_cost_usd", '{"agent":"","kind":"idle"}']
    )


def test_a_runner_that_is_removed_keeps_its_ledger_and_costs_no_more(rig: AccountRig) -> None:
    rig.watch(120)
    fleet_ops.remove(rig.services, "local", by="ada")
    rig.watch(30)
    paid = money(rig)
    assert paid
    rig.watch(400, 40)
    assert money(rig) == paid
    all_time_is_accounted(rig)


# Meters.


def test_what_a_meter_counted_is_measured_to_the_joule(rig: AccountRig) -> None:
    rig.tick()
    rig.observe()
    rig.watch(150, 5, doing=lambda: rig.meter(500.0, whole=True))
    measured = joules(rig, label="measured")
    settled = rig.runner().settled_until
    left = [row for row in rig.rows(EnergyRow) if row.ended_at > settled]
    counted = sum(row.joules for row in left) + measured
    # The first count says from when on.
    assert counted == pytest.approx(500.0 * 29, rel=1e-6)
    assert measured > 0 and len(left) < 15
    assert total(rig, "matins_runner_energy_joules", runner="local", source="measured") == pytest.approx(measured)
    all_time_is_accounted(rig)


def test_a_meter_that_fell_silent_is_replaced_by_what_is_configured(rig: AccountRig) -> None:
    rig.tick()
    rig.observe()
    rig.watch(100, doing=lambda: rig.meter(2000.0, whole=True))
    rig.watch(200)
    settle_now(rig)
    assert joules(rig, label="configured", phase="idle") > 36 * 100
    assert rig.rows(EnergyRow) == []


# From before there were accounts.


def test_attempts_that_ended_before_anybody_watched_cost_nothing_and_are_done_with(rig: AccountRig) -> None:
    one, attempt = launched(rig)
    rig.run()
    with rig.store.writing() as session:
        for table in (CostRow, SpanRow, WatchRow):
            session.execute(delete(table))
        session.execute(update(AttemptRow).values(costed=False))
        session.execute(update(RunnerRow).values(settled_until=None))
    rig.clock.advance(86400)
    rig.watch(200)
    assert rig.attempt(attempt).costed
    assert charged(rig, episode_id=one) == {}
    assert set(charged(rig)) == {"idle"}
    all_time_is_accounted(rig)


def test_one_that_lived_when_accounts_began_pays_from_then_on(rig: AccountRig) -> None:
    one, attempt = launched(rig)
    with rig.store.writing() as session:
        for table in (CostRow, SpanRow, WatchRow):
            session.execute(delete(table))
        session.execute(update(RunnerRow).values(settled_until=None))
    rig.clock.advance(3600)
    rig.watch(100)
    over(rig)
    assert 60 <= sum(charged(rig, episode_id=one).values()) <= 300
    assert rig.attempt(attempt).costed
