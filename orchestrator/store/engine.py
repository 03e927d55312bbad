"""Opening the database: SQLite beside the other state, or a PostgreSQL server."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from orchestrator.errors import BadInput, Unavailable
from orchestrator.store.postgresql import READING, migrating, postgresql_engine, was_cut_off

WAL_SAFE_SINCE = (3, 51, 3)
"""SQLite's write-ahead log could corrupt a database before this version."""

BUSY_TIMEOUT_MS = 30_000


class Store:
    """Sessions over one engine. `reading()` takes a snapshot, `writing()` takes the write lock at its start, so that
    what a guarded update reads cannot change under it. Neither is held over a network call. Both raise Unavailable
    where the database is away, full or too slow; then nothing was written, or, if the answer to a commit was lost,
    nobody knows: all that is written may be written again."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reading = READING if engine.dialect.name == "postgresql" else {"matins_read": True}

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with (
            self._failures(),
            self.engine.connect().execution_options(**self._reading) as connection,
            Session(connection) as session,
        ):
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with self._failures(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InternalError, PoolTimeout) as error:
            if isinstance(error, InternalError) and not was_cut_off(error):
                raise
            shown = self.engine.url.render_as_string(hide_password=True)
            remedy = "ask again once it is back; free its disk if that is full"
            raise Unavailable(f"the database {shown} cannot be used now: {_first_line(error)}", remedy) from error

    def close(self) -> None:
        self.engine.dispose()


def open_store(url: str) -> Store:
    """The store at `url`, migrated to the newest schema. Raises BadInput where there is no usable database."""
    try:
        engine = _engine(url)
        migrate(engine)
    except (SQLAlchemyError, CommandError, ImportError, OSError) as error:
        raise BadInput(
            f"the database {_shown(url)} cannot be used: {_first_line(error)}",
            "start it, move away or mend what is there, free its disk, or set MATINS_DATABASE_URL to another",
        ) from error
    return Store(engine)


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    backend = parsed.get_backend_name() if parsed.drivername != "postgres" else "postgresql"
    if backend == "postgresql":
        return postgresql_engine(parsed)
    if backend != "sqlite":
        remedy = "name a file or a server: sqlite:////folder/matins.sqlite3 or postgresql://user@host/database"
        raise BadInput(f"the database {_shown(url)} is neither SQLite nor PostgreSQL", remedy)
    if parsed.database in (None, "", ":memory:"):
        raise BadInput("a database in memory is lost at the end", "name a file: sqlite:////folder/matins.sqlite3")
    engine = create_engine(parsed)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _shown(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "of MATINS_DATABASE_URL"


def _first_line(error: Exception) -> str:
    """What the driver said, without the statement and the links that follow."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def migrate(engine: Engine) -> None:
    """Apply every migration that the database lacks. Of many processes that start at once one does it, and the others
    wait."""
    with migrating(engine) if engine.dialect.name == "postgresql" else engine.begin() as connection:
        config = migration_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def migration_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver would otherwise begin transactions of its own, and deferred ones
    mode = "WAL" if sqlite3.sqlite_version_info >= WAL_SAFE_SINCE else "DELETE"
    for pragma in (
        f"journal_mode={mode}",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("matins_read")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
