"""A watchdog frees whoever hangs, and leaves alone whoever does not."""

from __future__ import annotations

import threading

from orchestrator.machines.ssh_watchdog import Watchdog


def test_it_closes_once_when_time_is_up_and_says_which_bound_it_was() -> None:
    closed = threading.Event()
    with Watchdog(closed.set, 0.01, of_s=60) as watchdog:
        assert closed.wait(60)
    assert watchdog.reason == "no answer within 60 s"


def test_it_closes_when_nothing_comes_for_too_long() -> None:
    closed = threading.Event()
    with Watchdog(closed.set, 60, idle_s=0.01) as watchdog:
        assert closed.wait(60)
    assert watchdog.reason == "no byte came for 0.01 s"


def test_it_is_silent_after_the_call_is_over() -> None:
    closed = threading.Event()
    before = set(threading.enumerate())
    with Watchdog(closed.set, 3600) as watchdog:
        own = set(threading.enumerate()) - before
    assert len(own) == 1
    for thread in own:
        thread.join(60)
        assert not thread.is_alive()
    assert not closed.is_set()
    assert watchdog.reason == ""
