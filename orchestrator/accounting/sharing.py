"""Who pays for a machine at one instant. It is split into equal lanes, one per gate; each is paid by who held the
scarcest thing on it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.accounting.values import Hold

Holder = tuple[str, str]
"""Episode and attempt."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A holder's part of the machine, above 0 and at most 1."""

    phase: str
    episode_id: str
    attempt_id: str
    part: float


def share_out(holds: Iterable[Hold], gates: int) -> tuple[Share, ...]:
    """The parts of those who hold anything now, in a fixed order; what is missing to 1 is held by nobody.

    A device's lane is its gate's; who holds a gate without a name has the lanes of all devices that are named by none.
    Lanes whose gate nobody holds are shared by those who hold a build slot, else by those who hold an agent slot.
    Should more gates be held than the machine has, each is worth less.
    """
    at_gate: defaultdict[str, set[Holder]] = defaultdict(set)
    builders: set[Holder] = set()
    in_slots: dict[Holder, Hold] = {}
    for hold in holds:
        holder = (hold.episode_id, hold.attempt_id)
        if hold.what == "gpu":
            at_gate[hold.device].add(holder)
        elif hold.what == "build":
            builders.add(holder)
        elif holder not in in_slots or _newer(hold, in_slots[holder]):
            in_slots[holder] = hold

    lanes = max(1, gates)
    named = len(at_gate) - ("" in at_gate)
    worth = {device: 1 if device else max(1, lanes - named) for device in sorted(at_gate)}
    whole = max(lanes, sum(worth.values()))
    free = whole - sum(worth.values())

    parts: defaultdict[tuple[str, Holder], float] = defaultdict(float)
    for device, lanes_of_it in worth.items():
        for holder in at_gate[device]:
            parts["gpu", holder] += lanes_of_it / whole / len(at_gate[device])
    if free and builders:
        for holder in builders:
            parts["build", holder] += free / whole / len(builders)
    elif free:
        for holder, hold in in_slots.items():
            parts[hold.phase or "slot", holder] += free / whole / len(in_slots)
    return tuple(
        Share(phase=phase, episode_id=episode, attempt_id=attempt, part=parts[phase, (episode, attempt)])
        for phase, (episode, attempt) in sorted(parts)
    )


def _newer(hold: Hold, other: Hold) -> bool:
    """Of two slots that an attempt seems to hold at once, in which it was last."""
    return (hold.start, hold.end, hold.phase) > (other.start, other.end, other.phase)
