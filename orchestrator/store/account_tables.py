"""The tables of accounts and metrics: what runners were over time, the ledger, and the roll-ups."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from orchestrator.store.columns import json_column, moment


class SpanRow(SQLModel, table=True):
    """What a runner was shown as (`domain.runner.SHOWN_STATES`), and what it drew power as (`accounting.values.Draw`),
    from `started_at` to `ended_at`; None: it still is. At most one of a runner is open."""

    __tablename__: ClassVar[Any] = "span"
    __table_args__ = (
        UniqueConstraint("runner", "started_at", name="span_once"),
        Index(
            "span_one_open",
            "runner",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    runner: str = Field(foreign_key="runner.name", index=True)
    state: str
    draw: str
    started_at: datetime = moment()
    ended_at: datetime | None = moment(nullable=True)


class WatchRow(SQLModel, table=True):
    """One row: until when somebody watched, and how often. What happened after `at` is not known yet."""

    __tablename__: ClassVar[Any] = "watch"

    id: int = Field(default=1, primary_key=True)
    at: datetime = moment()
    ticks: int = Field(default=0, sa_type=BigInteger)


class EnergyRow(SQLModel, table=True):
    """What instruments counted on a runner in an interval that is not settled yet: `accounting.values.Metered`."""

    __tablename__: ClassVar[Any] = "energy"
    __table_args__ = (UniqueConstraint("runner", "started_at", name="energy_once"),)

    id: int | None = Field(default=None, primary_key=True)
    runner: str = Field(foreign_key="runner.name", index=True)
    started_at: datetime = moment()
    ended_at: datetime = moment()
    joules: float
    whole: bool = False


class CostRow(SQLModel, table=True):
    """The ledger: what a day of a runner cost, by what it was for. `episode_id` and `attempt_id` are empty where no
    episode is charged. Rows are only added to."""

    __tablename__: ClassVar[Any] = "cost"
    __table_args__ = (
        UniqueConstraint(
            "day", "runner", "episode_id", "attempt_id", "phase", "kind", "label", "reason", name="cost_once"
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    day: str = Field(index=True)
    runner: str
    episode_id: str = Field(default="", index=True)
    attempt_id: str = Field(default="", index=True)
    phase: str
    kind: str
    label: str
    reason: str = ""
    usd: float = 0.0
    joules: float = 0.0
    seconds: float = 0.0


class TotalRow(SQLModel, table=True):
    """A counter that never falls; `labels` is canonical JSON, `changed` rises with each change of any of them."""

    __tablename__: ClassVar[Any] = "total"

    metric: str = Field(primary_key=True)
    labels: str = Field(primary_key=True)
    value: float = 0.0
    changed: int = Field(default=0, sa_type=BigInteger, index=True)


class HistogramRow(SQLModel, table=True):
    """`counts` as in `accounting.histogram.Histogram`; `exemplars`: per bucket, of the newest observation that named
    an episode, `[episode_id, value, seconds since the epoch]`."""

    __tablename__: ClassVar[Any] = "histogram"

    metric: str = Field(primary_key=True)
    labels: str = Field(primary_key=True)
    counts: list[int] = json_column()
    total: float = 0.0
    exemplars: dict[str, list[Any]] = json_column()
    changed: int = Field(default=0, sa_type=BigInteger, index=True)


class GaugeRow(SQLModel, table=True):
    """The newest value of something that an episode's end tells; an older one never replaces it."""

    __tablename__: ClassVar[Any] = "gauge"

    metric: str = Field(primary_key=True)
    labels: str = Field(primary_key=True)
    value: float = 0.0
    at: datetime = moment()
