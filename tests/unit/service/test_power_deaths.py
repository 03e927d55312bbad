"""kill -9 at every named place of the acts that wake a machine and let it sleep: another process finishes the work.

The process is a real one, forked for the act. What it did to a runner in memory dies with it, so each place says what
the machine has heard by then.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import failpoints
from orchestrator.service import fleet_ops
from orchestrator.service.perform import perform
from tests.unit.service.rig import Toy
from tests.unit.service.sleepers import SleepingRig

Heard = Callable[[SleepingRig], None]


def nothing(rig: SleepingRig) -> None:
    """The machine knows nothing of it."""


def said_yes(rig: SleepingRig) -> None:
    rig.runners["a"].falls_asleep = True


def was_woken(rig: SleepingRig) -> None:
    rig.senses["a"].send()


SUSPENDS: dict[str, Heard] = {
    "act-claimed": nothing,
    "act-suspend-before-call": nothing,
    "act-suspend-after-call": said_yes,
    "act-suspend-after-commit": said_yes,
}
WAKES: dict[str, Heard] = {
    "act-claimed": nothing,
    "act-wake-before-look": nothing,
    "act-wake-after-look": was_woken,
    "act-wake-after-commit": was_woken,
}


@pytest.fixture
def rig(the_toy: Toy, tmp_path: Path) -> SleepingRig:
    return SleepingRig(the_toy, tmp_path / "home", runners=("a",))


def dies_at(rig: SleepingRig, point: str, kind: str) -> None:
    """A process that does the newest act of that kind, and kills itself on the way."""
    act = rig.acts(kind)[-1]
    child = os.fork()
    if child == 0:
        try:
            failpoints.arm(f"{point}=kill")
            rig.store.engine.dispose(close=False)
            perform(rig.services, act.id or 0)
        finally:
            os._exit(1)
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL, f"never came to {point}"
    rig.restart()


def goes_to_sleep(rig: SleepingRig) -> None:
    for _ in range(10):
        rig.beat(10)
        rig.go_down()
        if rig.facets("a") == ("ASLEEP", "NONE"):
            return
    raise AssertionError(rig.facets("a"))


@pytest.mark.fault(3)
@pytest.mark.parametrize("point", SUSPENDS)
def test_a_process_that_dies_letting_a_machine_sleep_is_followed_by_one_that_does(rig: SleepingRig, point: str) -> None:
    rig.beat(1)
    fleet_ops.sleep(rig.services, "a", by="ada")
    dies_at(rig, point, "suspend")
    SUSPENDS[point](rig)
    goes_to_sleep(rig)
    assert rig.told("a") == ["suspend-started", "asleep"]
    assert all(act.done_at for act in rig.acts("suspend"))


@pytest.mark.fault(3)
@pytest.mark.parametrize("point", WAKES)
def test_a_process_that_dies_waking_a_machine_is_followed_by_one_that_proves_it(rig: SleepingRig, point: str) -> None:
    rig.rest()
    (one,) = rig.submit_accepted()
    rig.clock.advance(1)
    rig.tick()
    dies_at(rig, point, "wake")
    WAKES[point](rig)
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert [wake.failed_stage for wake in rig.wakes("a")] == [None]
    assert [row.fence for row in rig.attempts(one)] == [1]
    assert all(act.done_at for act in rig.acts("wake"))


def test_no_place_of_these_acts_is_left_out() -> None:
    ours = {point for point in failpoints.POINTS if point.startswith(("act-wake", "act-suspend"))}
    assert ours <= SUSPENDS.keys() | WAKES.keys()
