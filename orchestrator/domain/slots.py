"""How many attempts a machine may begin: of the slots that it has, and of where those on it stand.

An attempt needs an agent slot while its sessions last. After that it builds, waits for its device and is measured, and
a next one may begin beside it. How many are past their sessions at a time is bounded, as each holds trees on the disk:
those that build, and for each device the one that is measured and `buffer` that are ready for it. Those that have been
measured and are graded and packed are no supply for a device, and counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner_agent.protocol import STAGES

PAST_SESSION = frozenset(STAGES[STAGES.index("session") + 1 :])
"""The stages of an attempt after its last session."""
MEASURED = frozenset(STAGES[STAGES.index("smoke") + 1 :])
"""Those after its smoke test."""

READY_BUFFER = 2
"""Two, so that the device has work while one that was ready turns out not to build."""


@dataclass(frozen=True, kw_only=True)
class Slots:
    """`agent`: attempts before the end of their sessions. `build`: attempts that build at a time. `buffer`: attempts
    that wait for a device; with 0 an attempt holds its agent slot to its end. `gates`: devices to measure on."""

    agent: int = 1
    build: int = 1
    buffer: int = 0
    gates: int = 1

    @property
    def past_most(self) -> int:
        """With so many between their sessions and the end of their smoke tests nothing new begins."""
        return self.build + (self.buffer + 1) * self.gates


def default_buffer(agent: int) -> int:
    """A machine with one slot keeps its measurements free of other agents, unless an operator says otherwise."""
    return READY_BUFFER if agent > 1 else 0


def holds_one(agent: int, buffer: int | None) -> bool:
    """Whether a machine lets no attempt begin beside another. `buffer`: what an operator said, if anything."""
    return agent == 1 and not (default_buffer(agent) if buffer is None else buffer)


def is_past(stage: str | None) -> bool:
    return stage in PAST_SESSION


def free(slots: Slots, stages: Iterable[str | None]) -> int:
    """How many more may begin. `stages`: per attempt on the machine the stage that it was last seen in; None: none."""
    known = list(stages)
    if not slots.buffer:
        return max(0, slots.agent - len(known))
    if is_full(slots, known):
        return 0
    return max(0, slots.agent - sum(not is_past(stage) for stage in known))


def is_full(slots: Slots, stages: Sequence[str | None]) -> bool:
    """Whether so many are past their sessions that nothing new begins: on their way to a device, or, as many as there
    are agent slots, on their way from it."""
    measured = sum(stage in MEASURED for stage in stages)
    return sum(is_past(stage) for stage in stages) - measured >= slots.past_most or measured >= slots.agent
