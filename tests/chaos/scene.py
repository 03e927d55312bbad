"""What a fault may use, and what becomes of faults that come true later: failpoints, thawing, starting again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tests.chaos.api import was_killed
from tests.chaos.rig import Machine, Rig, start_time
from tests.fault_proxy import FaultProxy
from tests.fleet_lab import FaultName
from tests.orchestrator import Part

LASTS_MOST_S = 6.0
GRACE_S = 8.0
"""A part of the orchestrator is left alone for so long after it was started: else it would never get to work."""


@dataclass
class Ordered:
    """A fault of a machine of the lab; `since` by the wall clock, as its packets are; `seen`: it came true."""

    fault: FaultName
    since: float
    seen: bool = False


@dataclass
class Scene:
    """What a fault may use: the rig, chance, `later(seconds, act)`, what is in flight, `submit(count)`, and a way to be
    heard."""

    rig: Rig
    random: Random
    later: Callable[[float, Callable[[], None]], None]
    in_flight: Callable[[], list[str]]
    submit: Callable[[int], None]
    say: Callable[[str], None]
    armed: dict[str, str] = field(default_factory=dict[str, str])
    """Part of the orchestrator → the failpoint that it was started with."""
    armed_homes: dict[str, str] = field(default_factory=dict[str, str])
    """Machine → the failpoint in its home."""
    ordered: dict[str, Ordered] = field(default_factory=dict[str, Ordered])
    """Machine of the lab → the fault that holds there."""
    reviving: set[str] = field(default_factory=set[str])
    """Parts that are started again in a moment."""
    started_at: dict[str, float] = field(default_factory=dict[str, float])
    """Part → when it was started last, by the monotonic clock."""

    def soon(self) -> float:
        return self.random.uniform(0.3, LASTS_MOST_S)

    def part(self) -> Part | None:
        now = time.monotonic()
        working = [part for part in self.rig.parts if now - self.started_at.get(part.log.name, 0.0) > GRACE_S]
        running = [part for part in working if part.runs() and not part.is_frozen()]
        return self.random.choice(running) if running else None

    def start(self, part: Part, failpoints: str = "") -> None:
        self.started_at[part.log.name] = time.monotonic()
        part.start(failpoints=failpoints)

    def machine(self) -> Machine:
        return self.random.choice(self.rig.machines)

    def proxied(self) -> tuple[Machine, FaultProxy] | None:
        far = [(machine, machine.proxy) for machine in self.rig.machines if machine.proxy is not None]
        return self.random.choice(far) if far else None

    def supervisor(self) -> tuple[str, int] | None:
        live = [each for machine in self.rig.machines for each in machine.supervised()]
        return self.random.choice(live) if live else None


def revive_later(scene: Scene, part: Part) -> None:
    def revive() -> None:
        scene.reviving.discard(part.log.name)
        if not part.runs():
            scene.start(part)

    scene.armed.pop(part.log.name, None)
    scene.reviving.add(part.log.name)
    scene.later(scene.random.uniform(0.0, 2.0), revive)


def died_at_failpoints(scene: Scene) -> list[str]:
    """Where parts have died of a failpoint since this was asked last; they are started again a little later."""
    died: list[str] = []
    for part in scene.rig.parts:
        if part.runs() or part.log.name in scene.reviving:
            continue
        if part.log.name in scene.armed and was_killed(part):
            died.append(f"{part.log.name} at {scene.armed[part.log.name]}")
        else:
            scene.say(f"{part.log.name} ended by itself: {part.tail()[-500:]}")
        revive_later(scene, part)
    return died


def disarm_runner(scene: Scene, machine: Machine) -> None:
    if scene.armed_homes.get(machine.name) and (machine.home / "failpoints").is_file():
        (machine.home / "failpoints").write_text("")
        scene.armed_homes.pop(machine.name)


def fired_on_runners(scene: Scene) -> list[str]:
    fired: list[str] = []
    for machine in scene.rig.machines:
        armed = scene.armed_homes.get(machine.name)
        path = machine.home / "failpoints"
        if armed and not (path.read_text("utf-8") if path.exists() else ""):
            fired.append(f"{machine.name} at {scene.armed_homes.pop(machine.name)}")
            if armed.endswith("stop"):
                scene.later(scene.soon(), lambda machine=machine: thaw_supervisors(machine))
    return fired


def thaw_supervisors(machine: Machine) -> None:
    for pid in machine.supervisors():
        thaw(pid, started(pid))


def take_back(scene: Scene, machine: Machine) -> None:
    if not asked(scene, f"runners/{machine.name}/resume", {"by": "chaos"}):
        scene.later(1.0, lambda: take_back(scene, machine))


def asked(scene: Scene, path: str, body: dict[str, Any] | None) -> bool:
    try:
        scene.rig.api.ask("POST", path, body, timeout_s=5.0)
    except httpx.HTTPError:
        return False
    return True


def started(pid: int) -> int:
    try:
        return start_time(pid)
    except OSError:
        return -1


def send(pid: int, number: signal.Signals, said: str) -> str | None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return None
    return said


def thaw(pid: int, began: int) -> None:
    if began != -1 and started(pid) == began:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
