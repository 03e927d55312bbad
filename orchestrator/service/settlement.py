"""Each tick settles the runners that are due: their time, power and prices become lines of the ledger."""

from __future__ import annotations

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
    """How many runners were settled. A fault in the accounts of one is logged, and holds up no other."""
    with services.store.reading() as session:
        due = due_runners(session, LOOKED_AT_MOST)
    settled = (name for name in due if _settle(services, name))
    return len(list(islice(settled, RUNNERS_MOST)))


def _settle(services: Services, runner: str) -> bool:
    try:
        with services.store.writing() as session:
            return settle_runner(session, runner)
    except Unavailable:
        raise
    except Exception:
        log.exception("settlement-failed", runner=runner)
        return False
