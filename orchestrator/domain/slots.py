"""How many attempts a machine may begin: of the slots that it has, and of where those on it stand.

An attempt needs an agent slot while its sessions last. After that it builds, waits for its device and is measured, and
a next one may begin beside it. How many are past their sessions at a time is bounded, as each holds trees on the disk:
for each device the one that is measured and `buffer` that are ready for it, and of the whole machine those that build.
So no device is kept waiting by what waits for another. Those that have been measured and are graded and packed are no
supply for a device, and counted apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from runner_agent.protocol import STAGES

PAST_SESSION = frozenset(STAGES[STAGES.index("session") + 1 :])
"""The stages of an attempt after its last session."""
MEASURED = frozenset(STAGES[STAGES.index("smoke") + 1 :])
"""Those after its smoke test."""

READY_BUFFER = 2
"""Two, so that the device has work while one that was ready turns out not to build."""


ANY = ""
"""Instead of a deviceUUID, of an attempt that may use any device of its machine: it stands in the way of each."""


@dataclass(frozen=True, kw_only=True)
class Slots:
    """`agent`: attempts before the end of their sessions. `build`: attempts that build at a time. `buffer`: attempts
    that wait for each device; with 0 an attempt holds its agent slot to its end. `gates`: devices to measure on."""

    agent: int = 1
    build: int = 1
    buffer: int = 0
    gates: int = 1


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a machine has to give. `free`: how many attempts may begin, as far as slots go. `full`: the deviceUUIDs for
    which none may, whatever is free; with ANY where no device has room."""

    free: int
    full: frozenset[str] = frozenset()

    def but(self, taken: int) -> Room:
        return replace(self, free=self.free - taken)

    def takes(self, devices: Iterable[str]) -> bool:
        """Whether one may begin that is for one of these devices."""
        return self.free > 0 and not self.full.issuperset(devices)


def default_buffer(agent: int) -> int:
    """A machine with one slot keeps its measurements free of other agents, unless an operator says otherwise."""
    return READY_BUFFER if agent > 1 else 0


def holds_one(agent: int, buffer: int | None) -> bool:
    """Whether a machine lets no attempt begin beside another. `buffer`: what an operator said, if anything."""
    return agent == 1 and not (default_buffer(agent) if buffer is None else buffer)


def is_past(stage: str | None) -> bool:
    return stage in PAST_SESSION


def is_supply(stage: str | None) -> bool:
    """Of an attempt on its way from its sessions to the end of its smoke test."""
    return stage in PAST_SESSION and stage not in MEASURED


def free(slots: Slots, stages: Iterable[str | None]) -> int:
    """How many more may begin where their devices have room. `stages`: per attempt on the machine the stage that it was
    last seen in; None: none."""
    known = list(stages)
    if not slots.buffer:
        return max(0, slots.agent - len(known))
    if sum(stage in MEASURED for stage in known) >= slots.agent:
        return 0
    return max(0, slots.agent - sum(not is_past(stage) for stage in known))


def full(slots: Slots, supply: Mapping[str, int]) -> frozenset[str]:
    """The devices for which nothing new begins. `supply`: for each the attempts that `is_supply` holds for. What each
    has beyond its own bound is what may build, of all of them together."""
    if not slots.buffer:
        return frozenset()
    own = slots.buffer + 1
    beyond = sum(max(0, count - own) for count in supply.values())
    return frozenset(device for device, count in supply.items() if count >= own and beyond >= slots.build)


def room(slots: Slots, devices: Collection[str], standing: Iterable[tuple[str, str | None]]) -> Room:
    """`devices`: those of the machine. `standing`: per attempt on it its device or ANY, and the stage that it was last
    seen in, if any."""
    known = list(standing)
    closed = full(slots, _supply(devices, known))
    if closed and closed.issuperset(devices):
        return Room(free=0, full=closed | {ANY})
    return Room(free=free(slots, (stage for _, stage in known)), full=closed)


def _supply(devices: Collection[str], standing: Iterable[tuple[str, str | None]]) -> dict[str, int]:
    """Per device those that are on their way to it, and those for any."""
    supply = dict.fromkeys(devices, 0) or {ANY: 0}
    for device, stage in standing:
        if is_supply(stage):
            for each in list(supply) if device == ANY else [device]:
                supply[each] = supply.get(each, 0) + 1
    return supply
