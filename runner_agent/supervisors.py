"""Supervisors, found by the mark in their environment, so that one is found also where its folder or lock is gone."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from runner_agent import clock, detach
from runner_agent.home import Home

WAIT_S = 5.0
POLL_S = 0.02


def end(home: Home, attempt_id: str) -> bool:
    """Ends every supervisor of the attempt in this home, and says whether none lives any more."""
    marker = f"{detach.MARKER}={detach.mark(home, attempt_id)}".encode()
    deadline_s = clock.monotonic_s() + WAIT_S
    while found := [pid for pid in _processes() if _is_marked(pid, marker)]:
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
