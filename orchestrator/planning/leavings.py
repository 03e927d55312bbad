"""What attempts that are over left on their runners: stopped where it still runs, kept here, then deleted there."""

from __future__ import annotations

from orchestrator.domain.actions import Clear, Clearing, Forget
from orchestrator.domain.episode import Attempt
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.runner import Power

LIVING = ("running", "awaiting-checks")


def clear(fleet: FleetState) -> list[Clear | Forget]:
    """The next step of each. A runner that does not answer is left in peace: what is there waits."""
    due = [_next_step(attempt) for attempt in fleet.leavings if answers(fleet, attempt.runner)]
    return [step for step in due if step is not None]


def answers(fleet: FleetState, name: str) -> bool:
    runner = fleet.runner.get(name)
    return runner is not None and runner.power is Power.AWAKE


def still_runs(fleet: FleetState, name: str) -> Attempt | None:
    """An attempt that nobody wants any more and that may still run on the runner: no other is to be put beside it."""
    return next((a for a in fleet.leavings if a.runner == name and may_live(a)), None)


def may_live(attempt: Attempt) -> bool:
    if attempt.gone:
        return False
    if attempt.status is None:
        # Its launch may have arrived; only a tombstone or a stale fence says that it never will.
        return "cancel" not in attempt.finished
    return attempt.status.phase in LIVING and not _rebooted(attempt)


def _rebooted(attempt: Attempt) -> bool:
    started = attempt.status.boot_id if attempt.status else ""
    return bool(started and attempt.reported_boot_id and started != attempt.reported_boot_id)


def _next_step(attempt: Attempt) -> Clear | Forget | None:
    said = attempt.status.phase if attempt.status else None
    if attempt.gone and said is not None:
        return Forget(attempt_id=attempt.id)
    if said is None and "cancel" in attempt.finished:
        # The runner refused it for its fence, so it cannot start either.
        return Forget(attempt_id=attempt.id)
    if said is None or said in LIVING:
        return _once(attempt, "cancel")
    if said == "cancelled":
        return _once(attempt, "acknowledge")
    # The salvage itself asks for the acknowledgement, once what is there is here: without it nothing is deleted.
    return None if "acknowledge" in attempt.requested else _once(attempt, "salvage")


def _once(attempt: Attempt, act: Clearing) -> Clear | None:
    return None if act in attempt.requested else Clear(attempt_id=attempt.id, act=act)
