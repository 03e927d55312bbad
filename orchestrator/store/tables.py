"""The tables. Enumerations are kept as their values and converted in `convert`: SQLModel would store their names and
check nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from orchestrator.store.columns import empty_json, json_column, moment, of_few, uncounted


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
    files: dict[str, str] = json_column()
    repo_url: str
    commit: str
    needs_tags: list[str] = json_column()
    needs_vram_bytes: int = Field(default=0, sa_type=BigInteger)
    acceptance: str
    acceptance_detail: str = ""
    submitted_at: datetime = moment()


class EpisodeRow(SQLModel, table=True):
    """`agent_spec` is `runner_agent.protocol.Agent` without secrets; `result` the summary of the verdict,
    `retry_of` the ended episode that someone asked to have tried afresh; `pinned_runner` and `pinned_gpu` where alone
    a canary may run, or a preflight of one machine; `counted`: its end is in the roll-ups; `noticed`: whoever wants to
    be told of its end is told."""

    __tablename__: ClassVar[Any] = "episode"
    __table_args__ = (
        Index("episode_served", "submitter", "started_at"),
        uncounted("episode_uncounted", "ended_at"),
        Index("episode_unnoticed", "ended_at", sqlite_where=text("NOT noticed"), postgresql_where=text("NOT noticed")),
    )

    id: str = Field(primary_key=True)
    campaign_id: str = Field(foreign_key="campaign.id", index=True)
    kind: str
    agent: str
    model: str | None = None
    agent_spec: dict[str, Any] | None = json_column(nullable=True)
    phase: str = Field(index=True)
    phase_since: datetime = moment()
    submitted_at: datetime = moment()
    submitter: str = ""
    priority: int = 0
    fence: int = 0
    runner: str | None = None
    attempt_id: str | None = None
    cancel_requested: bool = False
    not_before: datetime | None = moment(nullable=True)
    end_reason: str | None = None
    detail: str = ""
    started_at: datetime | None = moment(nullable=True)
    ended_at: datetime | None = moment(nullable=True)
    result: dict[str, Any] | None = json_column(nullable=True)
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
        uncounted("attempt_uncounted", "created_at"),
        of_few("attempt_uncosted", "runner", "NOT costed"),
        of_few("attempt_live", "runner", "ended IS NULL"),
        of_few("attempt_left", "created_at", "ended IS NOT NULL AND acknowledged_at IS NULL"),
        of_few("attempt_left_on", "runner", "ended IS NOT NULL AND acknowledged_at IS NULL"),
        Index("attempt_made", "created_at"),
    )

    id: str = Field(primary_key=True)
    episode_id: str = Field(foreign_key="episode.id")
    runner: str = Field(index=True)
    fence: int
    created_at: datetime = moment()
    gpu: str = ""
    drivers: str = ""
    status: dict[str, Any] | None = json_column(nullable=True)
    observed_at: datetime | None = moment(nullable=True)
    reported_boot_id: str = ""
    gone: bool = False
    failure: str | None = None
    failure_detail: str = ""
    ended: str | None = None
    ended_at: datetime | None = moment(nullable=True)
    acknowledged_at: datetime | None = moment(nullable=True)
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
    at: datetime = moment()


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
    tags: list[str] = json_column()
    prices: dict[str, float] = json_column()
    hello: dict[str, Any] | None = json_column(nullable=True)
    hello_at: datetime | None = moment(nullable=True)
    last_seen: datetime | None = moment(nullable=True)
    observe_after: datetime = moment()
    detail: str = ""
    link_errors: dict[str, int] = json_column()
    added_at: datetime = moment()
    mac: str = ""
    broadcast: str = ""
    interface: str = ""
    secureon: str = ""
    sleeps: str | None = None
    slept: str | None = None
    busy_until: datetime | None = moment(nullable=True)
    awake_since: datetime | None = moment(nullable=True)
    asleep_since: datetime | None = moment(nullable=True)
    suspending_since: datetime | None = moment(nullable=True)
    suspend_sent_at: datetime | None = moment(nullable=True)
    stay_awake_until: datetime | None = moment(nullable=True)
    stay_awake_why: str = ""
    failures_since: datetime | None = moment(nullable=True)
    quarantined_since: datetime | None = moment(nullable=True)
    by_wakes: bool = False
    wake: dict[str, Any] | None = json_column(nullable=True)
    devices: dict[str, dict[str, Any]] = empty_json()
    canary_why: str = ""
    canaried_at: datetime | None = moment(nullable=True)
    meter: dict[str, Any] | None = json_column(nullable=True)
    readings: dict[str, Any] | None = json_column(nullable=True)
    readings_at: datetime | None = moment(nullable=True)
    settled_until: datetime | None = moment(nullable=True)


class WakeRow(SQLModel, table=True):
    """A wake that has ended: `domain.wake.WakeRecord`. `failed_stage` is None exactly if it was ready."""

    __tablename__: ClassVar[Any] = "wake"
    __table_args__ = (
        UniqueConstraint("runner", "started_at", name="wake_once"),
        uncounted("wake_uncounted", "ended_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    runner: str = Field(foreign_key="runner.name", index=True)
    slept: str
    started_at: datetime = moment()
    ended_at: datetime = moment()
    stages: list[dict[str, Any]] = json_column()
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
        uncounted("outbox_uncounted", "done_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    attempt_id: str | None = Field(default=None, foreign_key="attempt.id", index=True)
    runner: str | None = Field(default=None, foreign_key="runner.name")
    begun: datetime | None = moment(nullable=True)
    created_at: datetime = moment()
    not_before: datetime = moment()
    claimed_until: datetime | None = moment(nullable=True)
    tries: int = 0
    error: str = ""
    done_at: datetime | None = moment(nullable=True)
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
    at: datetime = moment()
    event: str
    data: dict[str, Any] = json_column()


class RunnerEventRow(SQLModel, table=True):
    """What happened to a runner, append-only; `actor` is an account, or "matins"."""

    __tablename__: ClassVar[Any] = "runner_event"

    id: int | None = Field(default=None, primary_key=True)
    runner: str = Field(foreign_key="runner.name", index=True)
    at: datetime = moment()
    event: str
    actor: str
    data: dict[str, Any] = json_column()


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
