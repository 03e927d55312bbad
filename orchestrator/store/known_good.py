"""The history of a runner's known-good run, kept in the summaries of the episodes that took it."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from orchestrator.domain.phases import Phase
from orchestrator.store.tables import EpisodeRow, RunnerRow

NEWEST = 100
"""Runs that are looked at: older ones say what the machine was before a service or two."""


def known_good(
    session: Session, runner: str, campaign_id: str, device: str, driver: str
) -> list[tuple[datetime, float]]:
    """When, and with how many tok/s, the campaign's untouched base ran on that device under that driver, oldest first.
    What was before an operator took the machine back is another history: they have seen it, and say that it is fine."""
    since = session.get_one(RunnerRow, runner).failures_since
    query = select(EpisodeRow.ended_at, EpisodeRow.result).where(
        EpisodeRow.runner == runner, EpisodeRow.campaign_id == campaign_id, EpisodeRow.phase == str(Phase.DONE)
    )
    query = query.where(col(EpisodeRow.ended_at) > since) if since is not None else query
    rows = session.exec(query.order_by(col(EpisodeRow.ended_at).desc()).limit(NEWEST)).all()
    told = [(at, (result or {}).get("known_good")) for at, result in reversed(rows)]
    return [
        (at, run["tok_s"])
        for at, run in told
        if at is not None and run and (run["device"], run["driver"]) == (device, driver)
    ]
