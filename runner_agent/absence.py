"""Proof that nothing is left of an attempt whose folder is gone, its supervisor included."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from runner_agent import clock, detach, ledger, quiescence
from runner_agent.home import Home
from runner_agent.observation import forget_cgroup

WAIT_S = 5.0
POLL_S = 0.02
OVER = ("found-dead", "ended", "buried", "acknowledged")


def prove(home: Home, attempt_id: str) -> bool:
    """Ends what lives of the attempt, and says whether nothing does any more. The supervisor first: it starts more."""
    folder = home.attempt(attempt_id)
    if not _end_supervisors(detach.mark(home, attempt_id)):
        return False
    if not quiescence.prove(attempt_id, folder.inits, WAIT_S).gone:
        return False
    forget_cgroup(attempt_id)
    _write_down(home, attempt_id)
    return True


def _end_supervisors(mark: str) -> bool:
    deadline_s = clock.monotonic_s() + WAIT_S
    while found := [pid for pid in _processes() if _is_marked(pid, f"{detach.MARKER}={mark}".encode())]:
        if clock.monotonic_s() > deadline_s:
            return False
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        clock.pause(POLL_S)
    return True


def _is_marked(pid: int, marker: bytes) -> bool:
    """A process that has ended has no environment any more."""
    try:
        return pid != os.getpid() and marker in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _write_down(home: Home, attempt_id: str) -> None:
    """Once, and only of an attempt that the ledger knows."""
    lines = ledger.about(home, attempt_id)
    if lines and lines[-1]["event"] not in OVER:
        last = lines[-1]
        ledger.record(
            home,
            "found-dead",
            attempt_id=attempt_id,
            episode_id=last["episode_id"],
            fence=last["fence"],
            why="its folder is gone, and no process of it lives",
        )
