"""A runner in memory, for tests of what talks to one. It keeps the rules of `Link`; nothing runs in it.

A test moves its attempts by hand: `await_checks`, `finish`, `die`, `log`. `unreachable` makes every call fail.
`give_up` ends an attempt whose hidden checks never came; `grade` then resumes it, until `finish` or `die`. `lose` takes
an attempt's folder away: it is reported as gone to whoever asks. `reboot` leaves each attempt the boot it began under.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from orchestrator.errors import LinkError, LinkRefused
from runner_agent.protocol import (
    PULL_OFFSET,
    AttemptRequest,
    AttemptStatus,
    Check,
    Chunk,
    ExitReason,
    ExitRecord,
    GradeRequest,
    Hello,
    LaunchSpec,
    PullRequest,
    Report,
    ReportRequest,
    StageRecord,
    rest_from,
)

EPOCH = "2026-01-01T00:00:00.000Z"
SUMS = "RUNNER_SHA256SUMS"
HELLO = Hello(
    agent_version="fake",
    boot_id="boot-1",
    hostname="fake",
    os="Debian GNU/Linux 12, kernel 6.1",
    python="3.11.2",
    cpus=4,
    memory_bytes=16 << 30,
    disk_free_bytes=100 << 30,
    gpus=(),
    gpu_problem="",
    tools={"git": "2.39.5"},
    sandbox="bubblewrap",
    sandbox_problem="",
    quiescence="cgroup2",
    tags=("linux", "vulkan"),
    attempts=(),
)


@dataclass(kw_only=True)
class FakeAttempt:
    status: AttemptStatus
    spec: LaunchSpec | None
    streams: dict[str, bytes] = field(default_factory=dict[str, bytes])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    checks: tuple[Check, ...] | None = None
    cancel_asked: bool = False
    acknowledged: bool = False
    ungraded: ExitRecord | None = None


class FakeLink:
    """`starts` lists the attempts that were really started, in order: a second start would show there."""

    def __init__(self, said: Hello = HELLO) -> None:
        self.said = said
        self.boot_id = said.boot_id
        self.at = EPOCH
        self.unreachable = ""
        self.starts: list[str] = []
        self.attempts: dict[str, FakeAttempt] = {}
        self._fences: dict[str, int] = {}

    def hello(self) -> Hello:
        self._reach()
        return replace(self.said, boot_id=self.boot_id, attempts=tuple(sorted(self._listed())))

    def launch(self, spec: LaunchSpec) -> AttemptStatus:
        self._reach()
        self._check_fence(spec.episode_id, spec.fence)
        if spec.attempt_id not in self.attempts:
            self._check_alone(spec)
            self._fences[spec.episode_id] = spec.fence
            self.starts.append(spec.attempt_id)
            status = AttemptStatus(
                attempt_id=spec.attempt_id,
                episode_id=spec.episode_id,
                fence=spec.fence,
                phase="running",
                boot_id=self.boot_id,
            )
            self.attempts[spec.attempt_id] = FakeAttempt(status=status, spec=spec)
        return self.attempts[spec.attempt_id].status

    def report(self, request: ReportRequest) -> Report:
        self._reach()
        chunks: list[Chunk] = []
        left = request.max_bytes
        for attempt_id, cursors in request.cursors.items():
            known = self.attempts.get(attempt_id)
            for stream, whole in sorted(known.streams.items()) if known else ():
                offset = cursors.get(stream, 0)
                data = whole[offset : offset + left]
                if stream == "events.jsonl":
                    data = data[: data.rfind(b"\n") + 1]
                if data:
                    left -= len(data)
                    text = base64.b64encode(data).decode()
                    chunks.append(Chunk(attempt_id=attempt_id, stream=stream, offset=offset, data=text))
        statuses = tuple(self.attempts[name].status for name in sorted(self._listed()))
        gone = tuple(sorted(name for name in request.cursors if name not in self.attempts))
        return Report(boot_id=self.boot_id, at=self.at, attempts=statuses, chunks=tuple(chunks), gone=gone)

    def cancel(self, request: AttemptRequest) -> AttemptStatus:
        self._reach()
        known = self.attempts.get(request.attempt_id)
        if known is None:
            self._check_fence(request.episode_id, request.fence)
            self._fences[request.episode_id] = request.fence
            status = AttemptStatus(
                attempt_id=request.attempt_id,
                episode_id=request.episode_id,
                fence=request.fence,
                phase="cancelled",
                boot_id=self.boot_id,
                detail="cancelled before it was started",
            )
            self.attempts[request.attempt_id] = FakeAttempt(status=status, spec=None)
            return status
        self._own(request.attempt_id, request.fence).cancel_asked = True
        return known.status

    def grade(self, request: GradeRequest) -> AttemptStatus:
        self._reach()
        known = self._own(request.attempt_id, request.fence)
        if known.status.gradable:
            known.checks, known.ungraded = request.checks, known.status.exit
            known.status = replace(
                known.status, phase="running", gradable=False, exit=None, detail="", boot_id=self.boot_id
            )
        elif known.checks is None and known.status.phase == "awaiting-checks":
            known.checks = request.checks
            known.status = replace(known.status, phase="running")
        elif known.checks is None and known.status.gradable:
            known.checks = request.checks
            known.status = replace(known.status, phase="running", boot_id=self.boot_id, gradable=False, exit=None)
        elif known.checks is None and known.status.phase == "running":
            raise LinkRefused("not-ended", "the agent's processes are not yet gone")
        return known.status

    @contextlib.contextmanager
    def pull(self, request: PullRequest) -> Iterator[BinaryIO]:
        self._reach()
        known = self._own(request.attempt_id, request.fence)
        if known.status.phase in ("running", "awaiting-checks"):
            raise LinkRefused("not-ended", f"attempt {request.attempt_id} is {known.status.phase}")
        if known.spec is None or known.acknowledged:
            raise LinkRefused("unknown-attempt", f"attempt {request.attempt_id} left no folder here")
        yield io.BytesIO(_tar(known.files if SUMS in known.files else _summed(known.files), request.held))

    def acknowledge(self, request: AttemptRequest) -> None:
        self._reach()
        known = self.attempts.get(request.attempt_id)
        if known is None or known.acknowledged:
            return
        self._own(request.attempt_id, request.fence)
        if known.status.phase in ("running", "awaiting-checks"):
            raise LinkRefused("not-ended", f"attempt {request.attempt_id} is {known.status.phase}")
        known.acknowledged = True
        known.files = {}

    # What a test does to the runner.

    def log(self, attempt_id: str, stream: str, data: bytes) -> None:
        """Appends to a stream of the attempt."""
        streams = self.attempts[attempt_id].streams
        streams[stream] = streams.get(stream, b"") + data

    def event(self, attempt_id: str, event: str, **data: object) -> None:
        """Appends an event to the attempt's journal."""
        seq = self.attempts[attempt_id].streams.get("events.jsonl", b"").count(b"\n") + 1
        line = json.dumps({"seq": seq, "at": self.at, "event": event, **data})
        self.log(attempt_id, "events.jsonl", line.encode() + b"\n")

    def enter(self, attempt_id: str, stage: str) -> None:
        """The attempt begins a stage."""
        self.event(attempt_id, "stage-started", stage=stage)
        known = self.attempts[attempt_id]
        known.status = replace(known.status, stage=stage, stage_since=self.at)

    def await_checks(self, attempt_id: str) -> None:
        """The attempt's agent is gone, and it waits for its hidden checks."""
        known = self.attempts[attempt_id]
        known.status = replace(known.status, phase="awaiting-checks", stage="grade", stage_since=self.at)

    def finish(
        self,
        attempt_id: str,
        files: Mapping[str, bytes],
        *,
        reason: ExitReason = "completed",
        detail: str = "",
        stages: tuple[StageRecord, ...] = (),
        gradable: bool = False,
    ) -> None:
        """The attempt ends, and leaves `files` in its folder; the checksums are added. `gradable`: its hidden checks
        never came, and it kept its tree."""
        known = self.attempts[attempt_id]
        known.files = _summed(files)
        record = ExitRecord(
            attempt_id=attempt_id,
            fence=known.status.fence,
            reason=reason,
            detail=detail,
            stages=stages,
            graded=reason == "completed" and not gradable,
            packed=True,
            started_at=self.at,
            finished_at=self.at,
        )
        known.status = replace(known.status, phase="exited", detail=detail, exit=record, gradable=gradable)

    def die(self, attempt_id: str) -> None:
        """The attempt's supervisor is killed, and all its processes with it; what it wrote so far is there."""
        known = self.attempts[attempt_id]
        known.files = known.files or {name: data for name, data in known.streams.items() if name == "events.jsonl"}
        known.status = replace(known.status, phase="dead", detail="its supervisor is gone")

    def reboot(self, boot_id: str) -> None:
        """Every living attempt dies with the boot."""
        self.boot_id = boot_id
        for attempt_id, known in self.attempts.items():
            if known.status.phase in ("running", "awaiting-checks"):
                self.die(attempt_id)

    def lose(self, attempt_id: str) -> None:
        """Processes and folder of the attempt are gone, as if someone had deleted them."""
        del self.attempts[attempt_id]

    def _reach(self) -> None:
        if self.unreachable:
            raise LinkError(self.unreachable)

    def _listed(self) -> list[str]:
        return [name for name, known in self.attempts.items() if not known.acknowledged]

    def _own(self, attempt_id: str, fence: int) -> FakeAttempt:
        known = self.attempts.get(attempt_id)
        if known is None:
            raise LinkRefused("unknown-attempt", f"attempt {attempt_id} is not known here")
        if known.status.fence != fence:
            raise LinkRefused("stale-fence", f"attempt {attempt_id} has fence {known.status.fence}, not {fence}")
        return known

    def _check_fence(self, episode_id: str, fence: int) -> None:
        seen = self._fences.get(episode_id, 0)
        if fence < seen:
            raise LinkRefused("stale-fence", f"fence {fence} of episode {episode_id} is lower than {seen}")

    def _check_alone(self, spec: LaunchSpec) -> None:
        for attempt_id in self._listed():
            other = self.attempts[attempt_id]
            if other.status.episode_id != spec.episode_id:
                continue
            if other.status.fence >= spec.fence:
                raise LinkRefused("stale-fence", f"attempt {attempt_id} already has fence {other.status.fence}")
            if other.status.phase in ("running", "awaiting-checks"):
                other.cancel_asked = True
                raise LinkRefused("not-ended", f"attempt {attempt_id} of the same episode still runs here")


def _summed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    return {**files, SUMS: sums.encode()}


def _tar(files: Mapping[str, bytes], held: Mapping[str, int]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in sorted(files.items(), key=lambda each: each[0] != SUMS):
            offset = rest_from(0 if name == SUMS else held.get(name, 0), len(data))
            if offset is not None:
                info = tarfile.TarInfo(name)
                info.size = len(data) - offset
                info.pax_headers = {PULL_OFFSET: str(offset)} if offset else {}
                tar.addfile(info, io.BytesIO(data[offset:]))
    return buffer.getvalue()
