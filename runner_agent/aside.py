"""Makes room for a measurement: the processes of one running command are moved to other cores, at idle priority, or
frozen, and when it is over they go on with the priority that they had. `isolation` says which. The cores that a running
command left it does not get back (`narrowed`); its successor does.

A process may move its own threads back; that is undone within `AGAIN_S`. Idle priority it cannot leave: that takes a
right that no sandbox has. For the same reason an account without it cannot give the priority back, and a command that
was running then stays idle to its end.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Collection
from pathlib import Path

from runner_agent import cgroup, clock, isolation
from runner_agent.isolation import Cores, Notice, Register, Standing
from runner_agent.journal import Journal

LOOK_S = 0.05
AGAIN_S = 1.0
FREEZE_LIMIT_S = 0.5
PASSES_MOST = 20
"""While new threads appear between two looks."""
POLL_S = 0.005
START_POLL_S = 0.05
STOPPED = ("T", "t", "Z", "X")


class Unmoved:
    """A command that makes room for nobody: it measures itself, or there is nobody to tell it."""

    frozen_s = 0.0
    frozen = False

    def start(self, tick: Callable[[float], None]) -> Standing:
        del tick
        return Standing()

    def look(self, pid: int) -> float:
        """How long the command was frozen since the last look."""
        del pid
        return 0.0

    def close(self) -> None: ...


class Aside(Unmoved):
    """A command that makes room. `start`, then `look` several times a second, then `close`."""

    def __init__(
        self, *, register: Register, attempt_id: str, cores: Cores, leaf: Path | None, journal: Journal | None
    ) -> None:
        """`cores` are all that the attempt may use. `leaf`: the cgroup that holds its processes, if there is one."""
        self._register = register
        self._attempt_id = attempt_id
        self._cores = cores
        self._processes = _Processes(leaf)
        self._journal = journal
        self._standing = Standing()
        self._since_s = self._looked_s = self._again_s = clock.monotonic_s()
        self._begun = self._closed = False
        # Before anything is decided: whoever measures from now on waits for the answer.
        self._notice: Notice = register.enter(attempt_id)
        self.frozen_s = 0.0

    @property
    def frozen(self) -> bool:
        return self._standing.frozen

    def start(self, tick: Callable[[float], None]) -> Standing:
        """Waits while it would be frozen; then how the command is to be started. `tick` is told the time that passed so
        and may raise."""
        while self._wanted().frozen:
            self._take(self._wanted())
            clock.pause(START_POLL_S)
            tick(self._count())
        self._take(self._wanted())
        self._begun = True
        return self._standing

    def look(self, pid: int) -> float:
        """Applies what has changed to `pid` and all that descend from it."""
        now_s = clock.monotonic_s()
        if now_s < self._looked_s + LOOK_S:
            return 0.0
        spent_s = self._count()
        wanted = self._wanted()
        if wanted == self._standing and (not wanted.towards or now_s < self._again_s):
            return spent_s
        self._again_s = now_s + AGAIN_S
        if self._apply(wanted, pid):
            self._take(wanted)
        return spent_s

    def close(self) -> None:
        """Lets the processes go on, those that are left. Once is enough."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._processes.thaw()
        self._take(Standing())
        self._notice.leave()
        if self._begun:
            _to_cores(0, self._cores)

    def _wanted(self) -> Standing:
        marks = tuple(mark for mark in self._register.marks() if mark.attempt != self._attempt_id)
        return isolation.standing(self._cores, marks)

    def _apply(self, wanted: Standing, pid: int) -> bool:
        """Whether it could be done, as far as processes do not come and go all the time."""
        if wanted.frozen:
            return self._processes.freeze(pid)
        self._processes.thaw()
        cores = wanted.cores or self._cores
        # This thread, too, and what it starts to watch the command.
        _to_cores(0, cores)
        return self._processes.move(pid, cores, idle=wanted.idle)

    def _take(self, wanted: Standing) -> None:
        """From now on it stands so, which is told to those it makes room for."""
        if wanted == self._standing:
            return
        before, now_s = self._standing, clock.monotonic_s()
        if before.towards and (not wanted.towards or wanted.frozen != before.frozen):
            event = "frozen" if before.frozen else "moved-aside"
            told = {"seconds": round(now_s - self._since_s, 3), "for": list(before.attempts)}
            isolation.journalled(self._journal, event, **told)
        if not before.towards or wanted.frozen != before.frozen:
            self._since_s = now_s
        self._standing = wanted
        self._notice.write(isolation.presence(self._attempt_id, wanted.towards))

    def _count(self) -> float:
        now_s = clock.monotonic_s()
        spent_s = now_s - self._looked_s if self._standing.frozen else 0.0
        self._looked_s = now_s
        self.frozen_s += spent_s
        return spent_s


