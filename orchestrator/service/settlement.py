"""Each tick settles the runners that are due: their time, power and prices become lines of the ledger."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

import structlog

from orchestrator.errors import Unavailable
from orchestrator.service.services import Services
from orchestrator.store.settling import due_runners, settle_runner

log = structlog.get_logger()

LOOKED_AT_MOST = 50
RUNNERS_MOST = 5
"""In one tick: a settlement takes ten milliseconds, and the plan does not wait for a fleet of them. What is due longest
comes first, so a fleet of a thousand machines awake is settled in turn, each every few minutes."""


def settle(services: Services) -> int:
    """How many runners were settled. A fault in the accounts of one is logged once, and holds up no other: it is tried
    again later, each time after longer."""
    now, setbacks = services.now(), services.unsettled
    with services.store.reading() as session:
        due = due_runners(session, LOOKED_AT_MOST + len(setbacks))
    tried = islice((name for name in due if not setbacks.waits(name, now)), LOOKED_AT_MOST)
    settled = (name for name in tried if _settle(services, name, now))
    return len(list(islice(settled, RUNNERS_MOST)))


def _settle(services: Services, runner: str, now: datetime) -> bool:
    try:
        with services.store.writing() as session:
            settled = settle_runner(session, runner)
    except Unavailable:
        raise
    except Exception as error:
        if services.unsettled.failed(runner, f"{type(error).__name__}: {error}", now):
            log.exception("settlement-failed", runner=runner)
        return False
    services.unsettled.over(runner)
    return settled
