"""The tables of what people are told of."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from orchestrator.store.columns import json_column, moment


class NoticeRow(SQLModel, table=True):
    """A condition (`orchestrator.conditions`) from its beginning on: `planning.notices.Notice`. What happened and does
    not last is over at once. At most one of a key lasts."""

    __tablename__: ClassVar[Any] = "notice"
    __table_args__ = (
        Index(
            "notice_one_lasting",
            "key",
            unique=True,
            sqlite_where=text("over_at IS NULL"),
            postgresql_where=text("over_at IS NULL"),
        ),
        Index("notice_untold", "id", sqlite_where=text("say <> ''"), postgresql_where=text("say <> ''")),
    )

    id: int | None = Field(default=None, primary_key=True)
    key: str
    condition: str
    says: str
    began_at: datetime = moment()
    seen_at: datetime = moment()
    over_at: datetime | None = moment(nullable=True, index=True)
    say: str = "began"


class MessageRow(SQLModel, table=True):
    """A message about `conditions`, sent by the outbox's act `outbox_id`. `reached`: the places
    that have it, by their number in the setting `notify`, from 1."""

    __tablename__: ClassVar[Any] = "message"

    id: int | None = Field(default=None, primary_key=True)
    outbox_id: int = Field(foreign_key="outbox.id", unique=True)
    conditions: list[str] = json_column()
    severity: str
    title: str
    body: str
    made_at: datetime = moment(index=True)
    reached: list[int] = json_column()
    ended_at: datetime | None = moment(nullable=True)
    result: str = ""


class SpendingRow(SQLModel, table=True):
    """What all had cost, and how many signals there were, at the beginning of an hour: a day of them is kept."""

    __tablename__: ClassVar[Any] = "spending"

    at: datetime = moment(primary_key=True)
    usd: float
    signals: float
