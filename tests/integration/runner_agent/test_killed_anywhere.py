"""Every process of a runner killed at every named point: nothing starts twice, nothing vanishes, nothing lies."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from orchestrator.errors import LinkError
from runner_agent import cgroup, failpoints, ledger, quiescence
from runner_agent.protocol import AttemptStatus, Check, LaunchSpec
from tests.chaos.checker import check
from tests.integration.runner_agent.rig import Rig, checks, request, sh

SEED = int(os.environ.get("MATINS_SEED", "4"))
HIDDEN = Check(id="fast/1", item="fast", kind="command", command=sh("true"))
CALLS_MOST = 3

# Each of these ends the attempt. All others kill a caller, or come too late to change how it ends: an attempt comes by
# several of them.
DIES = (
    "launch-after-rename",
    "supervisor-start",
    "supervisor-started",
    "session-before-commit",
    "session-after-commit",
    "awaiting-checks",
    "grade-before-evidence",
    "pack-before-sums",
    "pack-after-sums",
    "exit-before-record",
)
OUTLIVED = (
    "launch-before-rename",
    "launch-after-detach",
    "exit-after-record",
    "pull-midway",
    "acknowledge-before-mark",
    "acknowledge-after-mark",
)
LATE = ("grade-before-resume", "grade-after-aside")
NEVER_STARTED = ("cancel-after-tombstone",)
LIVES = [*((point,) for point in DIES), OUTLIVED, LATE, NEVER_STARTED]

T = TypeVar("T")


def in_any_order() -> list[tuple[str, ...]]:
    print(f"seed {SEED}")
    return random.Random(SEED).sample(LIVES, len(LIVES))


def again(act: Callable[[], T]) -> T:
    """What an orchestrator does where a call was cut off: the same call."""
    for _ in range(CALLS_MOST - 1):
        try:
            return act()
        except LinkError:
            continue
    return act()


def arm(rig: Rig, *lines: str) -> None:
    rig.home.root.mkdir(exist_ok=True)
    rig.home.failpoints.write_text("".join(f"{line}\n" for line in lines))


def quick(rig: Rig, name: str, grade_wait_s: float) -> LaunchSpec:
    spec = rig.spec(name, "echo begun >> source.txt", build=(), lint=(), test=(), hidden_checks=1, base_key="quick")
    return replace(spec, limits=replace(spec.limits, grade_wait_s=grade_wait_s))


def live(rig: Rig, spec: LaunchSpec) -> AttemptStatus:
    """From launch to end, with the checks sent in time or late."""
    again(lambda: rig.link.launch(spec))
    waiting = rig.wait(spec, lambda status: status.phase != "running")
    if waiting.phase == "awaiting-checks" or waiting.gradable:
        again(lambda: rig.link.grade(checks(spec, HIDDEN)))
    return rig.end(spec)


def violations(rig: Rig) -> list[str]:
    return [str(each) for each in check({"runner": rig.home.ledger.read_text()})]


def test_every_point_has_its_turn() -> None:
    assert sorted(point for points in LIVES for point in points) == sorted(failpoints.POINTS)


@pytest.mark.fault(4, 5)
@pytest.mark.parametrize("points", in_any_order(), ids=lambda points: points[0])
def test_a_runner_killed_at(rig: Rig, points: tuple[str, ...]) -> None:
    spec = quick(rig, f"killed-at-{points[0]}", 0.0 if points == LATE else 30.0)
    arm(rig, *(f"{point} kill" for point in points))
    if points == NEVER_STARTED:
        assert again(lambda: rig.link.cancel(request(spec))).phase == "cancelled"
        status = again(lambda: rig.link.launch(spec))
    else:
        status = live(rig, spec)

    # What the runner says is true, and a launch that comes again changes none of it.
    if points == NEVER_STARTED:
        assert status.phase == "cancelled"
    elif points[0] in DIES:
        assert (status.phase, status.exit) == ("dead", None)
    else:
        assert status.exit is not None
        assert (status.phase, status.exit.reason, status.exit.graded) == ("exited", "completed", True)
    assert again(lambda: rig.link.launch(spec)).phase == status.phase
    if status.exit is not None:
        assert "RUNNER_SHA256SUMS" in again(lambda: rig.pull(spec))
    again(lambda: rig.link.acknowledge(request(spec)))
    again(lambda: rig.link.acknowledge(request(spec)))

    assert rig.home.failpoints.read_text() == "", "a point was never reached"
    assert again(lambda: rig.link.launch(spec)).phase == status.phase
    assert [path.name for path in rig.home.attempt(spec.attempt_id).root.iterdir()] == ["acknowledged.json"]
    assert quiescence.living(spec.attempt_id, rig.home.attempt(spec.attempt_id).inits) == []
    assert cgroup.find(spec.attempt_id) is None
    begun = [line for line in ledger.about(rig.home, spec.attempt_id) if line["event"] == "started"]
    assert len(begun) == (0 if points[0] in (*NEVER_STARTED, "launch-after-rename", "supervisor-start") else 1)
    assert violations(rig) == []


def test_a_supervisor_that_is_stopped_is_alive_and_goes_on_where_it_was(rig: Rig) -> None:
    spec = quick(rig, "stopped", 30.0)
    arm(rig, "session-after-commit stop")
    rig.link.launch(spec)
    rig.wait_event(spec, "session-committed")
    pid = next(line["pid"] for line in ledger.about(rig.home, spec.attempt_id) if line["event"] == "started")
    while not is_stopped(pid):
        time.sleep(0.01)
    assert rig.status(spec).phase == "running"
    os.kill(pid, signal.SIGCONT)
    rig.wait(spec, lambda status: status.phase == "awaiting-checks")
    rig.link.grade(checks(spec, HIDDEN))
    status = rig.end(spec)
    assert status.exit is not None
    assert status.exit.graded
    rig.link.acknowledge(request(spec))
    assert violations(rig) == []


def is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"
