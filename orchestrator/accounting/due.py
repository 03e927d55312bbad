"""How far a machine can be settled now. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

METERS_LAG = timedelta(seconds=60)
"""A meter that has counted within this is waited for: what it will say of the time since is measured."""

MOST_AT_ONCE = timedelta(days=1)


def settle_until(
    start: datetime, watched: datetime, *, told: datetime | None, awaited: bool, metered: datetime | None
) -> datetime:
    """At least `start`, where the last settlement ended. Nobody knows more than what was watched; and of a machine that
    is `awaited`, since it is awake or has living attempts, only what it has `told` up to now: journals and meters
    come with its reports, also those of a time in which no orchestrator ran. `metered`: how far its meters have
    counted, if it has any."""
    ends = [watched, start + MOST_AT_ONCE]
    if awaited:
        ends.append(told or start)
    if metered is not None and watched - metered < METERS_LAG:
        ends.append(metered)
    return max(start, min(ends))
