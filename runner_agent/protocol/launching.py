"""What a runner is told of an attempt: `launch`, and `grade` with the hidden checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from runner_agent.protocol.words import CheckKind, Isolation


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command of a stage. `argv` is executed as it stands, in the tree, never by a shell. With `gpu`, a command
    other than the smoke test sees the device, too, and waits for its gate."""

    argv: tuple[str, ...]
    limit_s: float
    gpu: bool = False


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
    what the device cannot exceed. `preload`: files that it will read, of the tree or, by absolute paths, of the
    machine."""

    command: Command
    env: dict[str, str] = field(default_factory=dict[str, str])
    throughput: str = "matins"
    dispatches: str = "perdispatch"
    must_print: tuple[str, ...] = ()
    equal: tuple[str, ...] = ()
    ceiling_tok_s: float | None = None
    preload: tuple[str, ...] = ()
    measure: Measure = field(default_factory=Measure)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`agent_gpu_s`: how long the agent may hold the GPU in its sessions, in sum; 0: not at all. `budget_usd`: what it
    may spend on its model, by its own account, before no turn is begun any more; 0: whatever it likes."""

    wall_s: float
    session_s: float
    checkout_s: float
    smoke_s: float
    grade_s: float
    grade_wait_s: float
    log_bytes: int
    disk_bytes: int
    processes: int
    agent_gpu_s: float = 0.0
    budget_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LaunchSpec:
    """All that a runner needs for one attempt. `preflight` walks the same stages with no session, on the base.

    `base_key` names the built base tree that is kept on the runner for baseline runs. `hide` lists folders of the
    machine that no process of the attempt may see. `network` is "full" or "none" for every process of the attempt.
    `gpu` is the deviceUUID of the one Vulkan device that it is for; empty: it may use any, and no other may beside it.
    `build_slots`: how many attempts may build, lint and test on the machine at a time. `isolation`: what other attempts
    on the machine do while this one is measured; `alone`: it lets no other begin. With `deliver="push"` the runner
    is brought the commit beforehand (`bundle`) and fetches nothing. `cache_bytes`: what built bases and mirrors may
    hold on the machine in sum. `reuse`: a measurement that was made of the same on this machine may be taken instead.
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
    build_slots: int = 1
    reuse: bool = False
    isolation: Isolation = "shared"
    alone: bool = False
    deliver: Literal["fetch", "push"] = "fetch"
    cache_bytes: int = 100 << 30
