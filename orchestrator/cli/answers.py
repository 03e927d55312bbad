"""What the API answers, as values: exactly the fields that are shown. JSON output passes answers on untouched."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from orchestrator.cli.errors import UnexpectedAnswer

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Health:
    version: str


@dataclass(frozen=True, kw_only=True)
class Spread:
    least: float
    median: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Discard:
    round: int
    side: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Apart:
    """How it was kept apart from other attempts."""

    isolation: str
    cores: tuple[int, ...] = ()
    made_room: tuple[str, ...] = ()
    did_not: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    sharing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What held while it was measured; None where the machine does not tell."""

    samples: int = 0
    device: str | None = None
    sm_mhz: Spread | None = None
    power_w: Spread | None = None
    temperature_c: Spread | None = None
    cpu_mhz: Spread | None = None
    load_1m: Spread | None = None
    throttled_s: float | None = None
    limited_s: float | None = None
    tenants: tuple[str, ...] = ()
    discarded: tuple[Discard, ...] = ()
    apart: Apart | None = None


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A change of throughput as a fraction of the baseline (0.25 is 25 % more), with its interval."""

    baseline: float | None = None
    candidate: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str | None = None
    samples: int | None = None
    reason: str | None = None
    seconds: float | None = None
    method: str | None = None
    reused_from: str | None = None


@dataclass(frozen=True, kw_only=True)
class ItemResult:
    id: str
    status: str
    claimed: str | None = None
    title: str | None = None
    evidence: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Flag:
    kind: str
    quote: str | None = None
    where: Any = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    valid: bool | None = None
    items: tuple[ItemResult, ...] = ()
    flags: tuple[Flag, ...] = ()
    throughput: Interval | None = None
    conditions: Conditions | None = None
    problems: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    stage: str
    result: str
    seconds: float | None = None
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    id: str
    fence: int | None = None
    runner: str | None = None
    phase: str | None = None
    stage: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an episode cost, once that is settled: USD, by phase and by where the figure is from."""

    usd: float
    by_phase: dict[str, float] = field(default_factory=dict)
    by_label: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Episode:
    """Times are ISO 8601 UTC, seconds floats; `phase_seconds` maps a stage to its seconds."""

    id: str
    campaign: str
    phase: str
    agent: str | None = None
    model: str | None = None
    kind: str | None = None
    end_reason: str | None = None
    runner: str | None = None
    submitter: str | None = None
    valid: bool | None = None
    invalid_reason: str | None = None
    items_done: int | None = None
    items_total: int | None = None
    tok_s: float | None = None
    baseline_tok_s: float | None = None
    change: float | None = None
    first_line: str | None = None
    submitted_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    detail: str | None = None
    phase_seconds: dict[str, float] | None = field(default=None)
    cost: Cost | None = None
    attempts: tuple[Attempt, ...] = ()
    stages: tuple[Stage, ...] = ()
    verdict: Verdict | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    at: str
    event: str
    source: str | None = None
    data: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Events:
    events: tuple[Event, ...]
    next: int
    ended: bool


@dataclass(frozen=True, kw_only=True)
class Logs:
    text: str
    offset: int
    next: int
    ended: bool
    attempt: str | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    state: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    path: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Files:
    campaign: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, kw_only=True)
class RunnerEvent:
    at: str
    event: str
    actor: str | None = None
    data: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The last change of health: why, by whom and when."""

    reason: str
    actor: str
    at: str


@dataclass(frozen=True, kw_only=True)
class LastCanary:
    """`passed` is None while it is under way, and where it ended without a verdict."""

    episode: str
    phase: str
    passed: bool | None = None
    reason: str = ""
    ended_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a preflight found of a campaign on a runner. Not `in_force`: devices or drivers are others now."""

    campaign: str
    accepted: bool
    episode: str
    detail: str = ""
    in_force: bool = True
    at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Device:
    """A Vulkan device of a runner; `prices` are what it adds to its machine's. Not `reported`: something was said of
    it, but the machine does not list it."""

    uuid: str
    reported: bool = True
    name: str | None = None
    type: str | None = None
    driver: str | None = None
    vulkan_api: str | None = None
    vram_bytes: int = 0
    health: str | None = None
    detail: str = ""
    since: str | None = None
    tags: tuple[str, ...] = ()
    prices: dict[str, float] | None = None
    running: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Runner:
    name: str
    kind: str
    state: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    home: str | None = None
    host_key: str | None = None
    mac: str | None = None
    broadcast: str | None = None
    interface: str | None = None
    secureon: bool = False
    sleeps: str | None = None
    why: str = ""
    note: str = ""
    power: str | None = None
    operation: str | None = None
    service: str | None = None
    health: str | None = None
    judged: Judged | None = None
    canary: LastCanary | None = None
    canary_due: str = ""
    gpu: str | None = None
    driver: str | None = None
    vulkan_api: str | None = None
    os: str | None = None
    tags: tuple[str, ...] = ()
    slots: dict[str, int] | None = None
    prices: dict[str, float] | None = None
    devices: tuple[Device, ...] = ()
    running: tuple[str, ...] = ()
    last_seen: str | None = None
    detail: str | None = None
    hello: dict[str, Any] | None = None
    campaigns: tuple[Proof, ...] = ()
    events: tuple[RunnerEvent, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Setting:
    name: str
    value: Any
    source: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """To which a message goes; `service`: the scheme of its URL."""

    place: int
    service: str
    sent: bool
    problem: str


@dataclass(frozen=True, kw_only=True)
class CheckedCampaign:
    name: str
    items: Any
    sessions: Any
    warnings: tuple[Any, ...] = ()


@cache
def _reader(kind: type[T]) -> TypeAdapter[T]:
    # Making one takes milliseconds, using it microseconds.
    return TypeAdapter(kind)


def read(kind: type[T], data: Any) -> T:
    """`data` as a value of `kind`; unknown keys are ignored. Raises UnexpectedAnswer, naming the field."""
    try:
        return _reader(kind).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole of it"
        raise unexpected(f"{place}: {first['msg']}") from None


def listed(kind: type[T], data: dict[str, Any], key: str) -> list[T]:
    """The values under `key`. Raises UnexpectedAnswer."""
    parts = data.get(key)
    if not isinstance(parts, list):
        raise unexpected(f"{key!r} is not a list")
    return [read(kind, part) for part in parts]


def unexpected(what: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"Unexpected answer of the orchestrator: {what}.", "Is it of the same version as this command?"
    )
