"""Whatever becomes of reports, a joule that was counted is in the accounts once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

from orchestrator.store.account_tables import CostRow, EnergyRow
from orchestrator.store.engine import Store
from orchestrator.store.meters import clock_ahead, record_meters, to_meter
from orchestrator.store.settling import settle_runner
from orchestrator.store.spans import watch
from orchestrator.store.tables import RunnerRow
from runner_agent.protocol import Meter, Readings, Report
from tests.unit.planning.builders import NOW
from tests.unit.store.rows import fresh_store

STEP_S = 4.0
RATE_W = (100.0, 30.0, 250.0, 0.0, 75.5)


def at(step: int) -> datetime:
    return NOW + timedelta(seconds=STEP_S * step)


def counted(step: int) -> float:
    """What the meter has counted by then."""
    return sum(RATE_W[each % len(RATE_W)] * STEP_S for each in range(step))


def report(step: int, ahead: timedelta = timedelta(), epoch: str = "m1") -> Report:
    told = (at(step) + ahead).isoformat()
    meter = Meter(epoch=epoch, at=told, joules={"plug": counted(step)}, covered_s=STEP_S * step, whole=True)
    return Report(boot_id="boot-1", at=told, attempts=(), chunks=(), meter=meter)


def take(session: Session, said: Report, now: datetime) -> RunnerRow:
    row = session.get_one(RunnerRow, "local")
    record_meters(session, row, said, now)
    row.last_seen = now
    session.add(row)
    session.flush()
    return row


def kept(session: Session) -> float:
    """In the ledger and still to come, joules."""
    row = session.get_one(RunnerRow, "local")
    paid = sum(line.joules for line in session.exec(select(CostRow)) if line.label == "measured")
    return paid + sum(left(each, row.settled_until) for each in session.exec(select(EnergyRow)))


def left(row: EnergyRow, settled: datetime | None) -> float:
    if settled is None or settled <= row.started_at:
        return row.joules
    return row.joules * max(0.0, (row.ended_at - settled) / (row.ended_at - row.started_at))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return fresh_store(tmp_path)


fates = st.lists(st.sampled_from(("comes", "twice", "is lost", "is overtaken")), min_size=2, max_size=9)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fates=fates, settled=st.sets(st.integers(0, 9)), ahead_s=st.sampled_from((0, -7200, 86400)))
def test_reports_that_are_doubled_lost_or_late_change_nothing_in_the_sum(
    store: Store, fates: list[str], settled: set[int], ahead_s: int
) -> None:
    ahead = timedelta(seconds=ahead_s)
    with Session(store.engine) as session:  # nothing of it is committed
        watch(session, NOW, timedelta(seconds=60))
        take(session, report(0, ahead), NOW)
        late: list[Report] = []
        for step, fate in enumerate([*fates, "comes"], start=1):
            watch(session, at(step), timedelta(seconds=60))
            said = report(step, ahead)
            late += [said] if fate == "is overtaken" else []
            for each in {"comes": [said, *late], "twice": [said, said]}.get(fate, []):
                # What is late is recorded with the answer that it came in.
                take(session, replace(each, at=said.at), at(step))
            if step in settled:
                settle_runner(session, "local")
        assert kept(session) == pytest.approx(counted(len(fates) + 1))


def test_intervals_that_follow_each_other_are_one_row_until_it_is_long(store: Store) -> None:
    with store.writing() as session:
        for step in range(10):
            take(session, report(step), at(step))
        rows = session.exec(select(EnergyRow).order_by("started_at")).all()
        assert [(row.ended_at - row.started_at).total_seconds() for row in rows] == [12, 12, 12]


def test_a_count_that_began_anew_counts_from_there(store: Store) -> None:
    with store.writing() as session:
        for step, epoch in enumerate(("m1", "m1", "m2")):
            take(session, report(step, epoch=epoch), at(step))
        row = take(session, report(3, epoch="m2"), at(3))
        assert kept(session) == pytest.approx(counted(1) + counted(3) - counted(2))
        meter = to_meter(row)
        assert meter is not None and meter.epoch == "m2"


def test_clocks_that_nearly_agree_are_taken_to(store: Store) -> None:
    with store.writing() as session:
        assert clock_ahead(take(session, report(1, timedelta(seconds=4)), at(1))) == timedelta()
        assert clock_ahead(take(session, report(2, timedelta(seconds=40)), at(2))) == timedelta(seconds=40)


@pytest.mark.parametrize(("said_s", "ahead_s"), [(1.0, 0), (12.0, 0), (29.0, 0), (-20.0, -20), (50.0, 20)])
def test_a_report_that_was_under_way_for_long_says_nothing_against_a_clock(
    store: Store, said_s: float, ahead_s: float
) -> None:
    with store.writing() as session:
        row = session.get_one(RunnerRow, "local")
        said = replace(report(0), at=(NOW + timedelta(seconds=said_s)).isoformat())
        record_meters(session, row, said, NOW + timedelta(seconds=30), asked_at=NOW)
        assert clock_ahead(row) == timedelta(seconds=ahead_s)


def test_an_older_agent_tells_nothing_and_what_is_known_stays(store: Store) -> None:
    with store.writing() as session:
        readings = Readings(at=at(1).isoformat(), power_w=70.0)
        take(session, replace(report(1), readings=readings), at(1))
        row = take(session, replace(report(2), meter=None, readings=None), at(2))
        assert to_meter(row) == report(1).meter
        assert (row.readings or {})["power_w"] == 70.0
        assert row.readings_at == at(1)


@pytest.mark.parametrize("joules", [float("inf"), float("nan")])
def test_what_no_database_can_keep_is_left_out(store: Store, joules: float) -> None:
    with store.writing() as session:
        take(session, report(1), at(1))
        said = report(2)
        assert said.meter is not None
        row = take(session, replace(said, meter=replace(said.meter, joules={"plug": joules})), at(2))
        assert to_meter(row) == report(1).meter


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-03-01T12:00:00"])
def test_a_moment_that_is_none_moves_no_clock(store: Store, moment: str) -> None:
    with store.writing() as session:
        take(session, report(1), at(1))
        said = report(2)
        assert said.meter is not None
        row = take(session, replace(said, at=moment, meter=replace(said.meter, at=moment)), at(2))
        assert clock_ahead(row) == timedelta()
        assert to_meter(row) == report(1).meter
        assert kept(session) == 0
