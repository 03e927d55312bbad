"""The gate of a device: one holder at a time, in the order of arrival.

Each device has a gate of its own, for attempts that are for this device. One that may use any device takes the gate of
all: it waits until no device is held, and nobody has one beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Generator
from pathlib import Path

from runner_agent import clock
from runner_agent.control import Control
from runner_agent.journal import Journal

POLL_S = 0.05


@contextlib.contextmanager
def gate(
    name: str, path: Path, control: Control, journal: Journal, *, of_all: Path | None = None
) -> Generator[None, None, None]:
    """Waits for the gate, holds it, and journals how long both took. Raises Interrupted while waiting. `of_all`: the
    gate of all devices, which the holders of single ones share."""
    path.parent.mkdir(parents=True, exist_ok=True)
    began = clock.monotonic_s()
    with contextlib.ExitStack() as held:
        held.callback(os.close, _arrive(path, control))
        if of_all is not None:
            held.callback(os.close, _arrive(of_all, control, fcntl.LOCK_SH))
        taken = clock.monotonic_s()
        journal.record("gate-waited", gate=name, seconds=round(taken - began, 3))
        try:
            yield
        finally:
            held.close()
            journal.record("gate-released", gate=name, held_s=round(clock.monotonic_s() - taken, 3))


def _arrive(path: Path, control: Control, kind: int = fcntl.LOCK_EX) -> int:
    """One blocking call in a thread keeps the place in the kernel's queue, which asking again and again would lose."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    taken, given_up, turn = threading.Event(), threading.Event(), threading.Lock()

    def wait() -> None:
        fcntl.flock(handle, kind)
        with turn:
            taken.set()
            if given_up.is_set():
                os.close(handle)

    threading.Thread(target=wait, name="gate", daemon=True).start()
    try:
        while not taken.wait(POLL_S):
            control.check()
    except BaseException:
        with turn:
            given_up.set()
            if taken.is_set():
                os.close(handle)
        raise
    return handle
