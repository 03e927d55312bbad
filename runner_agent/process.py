"""The launch seam: every process of an episode is started here and nowhere else.

`Seam.run` confines a command as `confinement` decided and waits for it; `Seam.lend` does the same beside it, for one
that the agent asked for. While another attempt measures, they make room (`aside`). `Seam.trusted` runs the operator's
own git against the operator's own repository, the one thing that needs the operator's network and credentials.
"""

from __future__ import annotations

import contextlib
import os
import platform
import select
import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO

from runner_agent import cgroup, child, clock, device_nodes, enter, isolation, quiescence, seccomp
from runner_agent.aside import Aside, Unmoved
from runner_agent.capture import Capture, Tally
from runner_agent.child import Ends, Job, Outcome, Streams
from runner_agent.confinement import Bounds, Place, Role, SandboxUnavailable, Wish, plan_process
from runner_agent.control import Control, DiskFloor, Interrupted
from runner_agent.ending import Stop, judge
from runner_agent.journal import Journal
from runner_agent.machine import Machine
from runner_agent.protocol import Gpu, Isolation
from runner_agent.quota import LOOK_S, Watch
from runner_agent.redaction import NOTHING, Redaction
from runner_agent.sandbox import Sandbox, clear, end, open_up

POLL_S = 0.1
LOGS_FACTOR = 16
"""All logs of the agent hold together so many times what one may hold, and all others as much again."""


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
        register: isolation.Register | None = None,
    ) -> None:
        """`leaf` is the attempt's cgroup, if the machine lets this account make one; see `cgroup.make`. What is written
        below `out`, the episode's folder, is bounded in sum, too. Without `bound_by_kernel` processes are counted even
        where the kernel could bound them. `register`: of those who measure; without it nobody makes room."""
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
        self._register = register
        self._measured_on: tuple[int, ...] = ()
        self.frozen_s = 0.0

    @contextlib.contextmanager
    def measuring(self, wanted: Isolation, *, alone: bool = False) -> Generator[None, None, None]:
        """Meanwhile what runs as "smoke" has its own cores, and what other attempts run makes room for it. `alone`:
        there are no others, so that it may have all cores."""
        if self._register is None:
            yield
            return
        check, siblings = self._control.check, () if alone else self.machine.siblings
        with self._register.measure(self._attempt_id, wanted, siblings, check, self._journal) as mark:
            self._measured_on = mark.cores
            try:
                yield
            finally:
                self._measured_on = ()

    def show_only(self, device_uuid: str, gpus: tuple[Gpu, ...]) -> None:
        """From now on no process of the attempt sees another of the machine's `gpus`, as far as their device files are
        known. Raises InfrastructureFault where that device is not among them."""
        shown = device_nodes.only(self.machine.devices, device_nodes.chosen(device_uuid, gpus), gpus)
        self.machine = replace(self.machine, devices=shown)

    def run(self, wish: Wish, streams: Streams, limit_s: float) -> Outcome:
        """Runs a confined command. Raises Interrupted once it is killed because the attempt is to end, DiskFloor where
        the disk ran low, and SandboxUnavailable where it cannot be confined."""
        self.expect(wish.role, Path(wish.tree), Path(wish.scratch))
        return self._confined(wish, Job(role=wish.role, limit_s=limit_s, ends=streams))

    def expect(self, role: Role, tree: Path, scratch: Path) -> None:
        """What has to be done before a command runs in `tree`: mend the folders, and count what is there already. `run`
        does so itself, at once where it was done before: counting takes long, and the GPU may be idle meanwhile."""
        open_up(tree, scratch)
        if self._watch is not None and role != "tool":
            self._watch.admit("agent" if role == "agent" else "judge", tree)

    def lend(self, wish: Wish, ends: Ends, limit_s: float, gone: Callable[[], bool]) -> Outcome:
        """Runs a confined command beside one of `run`, from another thread, on somebody else's descriptors. It ends
        once he is `gone`. Raises as `run` does."""
        return self._confined(wish, Job(role=wish.role, limit_s=limit_s, ends=ends, beside=True, gone=gone))

    def trusted(self, argv: tuple[str, ...], env: Mapping[str, str], streams: Streams, limit_s: float) -> Outcome:
        """Runs the operator's own command unconfined, in the operator's environment and `env`."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("MATINS_")}
        return self._supervise(argv, {**own, **env}, Job(role=None, limit_s=limit_s, ends=streams), Unmoved(), ())

    def quiesce(self) -> quiescence.Proof:
        """Kills whatever is left of the attempt's processes, and proves it."""
        return quiescence.prove(self._attempt_id, self._inits)

    def close(self) -> None:
        """Gives the cgroup back; only once the attempt is quiescent."""
        if self._watch is not None:
            self._watch.close()
        if self._leaf is not None:
            cgroup.remove(self._leaf)

    def _confined(self, wish: Wish, job: Job) -> Outcome:
        calls = seccomp.program(platform.machine())
        if calls is None:
            raise SandboxUnavailable(
                f"SANDBOX_UNAVAILABLE: no filter of system calls for {platform.machine()}; nothing runs unconfined"
            )
        groups = tuple(map(str, self._groups or ([self._leaf] if self._leaf is not None else [])))
        aside = self._aside(job)
        with (
            contextlib.closing(aside),
            tempfile.TemporaryFile() as info,
            tempfile.TemporaryFile(buffering=0) as refused,
        ):
            standing = aside.start(lambda frozen_s: self._was_frozen(frozen_s, job))
            cores = self._measured_on if job.role == "smoke" else standing.cores
            plan = plan_process(self.machine, wish, self._bounds, Place(cores=cores, idle=standing.idle))
            refused.write(calls)
            refused.seek(0)
            # bubblewrap writes the numbers of the sandbox's namespaces here before it starts the command.
            own = ("--info-fd", str(info.fileno()), "--seccomp", str(refused.fileno()))
            argv = (plan.argv[0], *own, *plan.argv[1:])
            entered = enter.command(str(self.agent_file), self.machine.python, groups, replace(plan, argv=argv))
            return self._supervise(entered, plan.env, job, aside, (info, refused))

    def _aside(self, job: Job) -> Unmoved:
        if self._register is None or job.role in (None, "smoke"):
            return Unmoved()
        return Aside(
            register=self._register,
            attempt_id=self._attempt_id,
            cores=self.machine.cores,
            leaf=self._leaf,
            journal=None if job.beside else self._journal,
        )

    def _was_frozen(self, seconds: float, job: Job) -> None:
        """Time that was another's measurement is not the attempt's. Raises Interrupted where that is to end."""
        if seconds and not job.beside:
            self.frozen_s += seconds
            self._control.extend(seconds)
        self._control.check()

    def _supervise(
        self, argv: tuple[str, ...], env: Mapping[str, str], job: Job, aside: Unmoved, passed: tuple[IO[bytes], ...]
    ) -> Outcome:
        """`passed`: what the child inherits, first the file that its sandbox is described in."""
        started_at = clock.utc_now()
        began, before_s = clock.monotonic_s(), aside.frozen_s
        with contextlib.ExitStack() as stack:
            captures = self._captures(job.ends, job.role) if isinstance(job.ends, Streams) else ()
            for capture in captures:
                stack.callback(capture.close)
            ends = child.piped(job.ends, captures, stack) if isinstance(job.ends, Streams) else job.ends
            running = child.start(argv, {**env, quiescence.MARKER: self._attempt_id}, ends, passed)
            for capture in captures:
                capture.started()
            sandbox = Sandbox(passed[0] if passed else None)
            try:
                stop: Stop | Interrupted | None = self._wait(
                    running, sandbox, job, captures, aside, began + job.limit_s
                )
            except Interrupted as interrupted:
                stop = interrupted
            finally:
                aside.close()
            if stop is not None:
                end(running, sandbox)
            clear(sandbox, self._attempt_id)
        seconds = round(clock.monotonic_s() - began, 3)
        if isinstance(stop, Interrupted):
            raise stop
        if stop is None and any(capture.over for capture in captures):
            stop = "output"  # the last of it came as the command ended
        result, detail = judge(running.returncode, stop, job.limit_s, self._bound(stop, job))
        if stop not in (None, "limit", "gone") and self._journal is not None:
            self._journal.record("limit-reached", limit=stop, detail=detail)
        if stop == "disk-floor":
            raise DiskFloor(detail)
        return Outcome(
            result=result,
            exit_code=running.returncode if running.returncode >= 0 else None,
            seconds=seconds,
            started_at=started_at,
            finished_at=clock.utc_now(),
            detail=detail,
            limit="time" if stop == "limit" else stop or "",
            frozen_s=round(aside.frozen_s - before_s, 3),
        )

    def _captures(self, streams: Streams, role: Role | None) -> tuple[Capture, ...]:
        redaction = NOTHING if streams.exact else self.redaction
        tally = None
        if self._out is not None and streams.stdout.is_relative_to(self._out):
            tally = self._tallies.setdefault(role == "agent", Tally(LOGS_FACTOR * streams.limit_bytes))
        paths = (streams.stdout,) if streams.stderr is None else (streams.stdout, streams.stderr)
        return tuple(Capture(path, streams.limit_bytes, redaction, tally) for path in paths)

    def _bound(self, stop: Stop | None, job: Job) -> int:
        if stop == "processes":
            return self._bounds.processes
        if stop in ("disk", "disk-floor") and self._watch is not None:
            return self._watch.limit_bytes
        return job.ends.limit_bytes if isinstance(job.ends, Streams) else 0

    def _over(self, job: Job, captures: tuple[Capture, ...]) -> Stop | None:
        """What a command of the episode uses too much of. The runner's own are not ended for it: they save what is."""
        if any(capture.over for capture in captures):
            return "output"
        if job.role in (None, "tool") or job.beside:
            return None
        overrun = self._watch.why_stop(measuring=job.role == "smoke") if self._watch is not None else None
        return overrun or ("processes" if self._crowded() else None)

    def _crowded(self) -> bool:
        """Where the kernel does not bound their number they are counted; without a cgroup, the rlimit is all."""
        if self._leaf is None or self._groups is not None or clock.monotonic_s() < self._count_at_s:
            return False
        self._count_at_s = clock.monotonic_s() + LOOK_S
        return len(cgroup.members(self._leaf)) > self._bounds.processes

    def _wait(
        self,
        running: subprocess.Popen[bytes],
        sandbox: Sandbox,
        job: Job,
        captures: tuple[Capture, ...],
        aside: Unmoved,
        deadline_s: float,
    ) -> Stop | None:
        """Why the child must be ended, or None once it has ended by itself. What it writes is taken down meanwhile.
        Raises Interrupted where the attempt is to end."""
        handle = os.pidfd_open(running.pid)
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
                frozen_s = aside.look(running.pid)
                deadline_s += frozen_s
                self._was_frozen(frozen_s, job)
                if job.gone():
                    return "gone"
                if clock.monotonic_s() > deadline_s:
                    return "limit"
                over = self._over(job, captures)
                if over is not None:
                    return over
            running.wait()
            if not noted and (init := sandbox.init()) is not None:
                quiescence.note_init(self._inits, init)
            return None
        finally:
            os.close(handle)
