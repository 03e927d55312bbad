"""The launch seam: every process of an episode is started here and nowhere else.

`Seam.run` confines a command as `confinement` decided and waits for it; `Seam.trusted` runs the operator's own git
against the operator's own repository, the one thing that needs the operator's network and credentials.
"""

from __future__ import annotations

import contextlib
import os
import platform
import select
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from runner_agent import cgroup, clock, device_nodes, enter, quiescence, seccomp
from runner_agent.capture import Capture, Tally
from runner_agent.confinement import Bounds, Role, SandboxUnavailable, Wish, plan_process
from runner_agent.control import Control, DiskFloor, InfrastructureFault, Interrupted
from runner_agent.ending import Stop, judge
from runner_agent.journal import Journal
from runner_agent.machine import Machine
from runner_agent.protocol import Gpu, StageResult
from runner_agent.quota import LOOK_S, Watch
from runner_agent.redaction import NOTHING, Redaction
from runner_agent.sandbox import Sandbox, end, open_up

POLL_S = 0.1
LOGS_FACTOR = 16
"""All logs of the agent hold together so many times what one may hold, and all others as much again."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a process ended. `detail` is empty or a sentence; `exit_code` is None where a signal ended it; `limit` names
    the bound that ended it ("time", "output", "disk" or "processes"), if one did."""

    result: StageResult
    exit_code: int | None
    seconds: float
    started_at: str
    finished_at: str
    detail: str = ""
    limit: str = ""

    @property
    def ok(self) -> bool:
        return self.result == "ok"


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Where output goes, appended. Without `stderr` both go to `stdout`. Each is bounded by `limit_bytes`. `exact`: a
    program reads it, so that secrets in it stay."""

    stdout: Path
    limit_bytes: int
    stderr: Path | None = None
    stdin: bytes = b""
    exact: bool = False


class Seam:
    """The seam of one attempt."""

    def __init__(
        self,
        *,
        machine: Machine,
        attempt_id: str,
        agent_file: Path,
        bounds: Bounds,
        inits: Path,
        control: Control,
        leaf: Path | None,
        watch: Watch | None = None,
        journal: Journal | None = None,
        redaction: Redaction = NOTHING,
        out: Path | None = None,
        bound_by_kernel: bool = True,
    ) -> None:
        """`leaf` is the attempt's cgroup, if the machine lets this account make one; see `cgroup.make`. What is written
        below `out`, the episode's folder, is bounded in sum, too. Without `bound_by_kernel` processes are counted even
        where the kernel could bound them."""
        self.machine = machine
        self.agent_file = agent_file
        self.redaction = redaction
        self._attempt_id = attempt_id
        self._bounds = bounds
        self._inits = inits
        self._control = control
        self._leaf = leaf
        self._groups = cgroup.bound(leaf, bounds.processes) if leaf is not None and bound_by_kernel else None
        self._watch = watch
        self._journal = journal
        self._out = out
        self._tallies: dict[bool, Tally] = {}
        self._count_at_s = 0.0

    def show_only(self, device_uuid: str, gpus: tuple[Gpu, ...]) -> None:
        """From now on no process of the attempt sees another of the machine's `gpus`, as far as their device files are
        known. Raises InfrastructureFault where that device is not among them."""
        shown = device_nodes.only(self.machine.devices, device_nodes.chosen(device_uuid, gpus), gpus)
        self.machine = replace(self.machine, devices=shown)

    def run(self, wish: Wish, streams: Streams, limit_s: float) -> Outcome:
        """Runs a confined command. Raises Interrupted once it is killed because the attempt is to end, DiskFloor where
        the disk ran low, and SandboxUnavailable where it cannot be confined."""
        plan = plan_process(self.machine, wish, self._bounds)
        calls = seccomp.program(platform.machine())
        if calls is None:
            raise SandboxUnavailable(
                f"SANDBOX_UNAVAILABLE: no filter of system calls for {platform.machine()}; nothing runs unconfined"
            )
        open_up(Path(wish.tree), Path(wish.scratch))
        if self._watch is not None and wish.role != "tool":
            self._watch.admit("agent" if wish.role == "agent" else "judge", Path(wish.tree))
        groups = tuple(map(str, self._groups or ([self._leaf] if self._leaf is not None else [])))
        with tempfile.TemporaryFile() as info, tempfile.TemporaryFile(buffering=0) as refused:
            refused.write(calls)
            refused.seek(0)
            # bubblewrap writes the numbers of the sandbox's namespaces here before it starts the command.
            own = ("--info-fd", str(info.fileno()), "--seccomp", str(refused.fileno()))
            argv = (plan.argv[0], *own, *plan.argv[1:])
            entered = enter.command(str(self.agent_file), self.machine.python, groups, replace(plan, argv=argv))
            return self._supervise(entered, plan.env, streams, limit_s, wish.role, (info, refused))

    def trusted(self, argv: tuple[str, ...], env: Mapping[str, str], streams: Streams, limit_s: float) -> Outcome:
        """Runs the operator's own command unconfined, in the operator's environment and `env`."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("MATINS_")}
        return self._supervise(argv, {**own, **env}, streams, limit_s, None, ())

    def quiesce(self) -> quiescence.Proof:
        """Kills whatever is left of the attempt's processes, and proves it."""
        return quiescence.prove(self._attempt_id, self._inits)

    def close(self) -> None:
        """Gives the cgroup back; only once the attempt is quiescent."""
        if self._watch is not None:
            self._watch.close()
        if self._leaf is not None:
            cgroup.remove(self._leaf)

    def _supervise(
        self,
        argv: tuple[str, ...],
        env: Mapping[str, str],
        streams: Streams,
        limit_s: float,
        role: Role | None,
        passed: tuple[IO[bytes], ...],
    ) -> Outcome:
        """`passed`: what the child inherits, first the file that its sandbox is described in."""
        started_at = clock.utc_now()
        began = clock.monotonic_s()
        with contextlib.ExitStack() as stack:
            captures = self._captures(streams, role)
            for capture in captures:
                stack.callback(capture.close)
            child = _start(argv, {**env, quiescence.MARKER: self._attempt_id}, streams.stdin, captures, passed)
            sandbox = Sandbox(passed[0] if passed else None)
            stop = self._wait(child, sandbox, captures, began + limit_s, role)
            if stop is not None:
                end(child, sandbox)
            self._clear(sandbox)
        seconds = round(clock.monotonic_s() - began, 3)
        if isinstance(stop, Interrupted):
            raise stop
        if stop is None and any(capture.over for capture in captures):
            stop = "output"  # the last of it came as the command ended
        result, detail = judge(child.returncode, stop, limit_s, self._bound(stop, streams))
        if stop not in (None, "limit") and self._journal is not None:
            self._journal.record("limit-reached", limit=stop, detail=detail)
        if stop == "disk-floor":
            raise DiskFloor(detail)
        exit_code = child.returncode if child.returncode >= 0 else None
        return Outcome(
            result=result,
            exit_code=exit_code,
            seconds=seconds,
            started_at=started_at,
            finished_at=clock.utc_now(),
            detail=detail,
            limit="time" if stop == "limit" else stop or "",
        )

    def _captures(self, streams: Streams, role: Role | None) -> tuple[Capture, ...]:
        redaction = NOTHING if streams.exact else self.redaction
        tally = None
        if self._out is not None and streams.stdout.is_relative_to(self._out):
            tally = self._tallies.setdefault(role == "agent", Tally(LOGS_FACTOR * streams.limit_bytes))
        paths = (streams.stdout,) if streams.stderr is None else (streams.stdout, streams.stderr)
        return tuple(Capture(path, streams.limit_bytes, redaction, tally) for path in paths)

    def _bound(self, stop: Stop | None, streams: Streams) -> int:
        if stop == "processes":
            return self._bounds.processes
        if stop in ("disk", "disk-floor") and self._watch is not None:
            return self._watch.limit_bytes
        return streams.limit_bytes

    def _over(self, role: Role | None) -> Stop | None:
        """What a command of the episode uses too much of. The runner's own are not ended for it: they save what is."""
        if role in (None, "tool"):
            return None
        overrun = self._watch.why_stop(measuring=role == "smoke") if self._watch is not None else None
        return overrun or ("processes" if self._crowded() else None)

    def _crowded(self) -> bool:
        """Where the kernel does not bound their number they are counted; without a cgroup, the rlimit is all."""
        if self._leaf is None or self._groups is not None or clock.monotonic_s() < self._count_at_s:
            return False
        self._count_at_s = clock.monotonic_s() + LOOK_S
        return len(cgroup.members(self._leaf)) > self._bounds.processes

    def _clear(self, sandbox: Sandbox) -> None:
        """What a command left running in its sandbox ends before anything else begins."""
        init = sandbox.init()
        if init is None:
            return
        if not quiescence.end_sandbox(init, self._attempt_id):
            raise InfrastructureFault(
                f"process {init}, the init of a sandbox, outlived SIGKILL; look for processes in state D on this runner"
            )
        # A supervisor is a subreaper: bubblewrap's orphan became its child.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(init, 0)

    def _wait(
        self,
        child: subprocess.Popen[bytes],
        sandbox: Sandbox,
        captures: tuple[Capture, ...],
        deadline_s: float,
        role: Role | None,
    ) -> Stop | Interrupted | None:
        """Why the child must be ended, or None once it has ended by itself. What it writes is taken down meanwhile."""
        handle = os.pidfd_open(child.pid)
        noted = False
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            reading = {capture.read_end: capture for capture in captures}
            for descriptor in reading:
                poll.register(descriptor, select.POLLIN)
            while handle not in (ready := [descriptor for descriptor, _ in poll.poll(POLL_S * 1000)]):
                for descriptor in ready:
                    if not reading[descriptor].take():
                        poll.unregister(descriptor)
                if not noted and (init := sandbox.init()) is not None:
                    quiescence.note_init(self._inits, init)
                    noted = True
                reason = self._control.why_stop()
                if reason is not None:
                    return Interrupted(reason)
                if clock.monotonic_s() > deadline_s:
                    return "limit"
                if any(capture.over for capture in captures):
                    return "output"
                over = self._over(role)
                if over is not None:
                    return over
            child.wait()
            if not noted and (init := sandbox.init()) is not None:
                quiescence.note_init(self._inits, init)
            return None
        finally:
            os.close(handle)


def _start(
    argv: tuple[str, ...],
    env: Mapping[str, str],
    given: bytes,
    captures: tuple[Capture, ...],
    passed: tuple[IO[bytes], ...],
) -> subprocess.Popen[bytes]:
    """`captures` take down stdout and stderr, one alone both."""
    with tempfile.TemporaryFile() as stdin:
        stdin.write(given)
        stdin.seek(0)
        child = subprocess.Popen(
            argv,
            env=dict(env),
            stdin=stdin,
            stdout=captures[0].write_end,
            stderr=captures[-1].write_end,
            pass_fds=tuple(file.fileno() for file in passed),
            start_new_session=True,
            cwd="/",
        )
    for capture in captures:
        capture.started()
    return child
