"""A runner in memory, for tests of what talks to one. It keeps the rules of `Link`; nothing runs in it.

A test moves its attempts by hand: `await_checks`, `finish`, `die`, `log`. `unreachable` makes every call fail.
`give_up` ends an attempt whose hidden checks never came; `grade` then resumes it, until `finish` or `die`. `lose` takes
an attempt's folder away: it is reported as gone to whoever asks. `reboot` leaves each attempt the boot it began under.
`commits`: what its mirrors hold, as (repository, commit). `against` holds what speaks against its sleep, besides
attempts; once it said yes to `suspend` it takes no attempt until `wake` or `reboot`. Its `meter` and `readings` go with
each report.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import BinaryIO

from orchestrator.errors import LinkError, LinkRefused
from orchestrator.machines.fake_parts import HELLO, SUMS, FakeAttempt, summed, tarred
from runner_agent.protocol import (
    AttemptRequest,
    AttemptStatus,
    BundleAnswer,
    BundleRequest,
    Chunk,
    DoctorAnswer,
    DoctorRequest,
    ExitReason,
    ExitRecord,
    GradeRequest,
    Hello,
    LaunchSpec,
    Meter,
    Prerequisite,
    PullRequest,
    Readings,
    Report,
    ReportRequest,
    StageRecord,
    SuspendAnswer,
    SuspendRequest,
)

EPOCH = "2026-01-01T00:00:00.000Z"


class FakeLink:
    """`starts` lists the attempts that were really started, in order: a second start would show there; `sleeps` the
    tokens that it really went to sleep for."""

    def __init__(self, said: Hello = HELLO) -> None:
        self.said = said
        self.boot_id = said.boot_id
        self.at = EPOCH
        self.unreachable = ""
        self.starts: list[str] = []
        self.attempts: dict[str, FakeAttempt] = {}
        self._fences: dict[str, int] = {}
        self.against: dict[str, str] = {}
        self.sleeps: list[str] = []
        self.falls_asleep = False
        self.prerequisites: tuple[Prerequisite, ...] = ()
        self.commits: set[tuple[str, str]] = set()
        self._incoming: dict[str, bytes] = {}
        self.meter: Meter | None = None
        self.readings: Readings | None = None

    def hello(self) -> Hello:
        self._reach()
        return replace(self.said, boot_id=self.boot_id, attempts=tuple(sorted(self._listed())))

    def launch(self, spec: LaunchSpec) -> AttemptStatus:
        self._reach()
        self._check_fence(spec.episode_id, spec.fence)
        if spec.attempt_id not in self.attempts:
            if self.falls_asleep:
                raise LinkRefused("suspending", "the machine is about to sleep")
            if spec.attempt_id in self.starts:
                raise LinkRefused("unknown-attempt", f"attempt {spec.attempt_id} was here before; its folder is gone")
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

    def bundle(self, request: BundleRequest) -> BundleAnswer:
        self._reach()
        if (request.repo_url, request.commit) in self.commits:
            return BundleAnswer(present=True)
        if not request.sha256:
            return BundleAnswer(present=False, tips=tuple(sorted(commit for _, commit in self.commits)))
        held = self._incoming.get(request.sha256, b"")
        if request.offset == len(held):
            held += base64.b64decode(request.data)
        self._incoming[request.sha256] = held
        if len(held) < request.bytes:
            return BundleAnswer(present=False, held_bytes=len(held))
        del self._incoming[request.sha256]
        if hashlib.sha256(held).hexdigest() != request.sha256:
            raise LinkRefused("runner-fault", f"the bundle of {request.commit} came damaged; it has to be sent again")
        self.commits.add((request.repo_url, request.commit))
        return BundleAnswer(present=True, held_bytes=len(held))

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
        return Report(
            boot_id=self.boot_id,
            at=self.at,
            attempts=statuses,
            chunks=tuple(chunks),
            gone=gone,
            meter=self.meter,
            readings=self.readings,
        )

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
        yield io.BytesIO(tarred(known.files if SUMS in known.files else summed(known.files), request.held))

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

    def suspend(self, request: SuspendRequest) -> SuspendAnswer:
        self._reach()
        against = {**self._open_attempts(), **self.against}
        if request.token in self.sleeps or self.falls_asleep:
            return SuspendAnswer(accepted=True)
        if against:
            return SuspendAnswer(accepted=False, refusals=tuple(against), why=tuple(against.values()))
        self.sleeps.append(request.token)
        self.falls_asleep = True
        return SuspendAnswer(accepted=True)

    def doctor(self, request: DoctorRequest) -> DoctorAnswer:
        self._reach()
        return DoctorAnswer(prerequisites=self.prerequisites)

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
        known.files = summed(files)
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
        self.falls_asleep = False
        self.boot_id = boot_id
        for attempt_id, known in self.attempts.items():
            if known.status.phase in ("running", "awaiting-checks"):
                self.die(attempt_id)

    def wake(self, boot_id: str = "") -> None:
        """It is awake again, in another boot if one is named."""
        self.falls_asleep = False
        self.unreachable = ""
        if boot_id:
            self.reboot(boot_id)

    def lose(self, attempt_id: str) -> None:
        """Processes and folder of the attempt are gone, as if someone had deleted them."""
        del self.attempts[attempt_id]

    def _reach(self) -> None:
        if self.unreachable:
            raise LinkError(self.unreachable)

    def _open_attempts(self) -> dict[str, str]:
        kinds = {"running": "live-attempt", "awaiting-checks": "live-attempt"}
        kinds |= {"exited": "unacknowledged-result", "dead": "unacknowledged-result"}
        phases = ((name, self.attempts[name].status.phase) for name in sorted(self._listed()))
        return {kinds[phase]: f"attempt {name} is {phase}" for name, phase in phases if phase in kinds}

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
