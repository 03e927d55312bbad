"""What a runner says of its attempts, and what is asked about one."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner_agent.protocol.launching import Check
from runner_agent.protocol.machine import Meter, Readings
from runner_agent.protocol.words import EXIT_SCHEMA, SCHEMA, AttemptPhase, ExitReason, StageResult


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
class Chunk:
    """New bytes of one stream of an attempt from `offset`; `data` is base64. `events.jsonl` is cut at a line end."""

    attempt_id: str
    stream: str
    offset: int
    data: str


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """Per attempt of interest, the bytes already held of each stream. Attempts not named are reported without bytes.
    `own_only`: of attempts that another agent file began, nothing is said; for the agents among themselves."""

    cursors: dict[str, dict[str, int]]
    max_bytes: int = 1_000_000
    own_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """`gone`: attempts asked about that have no folder here and no process either, as was proven. `meter` and
    `readings` are None from an agent of before there were any, and where nothing counts or tells."""

    boot_id: str
    at: str
    attempts: tuple[AttemptStatus, ...]
    chunks: tuple[Chunk, ...]
    gone: tuple[str, ...] = ()
    meter: Meter | None = None
    readings: Readings | None = None
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
