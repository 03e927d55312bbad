"""The tables. Enumerations are kept as their values and converted in `convert`: SQLModel would store their names and
check nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Index, TypeDecorator, UniqueConstraint, text
from sqlmodel import Column, Field, SQLModel


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


def _moment(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(UtcDateTime(), nullable=nullable))


def _json(*, nullable: bool = False) -> Any:
    return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=nullable))


def _empty_json() -> Any:
    return Field(default_factory=dict, sa_column=Column(JSON(none_as_null=True), nullable=False))


def _uncounted(name: str, column: str) -> Index:
    """Of the rows that the roll-ups lack: few at any time, however long the table is."""
    return Index(name, column, sqlite_where=text("NOT counted"), postgresql_where=text("NOT counted"))


class CampaignRow(SQLModel, table=True):
    """A campaign as it was submitted: file, attachments and resolved commit. `key` is their hash: the same submission
    twice is the same campaign, with one preflight."""

    __tablename__: ClassVar[Any] = "campaign"

    id: str = Field(primary_key=True)
    key: str = Field(unique=True)
    name: str = Field(index=True)
    text: str
    filename: str
    directory: str
    files: dict[str, str] = _json()
    repo_url: str
    commit: str
    needs_tags: list[str] = _json()
    needs_vram_bytes: int = Field(default=0, sa_type=BigInteger)
    acceptance: str
    acceptance_detail: str = ""
    submitted_at: datetime = _moment()


class EpisodeRow(SQLModel, table=True):
    """`agent_spec` is `runner_agent.protocol.Agent` without secrets; `result` the summary of the verdict,
    `retry_of` the ended episode that someone asked to have tried afresh; `pinned_runner` and `pinned_gpu` where alone
    a canary may run, or a preflight of one machine; `counted`: its end is in the roll-ups; `noticed`: whoever wants to
    be told of its end is told."""

    __tablename__: ClassVar[Any] = "episode"
    __table_args__ = (
        Index("episode_served", "submitter", "started_at"),
        _uncounted("episode_uncounted", "ended_at"),
        Index("episode_unnoticed", "ended_at", sqlite_where=text("NOT noticed"), postgresql_where=text("NOT noticed")),
    )

    id: str = Field(primary_key=True)
    campaign_id: str = Field(foreign_key="campaign.id", index=True)
    kind: str
    agent: str
    model: str | None = None
    agent_spec: dict[str, Any] | None = _json(nullable=True)
    phase: str = Field(index=True)
    phase_since: datetime = _moment()
    submitted_at: datetime = _moment()
    submitter: str = ""
    priority: int = 0
    fence: int = 0
    runner: str | None = None
    attempt_id: str | None = None
    cancel_requested: bool = False
    not_before: datetime | None = _moment(nullable=True)
    end_reason: str | None = None
    detail: str = ""
    started_at: datetime | None = _moment(nullable=True)
    ended_at: datetime | None = _moment(nullable=True)
    result: dict[str, Any] | None = _json(nullable=True)
    retry_of: str | None = None
    pinned_runner: str = ""
    pinned_gpu: str = ""
    counted: bool = False
    noticed: bool = False


class AttemptRow(SQLModel, table=True):
    """One try, on the device `gpu` or on any; `drivers`: what its runner had when it was launched
    (`drivers_fingerprint`). At most one of an episode is live: the partial index holds that against any bug above
    it. `counted`: that it was made is in the roll-ups; `costed`: all that it cost is in the ledger, and it costs no
    more."""

    __tablename__: ClassVar[Any] = "attempt"
    __table_args__ = (
        UniqueConstraint("episode_id", "fence", name="attempt_fence"),
        Index(
            "attempt_one_live",
            "episode_id",
            unique=True,
            sqlite_where=text("ended IS NULL"),
            postgresql_where=text("ended IS NULL"),
        ),
        _uncounted("attempt_uncounted", "created_at"),
        Index(
            "attempt_uncosted",
            "runner",
            sqlite_where=text("NOT costed"),
            postgresql_where=text("NOT costed"),
        ),
        Index("attempt_made", "created_at"),
    )

    id: str = Field(primary_key=True)
    episode_id: str = Field(foreign_key="episode.id")
    runner: str = Field(index=True)
    fence: int
    created_at: datetime = _moment()
    gpu: str = ""
    drivers: str = ""
    status: dict[str, Any] | None = _json(nullable=True)
    observed_at: datetime | None = _moment(nullable=True)
    reported_boot_id: str = ""
    gone: bool = False
    failure: str | None = None
    failure_detail: str = ""
    ended: str | None = None
    ended_at: datetime | None = _moment(nullable=True)
    acknowledged_at: datetime | None = _moment(nullable=True)
    counted: bool = False
    costed: bool = False


class AcceptanceRow(SQLModel, table=True):
    """What the newest preflight of a campaign found on a runner with those devices and drivers: `domain.proof.Proof`.
    The last write wins."""

    __tablename__: ClassVar[Any] = "acceptance"

    campaign_id: str = Field(primary_key=True, foreign_key="campaign.id")
    runner: str = Field(primary_key=True, foreign_key="runner.name", index=True)
    drivers: str = Field(primary_key=True)
    accepted: bool
    detail: str = ""
    episode_id: str = Field(foreign_key="episode.id")
    at: datetime = _moment()


class RunnerRow(SQLModel, table=True):
    """`mac` to `secureon`: how it is woken; `sleeps`: how it is put to sleep, None if it never is; `slept`: how it was,
    this time. `suspend_sent_at`: when it was asked to sleep, until it answers again or is woken: silence then is sleep.
    `wake` is the `domain.wake.WakeAttempt` under way. The other moments are those of `domain.power.PowerFacts`.
    `buffer_slots`: None where it follows from `agent_slots` (`domain.slots`).
    `devices`: by deviceUUID, what an operator or a judge said of a device (`convert.to_devices`). `canary_why`: why a
    canary is due, empty if none is. `meter`: what reports said of its clock, its journals and its meter
    (`store.meters`), `readings` the newest `runner_agent.protocol.Readings`, which came at `readings_at`.
    `settled_until`: what it cost up to then is in the ledger."""

    __tablename__: ClassVar[Any] = "runner"

    name: str = Field(primary_key=True)
    kind: str
    host: str = ""
    port: int = 22
    ssh_user: str = ""
    key_path: str = ""
    host_key: str = ""
    home: str = ""
    boot_id: str = ""
    power: str
    operation: str
    service: str
    health: str
    agent_slots: int = 1
    build_slots: int = 1
    buffer_slots: int | None = None
    tags: list[str] = _json()
    prices: dict[str, float] = _json()
    hello: dict[str, Any] | None = _json(nullable=True)
    hello_at: datetime | None = _moment(nullable=True)
    last_seen: datetime | None = _moment(nullable=True)
    observe_after: datetime = _moment()
    detail: str = ""
    link_errors: dict[str, int] = _json()
    added_at: datetime = _moment()
    mac: str = ""
    broadcast: str = ""
    interface: str = ""
    secureon: str = ""
    sleeps: str | None = None
    slept: str | None = None
    busy_until: datetime | None = _moment(nullable=True)
    awake_since: datetime | None = _moment(nullable=True)
    asleep_since: datetime | None = _moment(nullable=True)
    suspending_since: datetime | None = _moment(nullable=True)
    suspend_sent_at: datetime | None = _moment(nullable=True)
    stay_awake_until: datetime | None = _moment(nullable=True)
    stay_awake_why: str = ""
    failures_since: datetime | None = _moment(nullable=True)
    quarantined_since: datetime | None = _moment(nullable=True)
    by_wakes: bool = False
    wake: dict[str, Any] | None = _json(nullable=True)
    devices: dict[str, dict[str, Any]] = _empty_json()
    canary_why: str = ""
    canaried_at: datetime | None = _moment(nullable=True)
    meter: dict[str, Any] | None = _json(nullable=True)
    readings: dict[str, Any] | None = _json(nullable=True)
    readings_at: datetime | None = _moment(nullable=True)
    settled_until: datetime | None = _moment(nullable=True)


class WakeRow(SQLModel, table=True):
    """A wake that has ended: `domain.wake.WakeRecord`. `failed_stage` is None exactly if it was ready."""

    __tablename__: ClassVar[Any] = "wake"
    __table_args__ = (
        UniqueConstraint("runner", "started_at", name="wake_once"),
        _uncounted("wake_uncounted", "ended_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    runner: str = Field(foreign_key="runner.name", index=True)
    slept: str
    started_at: datetime = _moment()
    ended_at: datetime = _moment()
    stages: list[dict[str, Any]] = _json()
    failed_stage: str | None = None
    reason: str = ""
    waking: int = 1
    packets: int = 0
    boot_id: str = ""
    probe: bool = False
    gpu: int = 0
    counted: bool = False


class OutboxRow(SQLModel, table=True):
    """An act that was decided and is due until `done_at` is set. One of a kind per attempt, ever; those that move a
    machine's power have no attempt, and are one of a kind per `runner` and moment `begun`."""

    __tablename__: ClassVar[Any] = "outbox"
    __table_args__ = (
        UniqueConstraint("kind", "attempt_id", name="outbox_once"),
        UniqueConstraint("kind", "runner", "begun", name="outbox_power_once"),
        _uncounted("outbox_uncounted", "done_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    attempt_id: str | None = Field(default=None, foreign_key="attempt.id", index=True)
    runner: str | None = Field(default=None, foreign_key="runner.name")
    begun: datetime | None = _moment(nullable=True)
    created_at: datetime = _moment()
    not_before: datetime = _moment()
    claimed_until: datetime | None = _moment(nullable=True)
    tries: int = 0
    error: str = ""
    done_at: datetime | None = _moment(nullable=True)
    counted: bool = False


class EventRow(SQLModel, table=True):
    """What happened, append-only. `seq` is the runner's own numbering, so that a line is kept once however often it is
    reported; orchestrator events have none."""

    __tablename__: ClassVar[Any] = "event"
    __table_args__ = (UniqueConstraint("attempt_id", "seq", name="event_once"),)

    id: int | None = Field(default=None, primary_key=True)
    episode_id: str = Field(foreign_key="episode.id", index=True)
    attempt_id: str | None = None
    source: str
    seq: int | None = None
    at: datetime = _moment()
    event: str
    data: dict[str, Any] = _json()


class RunnerEventRow(SQLModel, table=True):
    """What happened to a runner, append-only; `actor` is an account, or "matins"."""

    __tablename__: ClassVar[Any] = "runner_event"

    id: int | None = Field(default=None, primary_key=True)
    runner: str = Field(foreign_key="runner.name", index=True)
    at: datetime = _moment()
    event: str
    actor: str
    data: dict[str, Any] = _json()


class ChunkRow(SQLModel, table=True):
    """A piece of a stream of an attempt, `length` bytes from `start`; `text` is what it adds to the live log, at
    `merged_start` characters."""

    __tablename__: ClassVar[Any] = "chunk"
    __table_args__ = (
        UniqueConstraint("attempt_id", "stream", "start", name="chunk_once"),
        Index("chunk_merged", "attempt_id", "merged_start"),
    )

    id: int | None = Field(default=None, primary_key=True)
    attempt_id: str = Field(foreign_key="attempt.id")
    stream: str
    start: int = Field(sa_type=BigInteger)
    length: int
    merged_start: int = Field(sa_type=BigInteger)
    text: str


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
    started_at: datetime = _moment()
    ended_at: datetime | None = _moment(nullable=True)


class WatchRow(SQLModel, table=True):
    """One row: until when somebody watched, and how often. What happened after `at` is not known yet."""

    __tablename__: ClassVar[Any] = "watch"

    id: int = Field(default=1, primary_key=True)
    at: datetime = _moment()
    ticks: int = Field(default=0, sa_type=BigInteger)


class EnergyRow(SQLModel, table=True):
    """What instruments counted on a runner in an interval that is not settled yet: `accounting.values.Metered`."""

    __tablename__: ClassVar[Any] = "energy"
    __table_args__ = (UniqueConstraint("runner", "started_at", name="energy_once"),)

    id: int | None = Field(default=None, primary_key=True)
    runner: str = Field(foreign_key="runner.name", index=True)
    started_at: datetime = _moment()
    ended_at: datetime = _moment()
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
    counts: list[int] = _json()
    total: float = 0.0
    exemplars: dict[str, list[Any]] = _json()
    changed: int = Field(default=0, sa_type=BigInteger, index=True)


class GaugeRow(SQLModel, table=True):
    """The newest value of something that an episode's end tells; an older one never replaces it."""

    __tablename__: ClassVar[Any] = "gauge"

    metric: str = Field(primary_key=True)
    labels: str = Field(primary_key=True)
    value: float = 0.0
    at: datetime = _moment()


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
    began_at: datetime = _moment()
    seen_at: datetime = _moment()
    over_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime(), nullable=True, index=True))
    say: str = "began"


class MessageRow(SQLModel, table=True):
    """A message about `conditions`, sent by the outbox's act `outbox_id`. `reached`: the places
    that have it, by their number in the setting `notify`, from 1."""

    __tablename__: ClassVar[Any] = "message"

    id: int | None = Field(default=None, primary_key=True)
    outbox_id: int = Field(foreign_key="outbox.id", unique=True)
    conditions: list[str] = _json()
    severity: str
    title: str
    body: str
    made_at: datetime = Field(default=None, sa_column=Column(UtcDateTime(), nullable=False, index=True))
    reached: list[int] = _json()
    ended_at: datetime | None = _moment(nullable=True)
    result: str = ""


class SpendingRow(SQLModel, table=True):
    """What all had cost, and how many signals there were, at the beginning of an hour: a day of them is kept."""

    __tablename__: ClassVar[Any] = "spending"

    at: datetime = Field(default=None, sa_column=Column(UtcDateTime(), primary_key=True))
    usd: float
    signals: float
