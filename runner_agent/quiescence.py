"""Kills every process of an attempt and proves that none is left, before anything is measured or judged.

With cgroup v2 the proof is `populated 0`: no fork, session or signal handler gets a process out of its cgroup.
Otherwise each sandbox's init is killed, which is written down with its start time as the sandbox begins: the kernel
ends every process of a pid namespace before its init is gone (pid_namespaces(7)). What is in no sandbox is found by the
variable that each process of the attempt inherits. The number of a namespace proves nothing: the kernel uses it again.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner_agent import cgroup, clock
from runner_agent.boot import boot_id

MARKER = "MATINS_ATTEMPT"
WAIT_S = 10.0
POLL_S = 0.02
SANDBOX_POLL_S = 0.002
GONE = ("Z", "X")

Method = Literal["cgroup2", "process-scan"]


@dataclass(frozen=True, kw_only=True)
class Proof:
    """`killed` processes were still there; `gone` says whether all of them are dead now."""

    method: Method
    killed: int
    gone: bool
    seconds: float


def prove(attempt_id: str, inits: Path, wait_s: float = WAIT_S) -> Proof:
    """Kills what is left of the attempt and waits at most `wait_s` for each of both ways of looking."""
    began = clock.monotonic_s()
    leaf = cgroup.find(attempt_id)
    killed, gone = 0, True
    if leaf is not None:
        killed = len(cgroup.members(leaf))
        gone = cgroup.kill(leaf, wait_s)
    # Also with a cgroup: the scan costs little, and finds what was started while there was none.
    scanned, gone_by_scan = _kill_by_scan(attempt_id, inits, wait_s)
    return Proof(
        method="cgroup2" if leaf is not None else "process-scan",
        killed=killed + scanned,
        gone=gone and gone_by_scan,
        seconds=round(clock.monotonic_s() - began, 3),
    )


def note_init(inits: Path, pid: int) -> None:
    """Writes down the init of a sandbox, so that even a later runner call can end all that is in it."""
    with contextlib.suppress(OSError), open(inits, "a") as file:
        file.write(f"{pid} {start_time(pid)} {boot_id()}\n")


def end_sandbox(init: int, attempt_id: str, wait_s: float = WAIT_S) -> bool:
    """Waits for a sandbox to be gone whose command has ended: what the command left behind dies with the init. True
    where it is gone. The marker tells the init from a stranger who was given its number."""
    start = _start_of(init, f"{MARKER}={attempt_id}".encode())
    deadline = clock.monotonic_s() + wait_s
    while start is not None and _is_alive(init, start):
        if clock.monotonic_s() > deadline:
            return False
        _kill(init)
        clock.pause(SANDBOX_POLL_S)
    return True


def start_time(pid: int) -> int:
    """The start in clock ticks since boot: field 22 of /proc/PID/stat, see proc(5). Raises OSError for no process."""
    return int(_stat(pid)[19])


def living(attempt_id: str, inits: Path) -> list[int]:
    """The inits of the attempt's sandboxes, and whatever carries its marker; never this process."""
    marker = f"{MARKER}={attempt_id}".encode()
    marked = [pid for pid in _processes() if pid != os.getpid() and _carries(pid, marker)]
    return sorted({*marked, *_living_inits(inits)})


def inhabitants(namespace: int) -> list[int]:
    """The processes in a pid namespace that is known to be alive."""
    return [pid for pid in _processes() if _namespace(pid) == f"pid:[{namespace}]"]


def _kill_by_scan(attempt_id: str, inits: Path, wait_s: float) -> tuple[int, bool]:
    deadline = clock.monotonic_s() + wait_s
    seen: set[int] = set()
    while found := living(attempt_id, inits):
        if clock.monotonic_s() > deadline:
            return len(seen), False
        seen.update(found)
        for pid in found:
            _kill(pid)
        clock.pause(POLL_S)
    return len(seen), True


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _living_inits(inits: Path) -> list[int]:
    try:
        noted = [line.split() for line in inits.read_text().splitlines()]
    except FileNotFoundError:
        return []
    boot = boot_id()
    return [int(pid) for pid, start, booted in noted if booted == boot and _is_alive(int(pid), int(start))]


def _is_alive(pid: int, start: int) -> bool:
    try:
        fields = _stat(pid)
    except OSError:
        return False
    return int(fields[19]) == start and fields[0] not in GONE


def _carries(pid: int, marker: bytes) -> bool:
    try:
        return _stat(pid)[0] not in GONE and marker in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _start_of(pid: int, marker: bytes) -> int | None:
    """The start time of a process that carries the marker, or that has given up its memory already, as one does that
    is ending: an init then still waits for the last of its namespace."""
    try:
        start = start_time(pid)
    except OSError:
        return None
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except ProcessLookupError:  # what newer kernels say of a process without memory
        return start
    except OSError:
        return None
    return start if environ == [b""] or marker in environ else None


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second, the name, may hold anything."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()
