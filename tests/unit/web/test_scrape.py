"""Scrapes of a service that lives: counters never fall, what is known is there at 0, what is old is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, delete, event, text, update

from orchestrator.domain.health import Finding
from orchestrator.domain.runner import SHOWN_STATES
from orchestrator.settings import Settings
from orchestrator.store.account_tables import GaugeRow, HistogramRow, TotalRow
from orchestrator.store.changes import ask_again
from orchestrator.store.engine import Store
from orchestrator.store.health import move_health
from orchestrator.store.scrape import Memory, changed_since, present
from orchestrator.store.tables import (
    AcceptanceRow,
    AttemptRow,
    CampaignRow,
    ChunkRow,
    EpisodeRow,
    EventRow,
    OutboxRow,
    RunnerRow,
)
from orchestrator.store.totals import add_total
from orchestrator.web.app import create_app
from orchestrator.web.known import INVALID, RESULTS, WASTE
from orchestrator.web.metrics import Page
from tests.unit.service.rig import Rig
from tests.unit.web.conftest import TOKEN


def families(client: TestClient) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}


def samples(client: TestClient, name: str) -> dict[tuple[str, ...], float]:
    """By the values of their labels in the order of their names."""
    found = (sample for family in families(client).values() for sample in family.samples if sample.name == name)
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in found}


def counters(client: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(client).values()
        if family.type in ("counter", "histogram")
        for sample in family.samples
    }


def test_no_counter_falls_whatever_happens(rig: Rig, stranger: TestClient) -> None:
    """Over episodes that run, a runner that is lost, a restart, hours in which nobody looked, and rows that go."""
    seen: dict[Any, float] = {}

    def look(client: TestClient = stranger) -> None:
        now = counters(client)
        fell = {
            series: (before, now.get(series)) for series, before in seen.items() if not now.get(series, -1) >= before
        }
        assert fell == {}
        seen.update(now)

    look()
    rig.submit_accepted("replay:doer", "replay:crasher")
    for _ in range(6):
        rig.beat(2)
        look()
        rig.work()
    rig.run()
    look()
    rig.cut()
    rig.beat(70)
    look()
    rig.restart()
    rig.clock.advance(7200)
    look(TestClient(create_app(rig.services, TOKEN)))
    rig.beat()
    look()
    with rig.store.writing() as session:
        session.execute(text("PRAGMA defer_foreign_keys=ON"))
        for table in (EventRow, AcceptanceRow, ChunkRow, OutboxRow, AttemptRow, EpisodeRow, CampaignRow):
            session.execute(delete(table))
    look()
    look(TestClient(create_app(rig.services, TOKEN)))
    assert seen["matins_signals_total", (("agent", "replay:doer"), ("campaign", "toy"))] == 1


def test_what_is_known_is_there_at_0_before_the_first_event(rig: Rig, stranger: TestClient) -> None:
    rig.submit()
    assert samples(stranger, "matins_episodes_total") == {("replay:doer", "toy", result): 0 for result in RESULTS}
    assert samples(stranger, "matins_signals_total") == {("replay:doer", "toy"): 0}
    assert samples(stranger, "matins_invalid_total") == {("toy", reason): 0 for reason in INVALID}
    assert samples(stranger, "matins_waste_usd_total") == {(reason,): 0 for reason in WASTE}
    spent = samples(stranger, "matins_cost_usd_total")
    assert spent == {(agent, kind): 0 for agent in ("", "replay:doer") for kind in KINDS}
    assert samples(stranger, "matins_runner_energy_joules_total") == {
        ("local", "estimated"): 0,
        ("local", "measured"): 0,
    }
    states = samples(stranger, "matins_runner_state_seconds_total")
    assert states == {("local", state): 0 for state in SHOWN_STATES}
    assert samples(stranger, "matins_gpu_dispatch_duration_seconds_count").keys() == {
        (kind, "local") for kind in ("bubble", "shader", "submit")
    }
    assert samples(stranger, "matins_wake_attempts_total") == {}, "it cannot be woken"
    assert samples(stranger, "matins_notifications_total")["runner-quarantined", "sent"] == 0


KINDS = ("hardware", "energy", "idle", "wake", "tokens")


def test_the_open_state_counts_up_to_the_last_look_at_the_machines(rig: Rig, stranger: TestClient) -> None:
    def seconds() -> float:
        return sum(samples(stranger, "matins_runner_state_seconds_total").values())

    rig.beat()
    before, ticks = seconds(), samples(stranger, "matins_ticks_total")[()]
    rig.clock.advance(30)
    assert seconds() == before, "nobody has looked since"
    rig.beat(1)
    assert seconds() == before + 31
    assert samples(stranger, "matins_ticks_total")[()] > ticks
    assert samples(stranger, "matins_last_tick_timestamp_seconds")[()] == rig.clock().timestamp()


def test_readings_are_shown_while_they_are_fresh(rig: Rig, stranger: TestClient) -> None:
    gpus = [{"gpu": "card0", "clock_hz": 2.4e9, "power_w": 303.5, "temperature_c": None}]
    told = {"at": "", "gpus": gpus, "power_w": 350.0, "load1": 0.0, "disk_free_bytes": 5, "disk_size_bytes": 10}
    with rig.store.writing() as session:
        session.execute(update(RunnerRow).values(readings=told, readings_at=rig.clock()))
    assert samples(stranger, "matins_gpu_clock_hertz") == {("card0", "local"): 2.4e9}
    assert samples(stranger, "matins_gpu_power_watts") == {("card0", "local"): 303.5}
    assert samples(stranger, "matins_gpu_temperature_celsius") == {}
    assert samples(stranger, "matins_runner_load1") == {("local",): 0.0}
    assert samples(stranger, "matins_runner_disk_free_bytes") == {("local",): 5}
    rig.clock.advance(121)
    names = ("gpu_clock_hertz", "runner_power_watts", "runner_disk_size_bytes", "runner_readings_timestamp_seconds")
    assert [samples(stranger, f"matins_{name}") for name in names] == [{}] * len(names)


@pytest.mark.parametrize(
    ("finding", "reason"),
    [
        (Finding.DRIFTED, "drifted"),
        (Finding.WAKES_FAILED, "wakes-failed"),
        (Finding.FAILED, "canary-failed"),
        (Finding.BROKE_DOWN, "canary-failed"),
    ],
)
def test_a_quarantine_has_one_reason_of_a_closed_list(
    rig: Rig, stranger: TestClient, finding: Finding, reason: str
) -> None:
    assert set(samples(stranger, "matins_runner_quarantined").values()) == {0}
    with rig.store.writing() as session:
        move_health(session, "local", finding, "it did", rig.clock())
    shown = samples(stranger, "matins_runner_quarantined")
    assert {why for (why, _), value in shown.items() if value} == {reason}
    assert samples(stranger, "matins_runner_health")["quarantined", "local"] == 1
    rig.take_back()
    assert set(samples(stranger, "matins_runner_quarantined").values()) == {0}


def test_acts_that_are_due_are_counted_by_kind_also_those_that_are_asked_for_again(
    rig: Rig, stranger: TestClient
) -> None:
    rig.submit_accepted()
    rig.tick()
    while not any(act.kind == "launch" for act in rig.rows(OutboxRow)):
        rig.answer_one()
    rig.clock.advance(5)
    assert samples(stranger, "matins_acts_pending")[("launch",)] == 1
    assert samples(stranger, "matins_act_oldest_age_seconds")[("launch",)] >= 5
    assert samples(stranger, "matins_acts_pending")[("collect",)] == 0
    rig.run()
    rig.tick()
    assert samples(stranger, "matins_acts_pending")[("acknowledge",)] == 0
    (attempt,) = rig.rows(AttemptRow)
    with rig.store.writing() as session:
        assert ask_again(session, "acknowledge", attempt.id, now=rig.clock())
    assert samples(stranger, "matins_acts_pending")[("acknowledge",)] == 1


def test_a_speed_is_shown_for_a_week(rig: Rig, stranger: TestClient) -> None:
    rig.submit_accepted()
    rig.run()
    rig.tick()
    assert samples(stranger, "matins_smoke_last_tokens_per_second").keys() == {("toy", "local")}
    rig.clock.advance(timedelta(days=8).total_seconds())
    assert samples(stranger, "matins_smoke_last_tokens_per_second") == {}


def test_several_scrapes_within_the_cache_are_one_look(rig: Rig) -> None:
    settings = Settings(home=rig.home, metrics_cache_s=5)
    client = TestClient(create_app(replace(rig.services, settings=settings), TOKEN))
    before = client.get("/metrics").text
    rig.submit()
    rig.clock.advance(4)
    assert client.get("/metrics").text == before
    rig.clock.advance(1)
    assert samples(client, "matins_episodes_queued")[("episode",)] == 1
    rig.clock.advance(-3600)
    assert samples(client, "matins_exporter_refresh_timestamp_seconds")[()] == rig.clock().timestamp()


class Beats:
    """Time that passes while somebody waits, so many times."""

    def __init__(self, rig: Rig, count: int) -> None:
        self.rig = rig
        self.left = count

    def wait(self, timeout: float) -> bool:
        self.left -= 1
        self.rig.clock.advance(timeout)
        return self.left < 0


def test_while_somebody_scrapes_the_next_look_is_made_ahead_and_after_that_none(rig: Rig) -> None:
    def queued() -> float:
        lines = page.read(openmetrics=False).decode().splitlines()
        return next(
            float(line.split()[-1]) for line in lines if line.startswith('matins_episodes_queued{queue="episode"')
        )

    page = Page(replace(rig.services, settings=Settings(home=rig.home, metrics_cache_s=5)))
    assert queued() == 0
    rig.submit()
    page.ahead(Beats(rig, 1))
    rig.submit()
    assert queued() == 1, "what was seen ahead, though more have come"
    page.ahead(Beats(rig, 100))
    rig.submit()
    assert queued() == 3, "nobody had scraped for long, so this one looks for itself"


def test_a_database_that_is_away_is_said_and_nothing_else(rig: Rig, told: list[Any]) -> None:
    away = Store(create_engine("postgresql+psycopg://matins@127.0.0.1:1/matins"))
    client = TestClient(create_app(replace(rig.services, store=away), TOKEN))
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert [line for line in answer.text.splitlines() if not line.startswith("#")] == [
        "matins_exporter_refresh_success 0.0"
    ]
    assert [entry["event"] for entry in told] == ["metrics-refresh-failed"]


def test_a_database_brought_back_from_a_copy_is_read_anew(rig: Rig, stranger: TestClient) -> None:
    with rig.store.writing() as session:
        add_total(session, "matins_waste_usd", {"reason": "wake-failed"}, 2)
    with rig.store.writing() as session:
        add_total(session, "matins_waste_usd", {"reason": "wake-failed"}, 3)
    assert samples(stranger, "matins_waste_usd_total")[("wake-failed",)] == 5
    with rig.store.writing() as session:
        session.execute(update(TotalRow).where(TotalRow.metric == "matins_waste_usd").values(value=2, changed=1))
        session.execute(delete(HistogramRow))
    assert samples(stranger, "matins_waste_usd_total")[("wake-failed",)] == 2


def test_series_of_another_version_in_the_same_database_are_left_out(rig: Rig, stranger: TestClient) -> None:
    with rig.store.writing() as session:
        add_total(session, "matins_of_tomorrow", {"x": "y"}, 2)
        session.add(
            HistogramRow(
                metric="matins_gpu_gate_wait_seconds", labels="{}", counts=[1], total=1, exemplars={}, changed=9
            )
        )
        session.add(GaugeRow(metric="matins_of_yesterday", labels="{}", value=1, at=rig.clock()))
    assert samples(stranger, "matins_gpu_gate_wait_seconds_count") == {(): 0}
    assert "tomorrow" not in stranger.get("/metrics").text and "yesterday" not in stranger.get("/metrics").text


def test_no_query_of_a_scrape_goes_through_what_has_ended(rig: Rig) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    rig.submit_accepted()
    rig.run()
    with rig.store.writing() as session:
        move_health(session, "local", Finding.FAILED, "it did", rig.clock())
    with rig.store.reading() as session:
        event.listen(session.connection(), "before_cursor_execute", note)
        present(session, Memory())
        changed_since(session, 0)
        number = changed_since(session, 1).up_to
        changed_since(session, number - 1)
        plans = [
            row[3]
            for statement, parameters in tuple(asked)
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        ]
    many = ("episode", "attempt", "outbox", "event", "runner_event", "wake", "chunk", "cost")
    scans = [plan for plan in plans if plan.startswith("SCAN") and plan.split()[1] in many]
    assert scans == []
    assert any("USING INDEX ix_episode_phase" in plan for plan in plans)
    assert any("USING INDEX outbox_uncounted" in plan for plan in plans)
