"""File locks. The kernel frees them on any death of the holder, which is why liveness is a lock and not a pid."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Generator
from pathlib import Path

from runner_agent import clock

POLL_S = 0.05


def take(path: Path) -> int:
    """Takes the lock at once and returns its descriptor. Raises BlockingIOError where somebody holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle


def wait(path: Path, kind: int = fcntl.LOCK_EX, *, check: Callable[[], None]) -> int:
    """Takes the lock as soon as it is free, and returns its descriptor. `check` runs while waiting and may raise to
    give up. The kernel wakes it: one blocking call in a thread, which is left to itself where this gives up."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    taken, given_up, turn = threading.Event(), threading.Event(), threading.Lock()
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
        return handle

    def block() -> None:
        fcntl.flock(handle, kind)
        with turn:
            taken.set()
            if given_up.is_set():
                os.close(handle)

    threading.Thread(target=block, name="lock", daemon=True).start()
    try:
        while not taken.wait(POLL_S):
            check()
    except BaseException:
        with turn:
            given_up.set()
            if taken.is_set():
                os.close(handle)
        raise
    return handle


def release(handle: int) -> None:
    """Gives up this holder's descriptor; the lock is free once every descriptor that shares it is closed."""
    os.close(handle)


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock exclusively. An absent file is held by nobody."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def sign(handle: int) -> None:
    """Writes this process's id into a lock that it holds, for `holder`."""
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)


def holder(path: Path) -> int | None:
    """The process that holds the lock, where it signed it."""
    try:
        return int(path.read_bytes()[:20]) if is_held(path) else None
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def held(path: Path, *, shared: bool = False, check: Callable[[], None] = lambda: None) -> Generator[float, None, None]:
    """Holds the lock; yields the seconds waited for it. `check` runs while waiting and may raise to give up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    began = clock.monotonic_s()
    handle = wait(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, check=check)
    try:
        yield clock.monotonic_s() - began
    finally:
        release(handle)
