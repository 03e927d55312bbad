"""What PostgreSQL needs so that it serves as SQLite does: one writer at a time, snapshots for readers, and no call that
waits for ever, whether the server is slow, stopped or gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

CONNECT_TIMEOUT_S = 5
ANSWER_MAX_S = 10.0
"""However slow, a server that lives answers one statement of ours within this; its own limits below are stricter."""

STATEMENT_TIMEOUT_MS = 8_000
LOCK_TIMEOUT_MS = 8_000
IDLE_IN_TRANSACTION_MS = 5_000
"""A process that was stopped in the middle of a transaction holds up the others no longer than this: the server ends
its session, and what it had not committed never happened."""

MIGRATION_MAX_S = 600.0
POOL_SIZE = 8
POOL_EXTRA = 12
POOL_WAIT_S = 5.0

WRITER_LOCK = 0x6D6174696E73  # "matins"
MIGRATION_LOCK = WRITER_LOCK + 1


class BoundedConnection(psycopg.Connection[Any]):
    """libpq waits for an answer as long as the socket lives, and that of a stopped server does. This one gives up: it
    raises OperationalError and is closed, since nobody knows what the server made of the statement."""

    answer_max_s = ANSWER_MAX_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_max_s)
        except psycopg.errors._WaitTimeout:
            self.close()
            message = f"the server did not answer within {self.answer_max_s:g} s"
            raise psycopg.OperationalError(message) from None


def postgresql_engine(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_EXTRA,
        pool_timeout=POOL_WAIT_S,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "matins",
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS}"
            f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}",
        },
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "begin", _begin)
    return engine


def _connect(_dialect: object, _record: object, arguments: list[Any], parameters: dict[str, Any]) -> BoundedConnection:
    return BoundedConnection.connect(*arguments, **parameters)


def _begin(connection: Connection) -> None:
    """Writers stand in line, as they do under SQLite's BEGIN IMMEDIATE: after the lock each statement sees all that was
    committed, so what a guard read cannot change under it, and counting leases is as safe as updating one. Writes are
    milliseconds and few (some for each runner and second). SERIALIZABLE would need every caller to be able to run
    twice; locks on single rows would need every guard to name all that it depends on."""
    if not connection.get_execution_options().get("matins_read"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")


def was_cut_off(error: DBAPIError) -> bool:
    """Whether the server ended the session because its transaction stood still."""
    return isinstance(error.orig, psycopg.errors.IdleInTransactionSessionTimeout)


READING = {"matins_read": True, "isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""One snapshot for all statements of a reader."""


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """A transaction that only one process has at a time, and that may take long."""
    with engine.connect().execution_options(matins_read=True) as connection:
        driver: Any = connection.connection.driver_connection
        driver.answer_max_s = MIGRATION_MAX_S
        try:
            with connection.begin():
                for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                    connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
                for lock in (MIGRATION_LOCK, WRITER_LOCK):
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock})")
                yield connection
        finally:
            driver.answer_max_s = ANSWER_MAX_S
