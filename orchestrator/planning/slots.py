"""The slots of a machine as they are taken now."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.domain import slots
from orchestrator.domain.episode import Episode
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.runner import Runner
from orchestrator.domain.slots import ANY, Room
from orchestrator.planning.devices import named


def room(fleet: FleetState, runner: Runner) -> Room:
    """What the machine has to give."""
    held = fleet.leases.get(runner.name, ())
    if not held:
        return Room(free=runner.slots.agent)
    standing = ((_device(fleet, each), _stage(fleet, each)) for each in held)
    return slots.room(runner.slots, [device.uuid for device in runner.devices], standing)


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
        supply = (each for each in past if slots.is_supply(_stage(fleet, each)))
        crowd = [each for each in supply if _device(fleet, each) in wanted | {ANY}]
        which = " or ".join(filter(None, (named(runner, uuid) for uuid in sorted(wanted))))
        whose = f" and for {which}" if which else ""
        return f"is busy: too many are past their sessions{whose} ({_where(fleet, crowd)}); {taken}"
    if len(begun) < runner.slots.agent:
        return f"is busy: too many are past their sessions ({_where(fleet, past)}); {taken}"
    return f"is busy: {taken}; past their sessions: {_where(fleet, past)}"


def _where(fleet: FleetState, episodes: Iterable[Episode]) -> str:
    return ", ".join(f"{each.id} in {_stage(fleet, each)}" for each in episodes)


def _stage(fleet: FleetState, episode: Episode) -> str | None:
    """Where its attempt in force was last seen."""
    attempt = fleet.attempt.get(episode.attempt_id or "")
    return attempt.status.stage if attempt is not None and attempt.status is not None else None


def _device(fleet: FleetState, episode: Episode) -> str:
    attempt = fleet.attempt.get(episode.attempt_id or "")
    return attempt.gpu if attempt is not None else ANY
