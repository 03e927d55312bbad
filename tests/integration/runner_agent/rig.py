"""A toy repository, a runner home and a link to it, for tests that run whole attempts."""

from __future__ import annotations

import base64
import fcntl
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.machines.link import Link
from orchestrator.machines.local import LocalLink
from runner_agent.home import Home
from runner_agent.protocol import (
    Agent,
    AttemptRequest,
    AttemptStatus,
    Check,
    Command,
    GradeRequest,
    Item,
    LaunchSpec,
    Limits,
    Measure,
    OverlayFile,
    PullRequest,
    ReportRequest,
    Session,
    Smoke,
    Turn,
)

WAIT_S = 300.0
SMOKE = 'echo "[GPU THROUGHPUT] tokens=$(cat speed) seconds=1.0 tok_s=$(cat speed)"\n'
FILES = {
    "speed": "10\n",
    "source.txt": "one\n",
    "ci/smoke.sh": SMOKE,
    "ci/test.sh": 'echo "running 1 test"\necho "test adds_up ... ok"\n',
    ".gitignore": "built\n",
}


def sh(script: str, limit_s: float = 150.0) -> Command:
    return Command(argv=("sh", "-c", script), limit_s=limit_s)


def make_repository(folder: Path, files: Mapping[str, str] = FILES) -> str:
    """Makes a git repository of `files`; returns its commit."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git = ("git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgSign=false")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "base")):
        subprocess.run([*git, *words], check=True, capture_output=True)
    told = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return told.stdout.strip()


@dataclass(frozen=True, kw_only=True)
class Rig:
    root: Path
    link: Link
    commit: str

    @staticmethod
    def make(root: Path) -> Rig:
        commit = make_repository(root / "repository")
        return Rig(root=root, link=LocalLink(root / "home"), commit=commit)

    @property
    def home(self) -> Home:
        return Home(self.root / "home")

    def spec(self, name: str, script: str = "true", **changes: Any) -> LaunchSpec:
        """An attempt whose agent is `sh -c script`, with one session of one turn unless changed."""
        spec = LaunchSpec(
            attempt_id=f"attempt-{name}",
            episode_id=f"episode-{name}",
            fence=1,
            kind="episode",
            repo_url=str(self.root / "repository"),
            commit=self.commit,
            base_key="base",
            agent=Agent(kind="command", name="command:sh", config={"kind": "command", "argv": ["sh", "-c", script]}),
            sessions=(Session(turns=(Turn(say="Do it."),)),),
            items=(Item(id="fast", title="Make it fast"), Item(id="clean", title="Keep it clean")),
            checks=(),
            hidden_checks=0,
            build=(sh("cp source.txt built"),),
            lint=(sh("true"),),
            test=(sh("sh ci/test.sh"),),
            smoke=Smoke(command=sh("sh ci/smoke.sh"), measure=Measure(rounds=1)),
            limits=Limits(
                wall_s=600,
                session_s=300,
                checkout_s=300,
                smoke_s=150,
                grade_s=150,
                grade_wait_s=150,
                log_bytes=1 << 20,
                disk_bytes=1 << 30,
                processes=4096,
            ),
        )
        return replace(spec, **changes)

    def run(self, spec: LaunchSpec) -> AttemptStatus:
        """Launches, and waits for the end."""
        self.link.launch(spec)
        return self.end(spec)

    def end(self, spec: LaunchSpec) -> AttemptStatus:
        """Blocks until the supervisor is gone: the kernel frees its lock then."""
        with open(self.home.attempt(spec.attempt_id).alive) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
        return self.status(spec)

    def status(self, spec: LaunchSpec) -> AttemptStatus:
        return next(status for status in self.statuses() if status.attempt_id == spec.attempt_id)

    def statuses(self) -> tuple[AttemptStatus, ...]:
        return self.link.report(ReportRequest(cursors={})).attempts

    def wait(self, spec: LaunchSpec, until: Callable[[AttemptStatus], bool]) -> AttemptStatus:
        """Asks the runner again and again; fails after `WAIT_S`."""
        deadline = time.monotonic() + WAIT_S
        while not until(status := self.status(spec)):
            assert time.monotonic() < deadline, f"still {status}\n{self.events(spec)}"
        return status

    def wait_event(self, spec: LaunchSpec, event: str) -> None:
        self.wait(spec, lambda _: any(each["event"] == event for each in self.events(spec)))

    def events(self, spec: LaunchSpec) -> list[dict[str, Any]]:
        chunks = self.link.report(ReportRequest(cursors={spec.attempt_id: {}})).chunks
        text = b"".join(base64.b64decode(chunk.data) for chunk in chunks if chunk.stream == "events.jsonl")
        return [json.loads(line) for line in text.splitlines()]

    def seen(self, spec: LaunchSpec, path: Path) -> Path:
        """The path as the attempt's supervisor sees it: trees in layers are mounted for it and its children alone."""
        identity = self.home.attempt(spec.attempt_id).identity
        return Path(f"/proc/{json.loads(identity.read_text())['pid']}/root{path}") if identity.exists() else path

    def stage(self, status: AttemptStatus, name: str) -> str:
        """The result of the last stage of that name."""
        assert status.exit is not None
        return [stage.result for stage in status.exit.stages if stage.stage == name][-1]

    def pull(self, spec: LaunchSpec) -> dict[str, bytes]:
        asked = PullRequest(attempt_id=spec.attempt_id, episode_id=spec.episode_id, fence=spec.fence)
        with self.link.pull(asked) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            return {member.name: _content(tar, member) for member in tar}


def request(spec: LaunchSpec) -> AttemptRequest:
    return AttemptRequest(attempt_id=spec.attempt_id, episode_id=spec.episode_id, fence=spec.fence)


def checks(spec: LaunchSpec, *delivered: Check) -> GradeRequest:
    return GradeRequest(
        attempt_id=spec.attempt_id, episode_id=spec.episode_id, fence=spec.fence, checks=tuple(delivered)
    )


def overlay(path: str, text: str) -> OverlayFile:
    return OverlayFile(path=path, content=base64.b64encode(text.encode()).decode())


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return (file or io.BytesIO()).read()
