"""Roll-ups: each thing that ended is counted once, whoever counts, and what was counted stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, event, text
from sqlmodel import Session, col, select

from orchestrator.accounting.additions import Additions
from orchestrator.accounting.histogram import SECONDS
from orchestrator.service.rollup import added_by, roll_up
from orchestrator.store.account_tables import GaugeRow, HistogramRow, TotalRow
from orchestrator.store.engine import Store
from orchestrator.store.rollup import mark_counted, uncounted
from orchestrator.store.tables import AcceptanceRow, AttemptRow, CampaignRow, ChunkRow, EpisodeRow, EventRow, OutboxRow
from orchestrator.store.totals import add_total, write
from tests.unit.planning.builders import NOW
from tests.unit.service.rig import Rig
from tests.unit.store.rows import campaign_row, fresh_store


def totals(session: Session) -> dict[tuple[str, str], float]:
    return {(row.metric, row.labels): row.value for row in session.exec(select(TotalRow)).all()}


def counted(store: Store) -> list[Any]:
    """The roll-ups of what has ended: time and money of machines go on."""
    goes_on = ("matins_cost_usd", "matins_waste_usd", "matins_runner_energy_joules", "matins_runner_state_seconds")
    with store.reading() as session:
        tables: list[Any] = [TotalRow, HistogramRow, GaugeRow]
        rows = [row.model_dump() for table in tables for row in session.exec(select(table)).all()]
    return [row for row in rows if row["metric"] not in goes_on]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return fresh_store(tmp_path)


def ended(number: int, **changes: Any) -> EpisodeRow:
    times = {
        name: NOW + timedelta(seconds=number) for name in ("phase_since", "submitted_at", "started_at", "ended_at")
    }
    row = {"campaign_id": "c1", "kind": "episode", "agent": "a", "phase": "DONE", "runner": "local", **times}
    result = {"valid": True, "tok_s": 10.0 + number, "smoke": SMOKE}
    return EpisodeRow(id=f"e{number}", **{**row, "result": result, **changes})


SMOKE = {
    "result": "ok",
    "tokens": 5.0,
    "seconds": 1.0,
    "gate_held_s": 2.0,
    "gate_waits_s": [0.2],
    "dispatches": {"shader": [[0, 2, *[0] * 14], 3e-6]},
    "slowest_s": {"shader": 2e-6},
}


def test_an_episode_is_counted_once_however_often_anyone_looks(rig: Rig) -> None:
    rig.submit_accepted()
    rig.run()
    before = counted(rig.store)
    assert roll_up(rig.services) == 0
    rig.restart()
    rig.beat()
    assert [row for row in counted(rig.store) if row not in before] == []
    with rig.store.reading() as session:
        assert totals(session)["matins_signals", '{"agent":"replay:doer","campaign":"toy"}'] == 1


def test_of_two_that_count_the_same_rows_one_writes(rig: Rig) -> None:
    with rig.store.writing() as session:
        session.add(campaign_row())
        session.flush()
        session.add(ended(1))
    with rig.store.reading() as session:
        slow = uncounted(session, 10)
    assert roll_up(rig.services) == 1
    with rig.store.writing() as session:
        assert not mark_counted(session, slow)
    with rig.store.reading() as session:
        assert totals(session)["matins_gpu_busy_seconds", '{"runner":"local"}'] == 2.0


def test_more_rows_than_one_transaction_takes_are_counted_by_the_ticks_that_it_rings_for(rig: Rig) -> None:
    with rig.store.writing() as session:
        session.add(campaign_row())
        session.flush()
        session.add_all(ended(number) for number in range(3))
    assert roll_up(rig.services, 2) == 2
    assert rig.bell.rung == [("tick", None)]
    rig.answer()
    with rig.store.reading() as session:
        assert totals(session)["matins_episodes", '{"agent":"a","campaign":"decode","result":"valid"}'] == 3
        assert session.exec(select(EpisodeRow).where(~col(EpisodeRow.counted))).all() == []


def test_rows_that_are_deleted_after_they_were_counted_lower_nothing(rig: Rig) -> None:
    rig.submit_accepted(count=2)
    rig.run()
    before = counted(rig.store)
    with rig.store.writing() as session:
        session.execute(text("PRAGMA defer_foreign_keys=ON"))
        for table in (EventRow, AcceptanceRow, ChunkRow, OutboxRow, AttemptRow, EpisodeRow, CampaignRow):
            session.execute(delete(table))
    rig.tick()
    after = counted(rig.store)
    assert [row for row in before if row not in after] == []


def test_what_has_not_ended_is_not_counted(store: Store) -> None:
    with store.writing() as session:
        session.add(ended(1, phase="RUNNING", ended_at=None))
        session.add(OutboxRow(kind="collect", created_at=NOW, not_before=NOW))
    with store.reading() as session:
        batch = uncounted(session, 10)
    assert (batch.ids["episode"], batch.ids["outbox"]) == ([], [])


def test_a_retry_has_the_reason_of_the_attempt_before_it_and_a_pull_that_was_given_up_is_none(store: Store) -> None:
    with store.writing() as session:
        session.add(ended(1))
        session.flush()
        session.add_all(
            AttemptRow(id=f"a{fence}", episode_id="e1", runner="local", fence=fence, created_at=NOW, **how)
            for fence, how in enumerate(
                (
                    {"ended": "artifacts-lost", "failure": "artifacts-lost", "ended_at": NOW + timedelta(seconds=9)},
                    {"ended": "runner-lost", "ended_at": NOW},
                    {"ended": "completed", "ended_at": NOW + timedelta(seconds=9)},
                ),
                start=1,
            )
        )
        session.flush()
        session.add_all(
            OutboxRow(
                kind="collect",
                attempt_id=f"a{fence}",
                created_at=NOW,
                not_before=NOW,
                tries=tries,
                done_at=NOW + timedelta(seconds=5),
            )
            for fence, tries in ((1, 6), (2, 1), (3, 2))
        )
    with store.reading() as session:
        added = added_by(uncounted(session, 10))
    assert added.totals[("matins_episode_retries", (("reason", "artifacts-lost"),))] == 1
    assert added.totals[("matins_episode_retries", (("reason", "runner-lost"),))] == 1
    assert added.totals[("matins_artifact_pulls", (("result", "ok"),))] == 1
    assert added.totals[("matins_artifact_pulls", (("result", "failed"),))] == 6 + 0 + 1


def test_the_newest_episode_says_how_fast_a_runner_is_in_whatever_order_they_are_counted(store: Store) -> None:
    for number in (2, 1):
        with store.writing() as session:
            session.add(ended(number))
            session.flush()
            batch = uncounted(session, 10)
            assert mark_counted(session, batch)
            write(session, added_by(batch))
    with store.reading() as session:
        gauge = session.get_one(
            GaugeRow, ("matins_smoke_last_tokens_per_second", '{"campaign":"decode","runner":"local"}')
        )
        assert gauge.value == 12.0


def test_histograms_add_up_and_name_the_newest_episode_of_a_bucket(store: Store) -> None:
    for number in (1, 2):
        with store.writing() as session:
            session.add(ended(number))
            session.flush()
            batch = uncounted(session, 10)
            assert mark_counted(session, batch)
            write(session, added_by(batch))
    with store.reading() as session:
        wait = session.get_one(HistogramRow, ("matins_gpu_gate_wait_seconds", "{}"))
        assert (wait.counts[1], wait.total) == (2, pytest.approx(0.4))
        assert wait.exemplars["1"][:2] == ["e2", 0.2]
        labels = '{"kind":"shader","runner":"local"}'
        shader = session.get_one(HistogramRow, ("matins_gpu_dispatch_duration_seconds", labels))
        assert (shader.counts[1], shader.exemplars["1"][:2]) == (4, ["e2", 2e-6])


def test_all_that_a_transaction_changes_has_one_number_above_all_before_and_zero_only_makes_known(store: Store) -> None:
    def changed() -> dict[str, int]:
        with store.reading() as session:
            return {row.metric: row.changed for row in session.exec(select(TotalRow)).all()}

    with store.writing() as session:
        add_total(session, "a", {}, 1)
        add_total(session, "b", {}, 0)
    first = changed()
    assert first["a"] == first["b"]
    with store.writing() as session:
        add_total(session, "b", {}, 0)
        add_total(session, "c", {"z": "1", "a": "2"}, 2)
        add_total(session, "c", {"a": "2", "z": "1"}, 3)
    second = changed()
    assert (second["b"], second["a"]) == (first["b"], first["a"])
    assert second["c"] > first["a"]
    with store.reading() as session:
        assert totals(session)["c", '{"a":"2","z":"1"}'] == 5


def test_a_counter_cannot_fall_and_a_histogram_keeps_its_buckets(store: Store) -> None:
    with store.writing() as session, pytest.raises(ValueError, match="cannot change by -1"):
        add_total(session, "a", {}, -1)
    with store.writing() as session, pytest.raises(ValueError, match="cannot change by nan"):
        add_total(session, "a", {}, float("nan"))
    first, other = Additions(), Additions()
    first.observe("h", {}, SECONDS, 1.0)
    other.observe("h", {}, SECONDS[:3], 1.0)
    with store.writing() as session:
        write(session, first)
    with pytest.raises(ValueError, match="zip"), store.writing() as session:
        write(session, other)


def test_a_verdict_that_cannot_be_read_holds_up_no_other_episode(rig: Rig, told: list[Any]) -> None:
    with rig.store.writing() as session:
        session.add(campaign_row())
        session.flush()
        session.add(ended(1, result={"valid": True, "smoke": {"tokens": "many"}}))
        session.add(ended(2, result={"valid": True, "smoke": {**SMOKE, "dispatches": {"shader": [[1, 2], 3.0]}}}))
        session.add(ended(3))
    assert roll_up(rig.services) == 3
    assert roll_up(rig.services) == 0
    with rig.store.reading() as session:
        assert totals(session)["matins_episodes", '{"agent":"a","campaign":"decode","result":"valid"}'] == 3
    assert [entry["episode"] for entry in told if entry["event"] == "episode-not-counted"] == ["e1", "e2"]


@pytest.mark.parametrize("table", ["episode", "attempt", "wake", "outbox"])
def test_looking_for_what_is_uncounted_never_scans_a_table(store: Store, table: str) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    with store.reading() as session:
        event.listen(session.connection(), "before_cursor_execute", note)
        uncounted(session, 10)
        plans = [
            row[3]
            for statement, parameters in tuple(asked)
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        ]
    assert any(f"USING INDEX {table}_uncounted" in plan for plan in plans)
    assert [plan for plan in plans if plan.startswith("SCAN") and "INDEX" not in plan] == []
