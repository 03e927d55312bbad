"""Submitting, listing, watching, explaining and cancelling episodes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import update
from sqlmodel import Session, col

from orchestrator.artifacts.layout import VERDICT
from orchestrator.domain.fleet import FleetState
from orchestrator.errors import Conflict
from orchestrator.failpoints import reach
from orchestrator.planning.explain import explain
from orchestrator.service.intake import Submission, submit
from orchestrator.service.places import attempt_folder
from orchestrator.service.services import Services
from orchestrator.store.changes import log_event
from orchestrator.store.convert import to_attempt, to_campaign, to_episode
from orchestrator.store.fleet import load_fleet
from orchestrator.store.queries import (
    EpisodeFilter,
    attempts_of,
    events_of,
    find_episode,
    has_ended,
    list_episodes,
    live_log,
)
from orchestrator.store.tables import CampaignRow, EpisodeRow
from orchestrator.web.campaigns import BundleBody
from orchestrator.web.operate import UNNAMED, ByBody
from orchestrator.web.views import attempt_view, episode_summary, event_view, stages_view

EVENTS_PAGE = 1000
PLACE_MAX = 2**62
"""Beyond it no database counts."""


class SubmissionBody(ByBody):
    """`by` is who submits. One token serves all, so that a name is what the client says it is."""

    bundle: BundleBody
    agents: list[str]
    model: str | None = None
    count: int = 1
    priority: int = Field(default=0, ge=-1000, le=1000)


def episode_routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/episodes")

    @router.post("", status_code=201)
    def submit_episodes(body: SubmissionBody) -> dict[str, Any]:
        asked = Submission(
            bundle=body.bundle.bundle(),
            agents=tuple(body.agents),
            model=body.model,
            count=body.count,
            priority=body.priority,
            submitter=body.by,
        )
        campaign, episodes = submit(services, asked)
        reach("intake-before-answer")
        summaries = [episode_summary(row, campaign) for row in episodes]
        return {"episodes": summaries, "campaign": campaign.name, "commit": campaign.commit}

    @router.get("")
    def episodes(
        campaign: str = "", agent: str = "", phase: str = "", kind: str = "episode", limit: int = 100
    ) -> dict[str, Any]:
        wanted = EpisodeFilter(campaign=campaign, agent=agent, phase=phase, kind=kind, limit=max(1, min(limit, 10_000)))
        with services.store.reading() as session:
            return {"episodes": [episode_summary(*found) for found in list_episodes(session, wanted)]}

    @router.get("/{prefix}")
    def show(prefix: str) -> dict[str, Any]:
        with services.store.reading() as session:
            row, campaign = find_episode(session, prefix)
            attempts = attempts_of(session, row.id)
            newest = attempts[-1].id if attempts else ""
            journal = [e for e in events_of(session, row.id, 0) if e.attempt_id == newest]
            return {
                **episode_summary(row, campaign),
                "attempts": [attempt_view(attempt) for attempt in attempts],
                "stages": stages_view(journal),
                "verdict": _verdict(services, row),
            }

    @router.get("/{prefix}/events")
    def events(prefix: str, after: int = Query(default=0, le=PLACE_MAX)) -> dict[str, Any]:
        with services.store.reading() as session:
            row, _ = find_episode(session, prefix)
            found = events_of(session, row.id, after, EVENTS_PAGE)
            return {
                "events": [event_view(event) for event in found],
                "next": found[-1].id if found else after,
                "ended": has_ended(row) and len(found) < EVENTS_PAGE,
            }

    @router.get("/{prefix}/logs")
    def logs(prefix: str, offset: int = Query(default=0, le=PLACE_MAX), stream: str = "") -> dict[str, Any]:
        offset = max(0, offset)
        with services.store.reading() as session:
            row, _ = find_episode(session, prefix)
            attempt = next((each.id for each in reversed(attempts_of(session, row.id))), None)
            text = live_log(session, attempt, offset, stream) if attempt else ""
            ended = has_ended(row) and not text
            return {"attempt": attempt, "text": text, "offset": offset, "next": offset + len(text), "ended": ended}

    @router.get("/{prefix}/explain")
    def why(prefix: str) -> dict[str, Any]:
        with services.store.reading() as session:
            row, campaign = find_episode(session, prefix)
            fleet = _with(load_fleet(session), session, row, campaign)
        episode = next((each for each in fleet.episodes if each.id == row.id), to_episode(row))
        return {"state": row.phase, "lines": list(explain(fleet, episode, services.now(), services.policy.power))}

    @router.post("/{prefix}/cancel")
    def cancel(prefix: str, body: ByBody | None = None) -> dict[str, Any]:
        by = body.by if body else UNNAMED
        with services.store.writing() as session:
            row, campaign = find_episode(session, prefix)
            if has_ended(row):
                raise Conflict(f"episode {row.id} has ended: {row.phase}", "nothing is left to cancel")
            if not row.cancel_requested:
                session.execute(update(EpisodeRow).where(col(EpisodeRow.id) == row.id).values(cancel_requested=True))
                log_event(session, row.id, "cancel-requested", now=services.now(), data={"by": by})
        services.doorbell.tick()
        return episode_summary(row, campaign)

    return router


def _with(fleet: FleetState, session: Session, row: EpisodeRow, campaign: CampaignRow) -> FleetState:
    """The fleet with the campaign and the attempts of an episode that may have ended, so that it can be explained."""
    attempts = {attempt.id: attempt for attempt in fleet.attempts}
    for attempt in attempts_of(session, row.id):
        attempts.setdefault(attempt.id, to_attempt(attempt))
    campaigns = {known.id: known for known in (*fleet.campaigns, to_campaign(campaign))}
    return replace(fleet, attempts=tuple(attempts.values()), campaigns=tuple(campaigns.values()))


def _verdict(services: Services, row: EpisodeRow) -> Any:
    """The verdict from the episode's folder; None while there is none."""
    if row.result is None or row.attempt_id is None:
        return None
    path = attempt_folder(services.settings.home, row.attempt_id) / VERDICT
    return json.loads(path.read_text("utf-8")) if path.is_file() else None
