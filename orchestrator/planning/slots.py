"""The slots of a machine as they are taken now."""

from __future__ import annotations

from orchestrator.domain import slots
from orchestrator.domain.episode import Episode
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.runner import Runner


def free_slots(fleet: FleetState, runner: Runner) -> int:
    """How many episodes may begin on it, as far as slots go."""
    return slots.free(runner.slots, (_stage(fleet, each) for each in fleet.leases.get(runner.name, ())))


def explain_busy(fleet: FleetState, runner: Runner) -> str:
    """Who takes its slots; empty where one is free."""
    if free_slots(fleet, runner):
        return ""
    held = fleet.leases.get(runner.name, ())
    past = [each for each in held if runner.slots.buffer and slots.is_past(_stage(fleet, each))]
    begun = [each.id for each in held if each not in past]
    taken = f"{len(begun)} of {runner.slots.agent} agent slots held" + (f" ({', '.join(begun)})" if begun else "")
    if not past:
        return f"is busy: {taken}"
    where = ", ".join(f"{each.id} in {_stage(fleet, each)}" for each in past)
    if not slots.is_full(runner.slots, [_stage(fleet, each) for each in past]):
        return f"is busy: {taken}; past their sessions: {where}"
    return f"is busy: too many are past their sessions ({where}); {taken}"


def _stage(fleet: FleetState, episode: Episode) -> str | None:
    """Where its attempt in force was last seen."""
    attempt = fleet.attempt.get(episode.attempt_id or "")
    return attempt.status.stage if attempt is not None and attempt.status is not None else None
