"""Keeps episodes in flight and does faults to what runs them, until the time is up; then heals everything."""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import httpx

from tests.chaos.api import ENDED
from tests.chaos.faults import FAULTS
from tests.chaos.lab_faults import LAB_FAULTS, heal_machines, seen_on_machines
from tests.chaos.rig import Rig
from tests.chaos.scene import Scene, died_at_failpoints, fired_on_runners, take_back, thaw_supervisors
from tests.orchestrator import wait_for

AGENTS = ("doer", "doer", "napper", "napper", "idler", "lingerer", "sleeper")
"""What is submitted, by chance; a sleeper works for long unless it is cancelled."""

SELDOM = 0.12
"""The chance, at each look, that new episodes come to machines that sleep: else they never would."""
PAUSE_S = 0.05
LONGER_AT_MOST = 16
HEALED_WITHIN_S = 60.0


@dataclass
class Tally:
    """What was done: faults by kind, and every id that a submitter was given."""

    faults: Counter[str] = field(default_factory=Counter[str])
    acknowledged: set[str] = field(default_factory=set[str])
    log: list[str] = field(default_factory=list[str])


class Driver:
    """One run. `say` is told of each fault as it is done."""

    def __init__(self, rig: Rig, seed: int, say: Callable[[str], None]) -> None:
        self._rig = rig
        self._random = Random(seed)
        self._say = say
        self._began = time.monotonic()
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._going: list[str] = []
        self.tally = Tally()
        self._scene = Scene(
            rig=rig,
            random=self._random,
            later=self._later,
            in_flight=lambda: list(self._going),
            submit=self._submit,
            say=say,
        )
        self._faults = FAULTS if rig.lab is None else LAB_FAULTS

    def run(self, seconds: float, every_s: float, *, faults: int = 0, episodes: int = 0) -> None:
        """Faults come at random, `every_s` apart on average. A slow machine gets to less in the same time: it goes on,
        for LONGER_AT_MOST times as long, until so many `faults` were done and `episodes` submitted."""
        began = time.monotonic()
        end, last = began + seconds, began + LONGER_AT_MOST * seconds
        next_fault = next_look = 0.0
        while (now := time.monotonic()) < end or (now < last and not self._did(faults, episodes)):
            self._do_due(now)
            if now >= next_look:
                self._look()
                next_look = now + 1.0
            if now >= next_fault:
                self._upset()
                next_fault = now + self._random.expovariate(1 / every_s)
            time.sleep(PAUSE_S)
        self._look()
        self._heal()

    def _did(self, faults: int, episodes: int) -> bool:
        return self.tally.faults.total() >= faults and len(self.tally.acknowledged) >= episodes

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), act))

    def _do_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()

    def _upset(self) -> None:
        """One fault; another kind is tried where the chosen one finds nothing to do."""
        kinds, weights = list(self._faults), [weight for _, weight in self._faults.values()]
        for kind in self._random.choices(kinds, weights, k=4):
            said = self._faults[kind][0](self._scene)
            if said is not None:
                self._count(kind, said)
                return

    def _look(self) -> None:
        for said in died_at_failpoints(self._scene):
            self._count("orchestrator killed at a failpoint", said)
        for said in fired_on_runners(self._scene):
            self._count("runner hit at a failpoint", said)
        for said in seen_on_machines(self._scene):
            self._count("fault of a machine ordered", said)
        try:
            phases = {each["id"]: each["phase"] for each in self._rig.api.episodes(timeout_s=3.0)}
            self._going = [one for one, phase in phases.items() if phase not in ENDED]
            room = self._rig.most - len(self._going)
            if self._rig.lab is not None and room > 0:
                room = self._random.randint(1, room) if self._random.random() < SELDOM else 0
            self._submit(room)
        except httpx.HTTPError:
            pass  # it is being upset; what was acknowledged is noted

    def _submit(self, count: int) -> None:
        for _ in range(count):
            new = self._rig.api.submit(self._rig.campaign, f"replay:{self._random.choice(AGENTS)}", timeout_s=3.0)
            self.tally.acknowledged |= set(new)
            self._going += new

    def _count(self, kind: str, said: str) -> None:
        self.tally.faults[kind] += 1
        line = f"{time.monotonic() - self._began:7.1f} s  {kind}: {said}"
        self.tally.log.append(line)
        self._say(line)

    def _heal(self) -> None:
        """Undo all that was to be undone later, and have everything run, with no failpoint left."""
        for _, _, act in sorted(self._due, key=lambda each: each[:2]):
            act()
        self._due.clear()
        heal_machines(self._rig)
        for machine in self._rig.machines:
            (machine.home / "failpoints").unlink(missing_ok=True)
            thaw_supervisors(machine)
            if machine.proxy is not None:
                machine.proxy.heal()
        for part in self._rig.parts:
            if part.runs():
                part.kill()  # it may be armed, or frozen
            part.start()
        wait_for(self._rig.api.answers, HEALED_WITHIN_S, self._rig.matins.tail)
        for machine in self._rig.machines:
            take_back(self._scene, machine)
        self._due.clear()
