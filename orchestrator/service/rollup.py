"""The roll-ups that metrics are made from: what has ended is added to them once, in the transaction that marks it."""

from __future__ import annotations

import structlog

from orchestrator.accounting.additions import Additions
from orchestrator.accounting.counting import count_episode, count_pull, count_retry, count_wake
from orchestrator.service.services import Services
from orchestrator.store.rollup import Uncounted, mark_counted, uncounted
from orchestrator.store.totals import write

log = structlog.get_logger()

TOGETHER = 500
"""Rows of a table in one transaction. Those that are older than roll-ups are counted batch by batch."""


def roll_up(services: Services, most: int = TOGETHER) -> int:
    """The number of rows counted, at most so many of a table. Of two at once one writes, and the other drops what it
    has summed. Where there may be more it rings for another tick."""
    with services.store.reading() as session:
        batch = uncounted(session, most)
    size = sum(len(ids) for ids in batch.ids.values())
    if not size:
        return 0
    additions = added_by(batch)
    with services.store.writing() as session:
        if not mark_counted(session, batch):
            return 0
        write(session, additions)
    if batch.fills(most):
        services.doorbell.tick()
    return size


def added_by(batch: Uncounted) -> Additions:
    """What a batch adds; of an episode that cannot be read, what could be."""
    additions = Additions()
    for episode in batch.episodes:
        try:
            count_episode(additions, episode)
        except (AttributeError, KeyError, TypeError, ValueError):
            # What was kept of its verdict cannot be read; the others, and the next tick, do not wait for it.
            log.exception("episode-not-counted", episode=episode.id)
    for reason in batch.retries:
        count_retry(additions, reason)
    for wake in batch.wakes:
        count_wake(additions, wake)
    for pull in batch.pulls:
        count_pull(additions, pull)
    return additions
