"""What an episode left behind, as values. `orchestrator.artifacts.reader` makes them from a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.scoring.reading import LogReading
from runner_agent.measure.conditions import Conditions

Side = Literal["baseline", "candidate"]
Claim = Literal["done", "not-done"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A line of the agent's tree: `line` counts from 1 (0: the file as a whole), `text` is what stands there."""

    path: str
    line: int = 0
    text: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line > 0 else self.path


@dataclass(frozen=True, kw_only=True)
class CheckEvidence:
    """What the runner saw of one check. `missing`: files that had to be opened and were not. `log`: a path in the
    episode's folder."""

    id: str
    ran: bool
    exit_code: int | None = None
    timed_out: bool = False
    log: str = ""
    matches: tuple[Place, ...] = ()
    scanned: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class EnvRead:
    """An added line that reads an environment variable."""

    name: str
    where: Place


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn as it went. `message` is the agent's final text; a skipped turn was never said."""

    session: int
    turn: int
    said: str = ""
    message: str = ""
    result: str = ""
    skipped: bool = False
    why: str = ""
    started_at: str = ""
    finished_at: str = ""
    opened: tuple[str, ...] = ()
    claims: Mapping[str, Claim] = field(default_factory=dict[str, Claim])
    usage: Usage | None = None

    @property
    def where(self) -> str:
        return f"session {self.session} turn {self.turn}"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens and money of one turn. `prompt_tokens` includes cached ones. `source`: "reported" or "computed"."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None
    source: str = "reported"


@dataclass(frozen=True, kw_only=True)
class SmokeRound:
    """One throughput that a run of the smoke command printed; a run may have printed several. `tok_s` is None for a run
    that printed none. `at` is when the run began, empty if unknown. `exit_code` is None where a signal ended it.
    `wall_s` is what the whole run took."""

    round: int
    side: Side
    exit_code: int | None = None
    tokens: float | None = None
    seconds: float | None = None
    tok_s: float | None = None
    at: str = ""
    wall_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class SmokeLog:
    """The whole log of one run of the smoke command; `path` is relative to the episode's folder. `reading`: what it was
    found to hold, if it was read already; a campaign's own expression is evaluated where a clock can stop it."""

    round: int
    side: Side
    path: str
    text: str
    reading: LogReading | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the runner's journal; `data` holds the keys beyond seq, at and event."""

    seq: int
    at: str
    event: str
    data: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that scoring may look at.

    `problems` are sentences about files that are missing or cannot be read; `unreadable` are the paths of those
    without which nothing can be judged. `tests`: per side, test name -> "ok", "failed" or "ignored". `conditions`:
    under which the smoke test was measured, and the rounds that they void.
    """

    problems: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    graded: bool = False
    checks: Mapping[str, CheckEvidence] = field(default_factory=dict[str, CheckEvidence])
    opened: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    env_reads: tuple[EnvRead, ...] = ()
    env_set_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    suppressions: tuple[Place, ...] = ()
    removed_public: tuple[Place, ...] = ()
    turns: tuple[Turn, ...] = ()
    tests: Mapping[Side, Mapping[str, str]] = field(default_factory=dict[Side, Mapping[str, str]])
    rounds: tuple[SmokeRound, ...] = ()
    logs: tuple[SmokeLog, ...] = ()
    events: tuple[Event, ...] = ()
    conditions: Conditions = field(default_factory=Conditions)

    @property
    def agent_gpu_s(self) -> float:
        """How long the agent had the GPU in its sessions."""
        held = (told.data.get("held_s") for told in self.events if told.event == "agent-gpu")
        return sum((seconds for seconds in held if isinstance(seconds, float)), 0.0)

    def logs_of(self, side: Side) -> tuple[SmokeLog, ...]:
        return tuple(log for log in self.logs if log.side == side)

    def rounds_of(self, side: Side) -> tuple[SmokeRound, ...]:
        return tuple(done for done in self.rounds if done.side == side)
