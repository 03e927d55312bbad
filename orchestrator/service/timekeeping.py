"""Each tick looks at the machines and notes what they are: the time that accounts and metrics are made of."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.service.services import Services
from orchestrator.store.spans import watch, watched_until

LOOK_EVERY = timedelta(seconds=0.5)
"""Ticks that come in a burst look once."""

GAP = timedelta(seconds=60)
"""Longer than this without a look, and nobody knows what the machines were: as while the orchestrator was stopped."""


def keep_time(services: Services) -> bool:
    """Whether this look was noted. Two orchestrators that look at once note one."""
    now = services.now()
    with services.store.reading() as session:
        before = watched_until(session)
    if before is not None and now < before + LOOK_EVERY:
        return False
    gap = max(GAP, 3 * timedelta(seconds=services.settings.tick_s))
    with services.store.writing() as session:
        return watch(session, now, gap)
