"""What the stages of an attempt share."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner_agent import gates, locks
from runner_agent.confinement import Bind, Role, Wish
from runner_agent.control import Control
from runner_agent.freshness import Fresh
from runner_agent.home import AttemptFolder, BaseFolder, Home
from runner_agent.journal import Journal
from runner_agent.process import Outcome, Seam, Streams
from runner_agent.protocol import TREE_VARIABLE, Check, Command, LaunchSpec, StageResult
from runner_agent.shadow import Shadow
from runner_agent.snapshots import Method

JUDGE = "judge"
"""The scratch of build, lint, tests and checks."""


@dataclass(frozen=True, kw_only=True)
class StageEnd:
    """How a stage went. `cut`: a session ended at a limit of its own, and none may follow."""

    result: StageResult = "ok"
    detail: str = ""
    cut: bool = False


@dataclass(kw_only=True)
class Findings:
    """What one stage found that a later one needs."""

    claims: dict[str, str] = field(default_factory=dict[str, str])
    opened: set[str] = field(default_factory=set[str])
    results: dict[str, StageResult] = field(default_factory=dict[str, StageResult])
    base_built: bool = False
    expression_stopped: bool = False
    session_ended_early: bool = False
    graded: bool = False
    fresh: Fresh = field(default_factory=Fresh)
    agent_gpu_s: float = 0.0
    agent_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Context:
    """`methods`: how its trees are to be copied, in the order in which they are to be tried."""

    spec: LaunchSpec
    home: Home
    folder: AttemptFolder
    journal: Journal
    control: Control
    seam: Seam
    shadow: Shadow
    found: Findings
    methods: tuple[Method, ...] = ("copy",)

    @property
    def out(self) -> Path:
        return self.folder.out

    @property
    def base(self) -> BaseFolder:
        return self.home.base(self.spec.base_key)

    @contextlib.contextmanager
    def base_held(self) -> Generator[None, None, None]:
        """Nobody makes the base anew meanwhile: another attempt may, when the driver changed."""
        with locks.held(self.base.lock, shared=True, check=self.control.check):
            yield

    @property
    def mirror(self) -> Path:
        return self.home.mirror(self.spec.repo_url)

    def scratch(self, name: str) -> Path:
        """A writable home of its own: what an agent leaves in its home must not steer the build that judges it."""
        path = self.folder.scratch / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def streams(self, path: Path) -> Streams:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Streams(stdout=path, limit_bytes=self.spec.limits.log_bytes)

    def run(
        self,
        role: Role,
        command: Command,
        log: Path,
        *,
        tree: Path,
        env: Mapping[str, str] | None = None,
        tree_writable: bool = True,
        binds: tuple[Bind, ...] = (),
        scratch: str = JUDGE,
    ) -> Outcome:
        """Runs a command in the sandbox with both its outputs in `log`; one that asks for the GPU once its gate is
        held. The smoke test's is held over all its runs."""
        known_as = self.found.fresh.tree if tree == self.folder.judged else self.spec.commit
        wish = Wish(
            role=role,
            argv=command.argv,
            tree=str(tree),
            tree_writable=tree_writable,
            scratch=str(self.scratch(scratch)),
            env={TREE_VARIABLE: known_as, **(env or {})},
            binds=binds,
            network=self.spec.network,
            gpu=command.gpu,
        )
        device = gates.of_device(self.home, self.spec.gpu, self.control, self.journal)
        with device if command.gpu else contextlib.nullcontext():
            return self.seam.run(wish, self.streams(log), command.limit_s)

    def write(self, name: str, value: Any) -> None:
        """A JSON file of the episode's folder."""
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=1) + "\n")

    def append(self, name: str, value: Any) -> None:
        """A line of a JSON-lines file of the episode's folder."""
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a") as file:
            file.write(json.dumps(value) + "\n")


@dataclass(frozen=True, kw_only=True)
class DeliveredChecks:
    """The checks that are judged on the runner; `complete` is false where the hidden ones never came."""

    checks: tuple[Check, ...]
    complete: bool