class _Processes:
    """The processes of a command: those of its cgroup, else it and its descendants. Who made a sandbox in the sandbox
    descends from it, too, and whoever lost its parent is its init's child."""

    def __init__(self, leaf: Path | None) -> None:
        self._leaf = leaf
        self._stopped: set[tuple[int, str]] = set()
        self._frozen = False

    def freeze(self, pid: int) -> bool:
        self._frozen = True
        if self._leaf is not None and cgroup.can_freeze(self._leaf):
            return cgroup.freeze(self._leaf, frozen=True, wait_s=FREEZE_LIMIT_S)
        deadline_s = clock.monotonic_s() + FREEZE_LIMIT_S
        while running := [each for each in self._all(pid) if _state(each)[0] not in STOPPED]:
            if clock.monotonic_s() > deadline_s:
                return False
            for each in running:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    self._stopped.add((each, _state(each)[1]))
                    os.kill(each, signal.SIGSTOP)
            clock.pause(POLL_S)
        return True

    def thaw(self) -> None:
        """Only what was stopped here goes on: a program may have stopped its own children."""
        if not self._frozen:
            return
        if self._leaf is not None and cgroup.can_freeze(self._leaf):
            cgroup.freeze(self._leaf, frozen=False, wait_s=FREEZE_LIMIT_S)
        for pid, started in self._stopped:
            if _state(pid)[1] == started:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGCONT)
        self._stopped.clear()
        self._frozen = False

    def move(self, pid: int, cores: Cores, *, idle: bool) -> bool:
        for _ in range(PASSES_MOST):
            threads = [thread for each in self._all(pid) for thread in _threads(each)]
            if not sum([_to(thread, cores, idle=idle) for thread in threads]):
                return True
        return False

    def _all(self, pid: int) -> list[int]:
        return cgroup.members(self._leaf) if self._leaf is not None else descendants(pid)


def descendants(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(ValueError, OSError):
                children.setdefault(int(_stat(int(name))[1]), []).append(int(name))
    found, ahead = [pid], [pid]
    while ahead:
        more = children.get(ahead.pop(), [])
        found += more
        ahead += more
    return found


def narrowed(has: Collection[int], cores: Cores) -> Cores:
    """Where a running thread goes that is to be on `cores` alone: never to more than it has. Programs count their cores
    as they start and again later, and some crash where they are more by then (rust-lld indexes past its tables)."""
    inside = sorted(set(has) & set(cores))
    return tuple(inside or cores[: len(has)])


def _to(thread: int, cores: Cores, *, idle: bool) -> bool:
    """Whether the thread had to be changed, and could be."""
    policy = os.SCHED_IDLE if idle else os.SCHED_OTHER
    moved = False
    with contextlib.suppress(OSError):
        moved = _to_cores(thread, narrowed(os.sched_getaffinity(thread), cores))
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(thread) != policy:
            os.sched_setscheduler(thread, policy, os.sched_param(0))
            return True
    return moved


def _to_cores(thread: int, cores: Cores) -> bool:
    with contextlib.suppress(OSError):
        if cores and os.sched_getaffinity(thread) != set(cores):
            os.sched_setaffinity(thread, cores)
            return True
    return False


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def _state(pid: int) -> tuple[str, str]:
    """State and start time, by which a number that was given anew is told."""
    try:
        fields = _stat(pid)
        return fields[0], fields[19]
    except OSError:
        return "X", ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on, see proc(5)."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()
