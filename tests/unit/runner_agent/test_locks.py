"""Who waits for a lock sleeps in the kernel, and can be told to give up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from runner_agent import locks
from tests.orchestrator import wait_for


class GivenUp(Exception):
    pass


def waiters(path: Path) -> int:
    """Those that the kernel has in line for the lock: proc_locks(5)."""
    lines = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return sum(fields[1] == "->" and f":{path.stat().st_ino}" in " ".join(fields) for fields in lines)


def waiting(path: Path, check: Callable[[], None] = lambda: None, *, shared: bool = False) -> threading.Thread:
    """Holds the lock for a moment, once it gets it."""

    def hold() -> None:
        with locks.held(path, shared=shared, check=check):
            pass

    thread = threading.Thread(target=hold)
    thread.start()
    return thread


@pytest.mark.parametrize("shared", [False, True])
def test_who_waits_for_a_lock_is_woken_by_the_kernel(tmp_path: Path, shared: bool) -> None:
    path = tmp_path / "lock"
    with ExitStack() as stack:
        stack.enter_context(locks.held(path))
        thread = waiting(path, shared=shared)
        wait_for(lambda: waiters(path) == 1, 20, Path("/proc/locks").read_text)
    thread.join(60)
    assert not thread.is_alive()
    assert not locks.is_held(path)


def test_who_is_told_to_give_up_leaves_the_lock_to_others(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def give_up() -> None:
        raise GivenUp

    with locks.held(path):
        with pytest.raises(GivenUp), locks.held(path, check=give_up):
            pytest.fail("nobody gave the lock up")
        assert locks.is_held(path)
    with locks.held(path):
        assert locks.is_held(path)


def test_many_may_share_a_lock_and_nobody_else_has_it_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.held(path, shared=True), locks.held(path, shared=True), pytest.raises(BlockingIOError):
        locks.take(path)
    locks.release(locks.take(path))
