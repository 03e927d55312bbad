"""The migrations make exactly the tables that the code declares."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlmodel import SQLModel

from orchestrator.store.engine import migration_config, open_store
from orchestrator.store.fleet import load_fleet


def test_migrating_from_nothing_gives_the_declared_schema(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/a.sqlite3")
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


ROWS = (
    """INSERT INTO campaign VALUES ('c', 'k', 'n', '', '', '', '{}', '', '', '[]', 0, 'accepted', '', '2026-01-01')""",
    """INSERT INTO episode (id, campaign_id, kind, agent, phase, phase_since, submitted_at, priority, fence,
        cancel_requested, detail)
        VALUES ('e', 'c', 'episode', 'a', 'RUNNING', '2026-01-01', '2026-01-01', 0, 1, 0, '')""",
    """INSERT INTO runner (name, kind, power, operation, service, health, agent_slots, build_slots, tags, prices,
        observe_after, detail, link_errors, added_at)
        VALUES ('r', 'local', 'AWAKE', 'NONE', 'IN_SERVICE', 'UNKNOWN', 1, 1, '[]', '{}',
        '2026-01-01', '', '{}', '2026-01-01')""",
    """INSERT INTO attempt (id, episode_id, runner, fence, created_at, failure_detail)
        VALUES ('a', 'e', 'r', 1, '2026-01-01', '')""",
    """INSERT INTO outbox (kind, attempt_id, created_at, not_before, tries, error)
        VALUES ('launch', 'a', '2026-01-01', '2026-01-01', 0, '')""",
)
"""In every table that others refer to; as revision 0001 has them."""


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0005"])
def test_a_database_of_an_older_version_keeps_its_rows(tmp_path: Path, revision: str) -> None:
    file = tmp_path / "a.sqlite3"
    config = migration_config()
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for row in ROWS:
            connection.execute(text(row))
    engine.dispose()
    with open_store(f"sqlite:///{file}").reading() as session:
        fleet = load_fleet(session)
    assert [(runner.name, fleet.power["r"].by_wakes) for runner in fleet.runners] == [("r", False)]
    assert [(runner.devices, runner.canary_why, runner.canaried_at) for runner in fleet.runners] == [((), "", None)]
    assert [(attempt.requested, attempt.gpu) for attempt in fleet.attempts] == [(frozenset({"launch"}), "")]
    assert [(episode.pinned_runner, episode.pinned_gpu) for episode in fleet.episodes] == [("", "")]


def test_what_ended_before_there_were_messages_is_no_news(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite3"
    config = migration_config()
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for row in ROWS[:2]:
            connection.execute(text(row))
        command.upgrade(config, "0008")
        connection.execute(
            text(
                """INSERT INTO episode (id, campaign_id, kind, agent, phase, phase_since, submitted_at, priority, fence,
                cancel_requested, detail, submitter, pinned_runner, pinned_gpu, ended_at)
                VALUES ('f', 'c', 'episode', 'a', 'DONE', '2026-01-01', '2026-01-01', 0, 1, 0, '', '', '', '',
                '2026-01-01')"""
            )
        )
    engine.dispose()
    with open_store(f"sqlite:///{file}").reading() as session:
        noticed = session.connection().exec_driver_sql("SELECT id, noticed FROM episode ORDER BY id").all()
    assert [tuple(row) for row in noticed] == [("e", 0), ("f", 1)]


def test_a_database_can_go_back_a_revision_and_come_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.sqlite3"
    store = open_store(url)
    config = migration_config()
    with store.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
        assert "gpu" not in {column["name"] for column in inspect(connection).get_columns("attempt")}
    store.close()
    with open_store(url).engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_opening_an_existing_database_again_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.sqlite3"
    open_store(url).close()
    open_store(url).close()


def test_sqlite_syncs_fully_and_checks_references(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/a.sqlite3")
    with store.reading() as session:
        connection = session.connection()
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
