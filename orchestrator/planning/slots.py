"""The slots of a machine as they are taken now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestrator.domain import slots
from orchestrator.domain.episode import Episode
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.runner import Runner
from orchestrator.planning.devices import named

ANY = ""
"""Of an attempt that may use any device of its machine: it stands in the way of each."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """`free`: how many episodes may begin, as far as slots go. `full`: the deviceUUIDs for which none may, whatever is
    free; with ANY where no device has room."""

    free: int
    full: frozenset[str] = frozenset()

    def but(self, taken: int) -> Room:
        return replace(self, free=self.free - taken)

    def takes(self, devices: Iterable[str]) -> bool:
        """Whether one may begin that is for one of these devices."""
        return self.free > 0 and not self.full.issuperset(devices)


def room(fleet: FleetState, runner: Runner) -> Room:
    """What the machine has to give."""
    held = fleet.leases.get(runner.name, ())
    if not held:
        return Room(free=runner.slots.agent)
    free = slots.free(runner.slots, (_stage(fleet, each) for each in held))
    full = slots.full(runner.slots, _supply(fleet, runner, held))
    if full and (not runner.devices or full.issuperset(device.uuid for device in runner.devices)):
        return Room(free=0, full=full | {ANY})
    return Room(free=free, full=full)


def explain_busy(fleet: FleetState, runner: Runner, devices: Iterable[str]) -> str:
    """Who takes its slots, or the room of these devices; empty where one may begin."""
    wanted = frozenset(devices)
    given = room(fleet, runner)
    if given.takes(wanted):
        return ""
    held = fleet.leases.get(runner.name, ())
    past = [each for each in held if runner.slots.buffer and slots.is_past(_stage(fleet, each))]
    begun = [each.id for each in held if each not in past]
    taken = f"{len(begun)} of {runner.slots.agent} agent slots held" + (f" ({', '.join(begun)})" if begun else "")
    if not past:
        return f"is busy: {taken}"
    if given.full.issuperset(wanted):
        crowd = [each for each in past if _device(fleet, each) in wanted | {ANY}]
        which = " or ".join(filter(None, (named(runner, uuid) for uuid in sorted(wanted))))
        whose = f" and for {which}" if which else ""
        return f"is busy: too many are past their sessions{whose} ({_where(fleet, crowd)}); {taken}"
    if len(begun) < runner.slots.agent:
        return f"is busy: too many are past their sessions ({_where(fleet, past)}); {taken}"
    return f"is busy: {taken}; past their sessions: {_where(fleet, past)}"


def _supply(fleet: FleetState, runner: Runner, held: Iterable[Episode]) -> dict[str, int]:
    """Per device, those that are on their way to it; one for any of them counts for each."""
    supply = dict.fromkeys((device.uuid for device in runner.devices), 0) or {ANY: 0}
    for each in held:
        if slots.is_supply(_stage(fleet, each)):
            device = _device(fleet, each)
            for uuid in [device] if device != ANY else list(supply):
                supply[uuid] = supply.get(uuid, 0) + 1
    return supply


def _where(fleet: FleetState, episodes: Iterable[Episode]) -> str:
    return ", ".join(f"{each.id} in {_stage(fleet, each)}" for each in episodes)


def _stage(fleet: FleetState, episode: Episode) -> str | None:
    """Where its attempt in force was last seen."""
    attempt = fleet.attempt.get(episode.attempt_id or "")
    return attempt.status.stage if attempt is not None and attempt.status is not None else None


def _device(fleet: FleetState, episode: Episode) -> str:
    attempt = fleet.attempt.get(episode.attempt_id or "")
    return attempt.gpu if attempt is not None else ANY
