"""/metrics of a service with a history: the same from either database, by their indices, and as promtool wants it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from orchestrator.accounting.additions import Additions
from orchestrator.accounting.counting import EndedWake, count_wake
from orchestrator.service.rollup import roll_up
from orchestrator.service.services import Services
from orchestrator.settings import Settings
from orchestrator.store.account_tables import SpanRow, WatchRow
from orchestrator.store.engine import Store, open_store
from orchestrator.store.rollup import uncounted
from orchestrator.store.scrape import Memory, changed_since, newest_change, present
from orchestrator.store.tables import EpisodeRow
from orchestrator.store.totals import add_total, write
from orchestrator.web.metrics import Page
from tests.components import need
from tests.unit.planning.builders import NOW
from tests.unit.service.parts import Bell, Clock
from tests.unit.store.rows import campaign_row, fresh_store, runner_row

SMOKE = {
    "result": "ok",
    "tokens": 256.0,
    "seconds": 5.0,
    "gate_held_s": 9.0,
    "gate_waits_s": [0.2, 40.0],
    "dispatches": {"shader": [[0, 2, *[0] * 14], 3e-6]},
    "slowest_s": {"shader": 2e-6},
}


@dataclass(frozen=True)
class Served:
    services: Services
    page: Page


def served(store: Store, home: Path) -> Served:
    """A history that was counted in three batches, and a present."""
    services = Services(
        settings=Settings(home=home, metrics_cache_s=0),
        store=store,
        doorbell=Bell(),
        link=lambda _: pytest.fail("no runner is asked"),
        now=Clock(),
    )
    with store.writing() as session:
        session.add_all(episode(number) for number in range(5))
        session.add(episode(9, phase="QUEUED", ended_at=None, started_at=None))
        session.add(WatchRow(at=NOW, ticks=3))
        session.add(SpanRow(runner="local", state="idle", draw="awake", started_at=NOW - timedelta(seconds=30)))
        additions = Additions()
        count_wake(additions, EndedWake(runner="local", ready=True, stages=[("tcp", 3.0)]))
        write(session, additions)
        add_total(session, "matins_waste_usd", {"reason": "wake-failed"}, 0.25)
    while roll_up(services, 2):
        pass
    return Served(services=services, page=Page(services))


def episode(number: int, **changes: Any) -> EpisodeRow:
    moments = dict.fromkeys(("phase_since", "submitted_at", "started_at"), NOW - timedelta(hours=1))
    result = {
        "valid": True,
        "tok_s": 20.0 + number,
        "smoke": SMOKE,
        "items": {"done": 1},
        "agent_tokens": {"prompt": 7},
    }
    row = {"phase": "DONE", "ended_at": NOW + timedelta(seconds=number), "runner": "local", **moments, **changes}
    return EpisodeRow(id=f"e{number}", campaign_id="c1", kind="episode", agent='an "agent"', result=result, **row)


@pytest.fixture
def on_postgresql(database: str, tmp_path: Path) -> Served:
    store = open_store(database)
    with store.writing() as session:
        session.add(campaign_row())
        session.add(runner_row())
    return served(store, tmp_path)


def test_both_databases_give_the_same_page_and_promtool_finds_nothing_wrong_with_it(
    on_postgresql: Served, tmp_path: Path
) -> None:
    need("promtool")
    on_sqlite = served(fresh_store(tmp_path), tmp_path)

    for openmetrics in (False, True):
        pages = [where.page.read(openmetrics=openmetrics).splitlines() for where in (on_postgresql, on_sqlite)]
        mine, theirs = ([line for line in page if not line.startswith(b"matins_home_free")] for page in pages)
        assert mine == theirs
    assert b'matins_signals_total{agent="an \\"agent\\"",campaign="decode"} 5.0' in mine
    assert b'matins_runner_state_seconds_total{runner="local",state="idle"} 30.0' in mine

    text = on_postgresql.page.read(openmetrics=False)
    found = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=150, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


def test_postgresql_can_answer_each_query_of_a_scrape_and_of_counting_by_an_index(on_postgresql: Served) -> None:
    """With few rows it would rather read them all, so it is told not to where there is another way."""
    asked: list[tuple[str, Any]] = []
    with on_postgresql.services.store.reading() as session:
        connection = session.connection()
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
        present(session, Memory())
        changed_since(session, newest_change(session) - 1)
        uncounted(session, 10)
        plans = [
            line
            for statement, parameters in tuple(asked)
            for (line,) in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).all()
        ]
    many = ("episode", "attempt", "wake", "outbox", "event", "total", "histogram", "gauge")
    scanned = {table for table in many for line in plans if f"Seq Scan on {table} " in line}
    assert scanned == set()
    assert any("episode_uncounted" in line for line in plans) and any("outbox_uncounted" in line for line in plans)
