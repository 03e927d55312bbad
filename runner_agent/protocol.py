"""The messages between orchestrator and runner: the only thing that both sides know.

One call is one run of the agent file: `python3 -I -S AGENT VERB --home DIR`, a JSON object on standard input, one
JSON object on standard output (`pull` answers with a tar stream instead). Every answer carries `schema`; a refusal
is `{"schema": …, "error": {"kind": …, "message": …}}` with exit status 1.

Times are ISO 8601 UTC, durations seconds, sizes bytes. Unknown keys are ignored on reading, so that either side may
be newer than the other.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

SCHEMA = "matins-link-1"
EXIT_SCHEMA = "matins-exit-1"
EVIDENCE_SCHEMA = "matins-evidence-1"

VERBS = ("hello", "launch", "report", "cancel", "grade", "pull", "acknowledge", "suspend", "doctor")

STAGES = (
    "baseline",
    "checkout",
    "session",
    "quiesce",
    "build",
    "lint",
    "test",
    "smoke",
    "grade",
    "pack",
)

StageResult = Literal["ok", "failed", "timed-out", "crashed", "skipped"]
CheckKind = Literal["command", "pattern-absent", "pattern-present", "marker", "tests", "throughput"]
ExitReason = Literal["completed", "cancelled", "wall-limit", "infrastructure"]
AttemptPhase = Literal["running", "awaiting-checks", "exited", "dead", "cancelled"]

RefusalKind = Literal["bad-request", "stale-fence", "unknown-attempt", "not-ended", "suspending", "runner-fault"]
"""`suspending`: the machine is about to sleep; the launch may come again once it has woken."""

PowerDown = Literal["suspend", "power-off"]
SuspendRefusal = Literal[
    "live-attempt",
    "held-gate",
    "operator-login",
    "unacknowledged-result",
    "launch-in-progress",
    "no-power-command",
    "wake-not-armed",
]
Finding = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command of a stage. `argv` is executed as it stands, in the tree, never by a shell."""

    argv: tuple[str, ...]
    limit_s: float


@dataclass(frozen=True, kw_only=True)
class OverlayFile:
    """A file laid over the tree for one check and taken away after it. `content` is base64."""

    path: str
    content: str
    executable: bool = False


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of an item; `id` is `<item id>/<position>`. A hidden one travels only in `grade`."""

    id: str
    item: str
    kind: CheckKind
    command: Command | None = None
    files: tuple[OverlayFile, ...] = ()
    pattern: str | None = None
    paths: tuple[str, ...] = ()
    opened: bool = False
    must_include: tuple[str, ...] = ()
    text: str | None = None
    min_change: float | None = None
    must_pass: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Item:
    """What the agent is told of an item, so that it can claim it by name."""

    id: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What is said to the agent. With `when="stopped-early"` only if it ended with items unclaimed."""

    say: str
    when: Literal["always", "stopped-early"] = "always"


@dataclass(frozen=True, kw_only=True)
class Session:
    turns: tuple[Turn, ...]


