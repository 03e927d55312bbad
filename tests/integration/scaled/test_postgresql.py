"""The store on a real PostgreSQL: writers in line, snapshots, migrations by many at once, and nothing that waits for
ever."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel, select, text

from orchestrator.domain.actions import Assign
from orchestrator.errors import BadInput, Unavailable
from orchestrator.store.asking import ask
from orchestrator.store.changes import request_act
from orchestrator.store.commit import commit
from orchestrator.store.engine import Store, open_store
from orchestrator.store.outbox import claim
from orchestrator.store.record import record_report
from orchestrator.store.tables import AttemptRow, ChunkRow, EpisodeRow, OutboxRow, RunnerRow
from runner_agent.protocol import Chunk, Report
from tests.servers import PASSWORD, PostgreSQL
from tests.unit.planning.builders import NOW
from tests.unit.service.rig import runner_row
from tests.unit.store.rows import add_episode, campaign_row

MANY = 8


@pytest.fixture
def store(database: str) -> Store:
    return open_store(database)


def populate(store: Store, *, slots: int, episodes: int) -> None:
    with store.writing() as session:
        session.add_all([campaign_row(), runner_row("local", slots)])
    for place in range(episodes):
        add_episode(store, f"e{place}")


def launched(store: Store) -> int:
    """The id of the act `launch` of an attempt a1."""
    populate(store, slots=1, episodes=1)
    with store.writing() as session:
        session.add(AttemptRow(id="a1", episode_id="e0", runner="local", fence=1, created_at=NOW))
        session.flush()
        request_act(session, "launch", "a1", now=NOW)
        act_id = session.exec(select(OutboxRow.id)).one()
    assert act_id is not None
    return act_id


def at_once(work: Callable[[int], object]) -> list[object]:
    """What each of MANY threads got, all let go at the same moment."""
    gate = threading.Barrier(MANY)

    def run(place: int) -> object:
        gate.wait(150)
        return work(place)

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(run, range(MANY)))


def test_migrating_gives_the_declared_schema(store: Store) -> None:
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_processes_that_start_at_once_migrate_once(postgresql: PostgreSQL) -> None:
    url = postgresql.create(f"fresh-{uuid4().hex[:8]}")
    stores = at_once(lambda _: open_store(url))
    assert all(isinstance(one, Store) for one in stores)


@pytest.mark.fault(13)
def test_ticks_at_once_do_not_fill_a_runner_over_its_slots(store: Store) -> None:
    populate(store, slots=3, episodes=MANY)

    def assign(place: int) -> bool:
        with store.writing() as session:
            return commit(session, Assign(episode_id=f"e{place}", runner="local"), NOW)

    assert sorted(map(bool, at_once(assign))) == [False] * (MANY - 3) + [True] * 3
    with store.reading() as session:
        assert len([row for row in session.exec(select(EpisodeRow)).all() if row.runner == "local"]) == 3


@pytest.mark.fault(12)
def test_one_of_many_that_hear_the_same_ring_gets_the_act(store: Store) -> None:
    act_id = launched(store)

    def take(_place: int) -> object:
        with store.writing() as session:
            return claim(session, act_id, NOW, 60)

    assert len([act for act in at_once(take) if act is not None]) == 1


def test_reports_of_the_same_bytes_at_once_keep_them_once(store: Store) -> None:
    launched(store)
    lines = b'{"seq": 1, "at": "2026-03-01T12:00:00Z", "event": "attempt-started"}\n'
    chunk = Chunk(attempt_id="a1", stream="events.jsonl", offset=0, data=base64.b64encode(lines).decode())
    report = Report(boot_id="boot", at="2026-03-01T12:00:00Z", attempts=(), chunks=(chunk,))

    with store.reading() as session:
        asked = ask(session, "local")

    def record(_place: int) -> object:
        with store.writing() as session:
            return record_report(session, "local", report, asked, NOW)

    at_once(record)
    with store.reading() as session:
        assert [row.length for row in session.exec(select(ChunkRow)).all()] == [len(lines)]


def test_a_reader_sees_one_moment(store: Store) -> None:
    with store.reading() as session:
        assert session.exec(select(RunnerRow)).all() == []
        with store.writing() as other:
            other.add(runner_row("local", 1))
        assert session.exec(select(RunnerRow)).all() == []
    with store.reading() as session:
        assert len(session.exec(select(RunnerRow)).all()) == 1


@pytest.mark.fault(10)
def test_a_writer_that_stands_still_is_cut_off_and_writes_nothing(store: Store) -> None:
    with pytest.raises(Unavailable), store.writing() as stopped:
        stopped.add(runner_row("of-the-stopped", 1))
        stopped.flush()
        with store.writing() as session:  # waits until the server has ended the other's session
            session.add(runner_row("of-the-living", 1))
        stopped.exec(select(RunnerRow)).all()
    with store.reading() as session:
        assert [row.name for row in session.exec(select(RunnerRow)).all()] == ["of-the-living"]


@pytest.mark.fault(15)
def test_a_server_that_does_not_answer_or_is_gone_is_an_error_within_seconds(
    store: Store, database: str, postgresql: PostgreSQL
) -> None:
    def question() -> None:
        with store.reading() as session:
            session.execute(text("SELECT 1"))

    question()
    postgresql.freeze()
    try:
        with pytest.raises(Unavailable):
            question()
    finally:
        postgresql.thaw()
    question()
    postgresql.kill()
    try:
        with pytest.raises(Unavailable, match="cannot be used now") as refused:
            question()
        with pytest.raises(BadInput, match="cannot be used: ") as refused_at_start:
            open_store(database)
    finally:
        postgresql.start()
    question()
    assert PASSWORD not in refused.value.message + refused_at_start.value.message
