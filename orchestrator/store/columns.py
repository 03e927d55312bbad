"""What the columns of the tables are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Index, TypeDecorator, text
from sqlmodel import Column, Field


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC on every database: SQLite forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def moment(*, nullable: bool = False, **more: Any) -> Any:
    """`more`: index, primary_key."""
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=nullable, **more))


def json_column(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=nullable))


def empty_json() -> Any:
    return Field(default_factory=dict, sa_column=Column(JSON(none_as_null=True), nullable=False))


def of_few(name: str, column: str, where: str) -> Index:
    """Of the rows for which that holds: few at any time, however long the table is."""
    return Index(name, column, sqlite_where=text(where), postgresql_where=text(where))


def uncounted(name: str, column: str) -> Index:
    """Of the rows that the roll-ups lack."""
    return of_few(name, column, "NOT counted")