@dataclass(frozen=True, kw_only=True)
class Agent:
    """The coding agent: `config` is its `agent.toml` as data, `files` what lies beside that file (path -> base64)."""

    kind: str
    name: str
    model: str | None = None
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    files: dict[str, str] = field(default_factory=dict[str, str])
    secrets: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How often the smoke command runs: `rounds` pairs of baseline and candidate, or with "adaptive" until the change
    is settled (runner_agent/measure/decision.py); no pair begins after `max_s`."""

    mode: Literal["fixed", "adaptive"] = "fixed"
    rounds: int = 3
    max_s: float = 360.0
    alpha: float = 0.05
    smallest_effect: float = 0.02


@dataclass(frozen=True, kw_only=True)
class Smoke:
    """The smoke test, run with a cleared environment plus `env`. `throughput` and `dispatches` name a format or are a
    regular expression. `equal`: texts that mark lines which both sides of a round must print alike. `ceiling_tok_s` is
    what the device cannot exceed."""

    command: Command
    env: dict[str, str] = field(default_factory=dict[str, str])
    throughput: str = "matins"
    dispatches: str = "perdispatch"
    must_print: tuple[str, ...] = ()
    equal: tuple[str, ...] = ()
    ceiling_tok_s: float | None = None
    measure: Measure = field(default_factory=Measure)


@dataclass(frozen=True, kw_only=True)
class Limits:
    wall_s: float
    session_s: float
    checkout_s: float
    smoke_s: float
    grade_s: float
    grade_wait_s: float
    log_bytes: int
    disk_bytes: int
    processes: int


@dataclass(frozen=True, kw_only=True)
class LaunchSpec:
    """All that a runner needs for one attempt. `preflight` walks the same stages with no session, on the base.

    `base_key` names the built base tree that is kept on the runner for baseline runs. `hide` lists folders of the
    machine that no process of the attempt may see. `network` is "full" or "none" for every process of the attempt.
    `gpu` is the deviceUUID of the one Vulkan device that it is for; empty: it may use any, and no other may beside it.
    """

    attempt_id: str
    episode_id: str
    fence: int
    kind: Literal["episode", "preflight"]
    repo_url: str
    commit: str
    base_key: str
    agent: Agent | None
    sessions: tuple[Session, ...]
    items: tuple[Item, ...]
    checks: tuple[Check, ...]
    hidden_checks: int
    build: tuple[Command, ...]
    lint: tuple[Command, ...]
    test: tuple[Command, ...]
    smoke: Smoke
    limits: Limits
    network: Literal["full", "none"] = "full"
    hide: tuple[str, ...] = ()
    gpu: str = ""


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """How one stage went; `seconds` is its wall time."""

    stage: str
    result: StageResult
    seconds: float
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ExitRecord:
    """`exit.json`, written last and atomically: the proof that an attempt has ended."""

    attempt_id: str
    fence: int
    reason: ExitReason
    detail: str
    stages: tuple[StageRecord, ...]
    graded: bool
    packed: bool
    started_at: str
    finished_at: str
    schema: str = EXIT_SCHEMA


@dataclass(frozen=True, kw_only=True)
class AttemptStatus:
    """What the runner knows of an attempt. `dead`: no process of it lives and it left no exit record. `boot_id` is the
    boot under which it was started. `gradable`: it ended ungraded, its judged tree is kept, `grade` may resume it."""

    attempt_id: str
    episode_id: str
    fence: int
    phase: AttemptPhase
    boot_id: str = ""
    gradable: bool = False
    stage: str | None = None
    stage_since: str | None = None
    detail: str = ""
    exit: ExitRecord | None = None


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A Vulkan physical device, as the driver describes it. `nodes`: the device files that are its own, such as
    /dev/dri/renderD128; none where they are not known, and for a device of software."""

    name: str
    vendor: str
    device_type: str
    driver: str
    vulkan_api: str
    device_uuid: str
    vram_bytes: int
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a runner says of itself. `quiescence` and `sandbox` name the mechanism, or say why there is none.
    `wake_on_lan` is "armed", "disarmed: …" or "unknown: …", of the interface behind the default route. `gates` names
    the gate of each Vulkan device."""

    agent_version: str
    boot_id: str
    hostname: str
    os: str
    python: str
    cpus: int
    memory_bytes: int
    disk_free_bytes: int
    gpus: tuple[Gpu, ...]
    gpu_problem: str
    tools: dict[str, str]
    sandbox: str
    sandbox_problem: str
    quiescence: Literal["cgroup2", "process-scan"]
    tags: tuple[str, ...]
    attempts: tuple[str, ...]
    wake_on_lan: str = "unknown: this agent does not look"
    macs: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    schema: str = SCHEMA


@dataclass(frozen=True, kw_only=True)
class SuspendRequest:
    """Asks the machine to sleep. `token` names this wish: asked again, it is not carried out again. `mac`: the address
    that a wake will name, else the one behind the default route. The machine takes no attempt until it has slept, or
    `limit_s` have gone by in which it did not."""

    how: PowerDown
    token: str
    mac: str = ""
    limit_s: float = 120.0


@dataclass(frozen=True, kw_only=True)
class SuspendAnswer:
    """Accepted, or all that speaks against it: `refusals` (of `SuspendRefusal`), and in `why` a sentence for each."""

    accepted: bool
    refusals: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    schema: str = SCHEMA


@dataclass(frozen=True, kw_only=True)
class DoctorRequest:
    """`now`: the asker's time, ISO 8601 UTC, empty where clocks are not to be compared. `mac` as in SuspendRequest."""

    now: str = ""
    mac: str = ""


