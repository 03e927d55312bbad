"""The fleet and the queue at one moment, from one transaction: what `matins top` shows."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import LEASED
from orchestrator.planning.canaries import explain_due
from orchestrator.planning.devices import running_on
from orchestrator.planning.fairness import in_line
from orchestrator.planning.power import is_idle, spares
from orchestrator.planning.power_explain import explain_gpu, explain_idle, explain_runner
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.service.services import Services
from orchestrator.store.convert import to_runner
from orchestrator.store.fleet import load_fleet
from orchestrator.store.queries import list_runners
from orchestrator.store.tables import CampaignRow, EpisodeRow, RunnerRow
from orchestrator.web.views import Json, episode_summary, moment, runner_view


def overview(session: Session, services: Services, limit: int) -> Json:
    """All runners but retired ones; of the episodes first those on a runner, then the queue in its order, `limit` of
    both together; `counts` has all."""
    now, policy = services.now(), services.policy.power
    fleet = load_fleet(session)
    runners = [view_of(fleet, row, policy, now) for row in list_runners(session)]
    on_runners = sorted((e for e in fleet.episodes if e.phase in LEASED), key=lambda e: (e.submitted_at, e.id))
    shown = [episode.id for episode in (*on_runners, *in_line(fleet, now))][:limit]
    oldest = min((episode.submitted_at for episode in fleet.queued), default=None)
    return {
        "at": moment(now),
        "runners": [runner for runner in runners if runner["state"] != "retired"],
        "episodes": _summaries(session, shown),
        "counts": {"running": len(on_runners), "queued": len(fleet.queued)},
        "oldest_queued_at": moment(oldest),
    }


def view_of(fleet: FleetState, row: RunnerRow, policy: PowerPolicy, now: datetime) -> Json:
    """A runner as all routes show it. `why`: what it is doing on the way to ready, or what keeps it awake; `note`:
    what follows from what it has."""
    runner = to_runner(row)
    leases = fleet.leases.get(row.name, ())
    view = {
        **runner_view(row, runner, [episode.id for episode in leases], running_on(fleet, row.name)),
        "note": explain_gpu(runner),
    }
    facts = fleet.power.get(row.name)
    if facts is None:
        return view
    why = explain_runner(runner, None, facts, policy, now)
    if not why and view["state"] == "idle" and facts.sleeps is not None:
        holding = {attempt.runner for attempt in fleet.attempts}
        kept = spares([one for one in fleet.runners if is_idle(fleet, one, holding)], policy)
        why = explain_idle(runner, facts, policy, now, spare=row.name in kept)
    return {**view, "why": why, "canary_due": explain_due(fleet, runner, policy, now)}


def _summaries(session: Session, ids: list[str]) -> list[Json]:
    """In the order of `ids`."""
    query = select(EpisodeRow, CampaignRow).where(EpisodeRow.campaign_id == CampaignRow.id, col(EpisodeRow.id).in_(ids))
    found = {row.id: episode_summary(row, campaign) for row, campaign in session.exec(query).all()}
    return [found[one] for one in ids if one in found]