@dataclass(frozen=True, kw_only=True)
class Prerequisite:
    """One thing that a runner needs; `remedy` is empty where it passes."""

    name: str
    result: Finding
    found: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class DoctorAnswer:
    prerequisites: tuple[Prerequisite, ...]
    schema: str = SCHEMA


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """New bytes of one stream of an attempt from `offset`; `data` is base64. `events.jsonl` is cut at a line end."""

    attempt_id: str
    stream: str
    offset: int
    data: str


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """Per attempt of interest, the bytes already held of each stream. Attempts not named are reported without bytes."""

    cursors: dict[str, dict[str, int]]
    max_bytes: int = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Report:
    """`gone`: attempts asked about that have no folder here and no process either, as was proven."""

    boot_id: str
    at: str
    attempts: tuple[AttemptStatus, ...]
    chunks: tuple[Chunk, ...]
    gone: tuple[str, ...] = ()
    schema: str = SCHEMA


@dataclass(frozen=True, kw_only=True)
class AttemptRequest:
    """The body of `cancel` and `acknowledge`."""

    attempt_id: str
    episode_id: str
    fence: int


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """The body of `pull`. `held`: per file, the bytes that the asker has already; the stream begins after them."""

    attempt_id: str
    episode_id: str
    fence: int
    held: dict[str, int] = field(default_factory=dict[str, int])


PULL_OFFSET = "MATINS.offset"
"""The extended header of an entry of a pull that is the rest of a file: how many bytes come before it."""


def rest_from(held: int, size: int) -> int | None:
    """From which byte on a pull sends a file of which `held` bytes are held; None where it does not. An empty file is
    sent always, and one that is held longer than it is from its beginning."""
    if held == size and size:
        return None
    return held if 0 < held < size else 0


@dataclass(frozen=True, kw_only=True)
class GradeRequest:
    """The hidden checks, sent once the agent's processes are gone."""

    attempt_id: str
    episode_id: str
    fence: int
    checks: tuple[Check, ...]


T = TypeVar("T")


class MalformedMessage(ValueError):
    """A message lacks a field or holds a wrong type; the text names the field."""


def to_json(value: Any) -> Any:
    """A message as JSON data: dataclasses become objects, tuples lists."""
    return dataclasses.asdict(value)


def from_json(kind: type[T], data: Any) -> T:
    """A message from JSON data; unknown keys are ignored. Raises MalformedMessage."""
    return _read(kind, data, kind.__name__)


def _read(kind: Any, data: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, data, where)
    if kind is Any:
        return data
    if origin is Literal:
        return _expect(data in arguments, data, where, " | ".join(map(str, arguments)))
    if origin is types.UnionType or origin is typing.Union:
        return None if data is None else _read(arguments[0], data, where)
    if origin is tuple:
        _expect(isinstance(data, (list, tuple)), data, where, "a list")
        return tuple(_read(arguments[0], part, f"{where}[{n}]") for n, part in enumerate(data))
    if origin is dict:
        _expect(isinstance(data, dict), data, where, "an object")
        return {_read(arguments[0], k, where): _read(arguments[1], v, f"{where}.{k}") for k, v in data.items()}
    if kind is float:
        _expect(isinstance(data, (int, float)) and not isinstance(data, bool), data, where, "a number")
        return float(data)
    exact = isinstance(data, kind) and (kind is bool or not isinstance(data, bool))
    return _expect(exact, data, where, kind.__name__)


def _read_dataclass(kind: Any, data: Any, where: str) -> Any:
    _expect(isinstance(data, dict), data, where, "an object")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for part in dataclasses.fields(kind):
        if part.name in data:
            values[part.name] = _read(hints[part.name], data[part.name], f"{where}.{part.name}")
        elif part.default is dataclasses.MISSING and part.default_factory is dataclasses.MISSING:
            raise MalformedMessage(f"{where}.{part.name} is missing")
    return kind(**values)


def _expect(holds: bool, data: Any, where: str, what: str) -> Any:
    if not holds:
        raise MalformedMessage(f"{where} should be {what}, not {type(data).__name__} {str(data)[:80]!r}")
    return data
