"""Why an episode is where it is, in sentences, from the predicates that the planner itself uses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from orchestrator.domain.episode import CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import PowerFacts
from orchestrator.domain.runner import Runner
from orchestrator.planning.canaries import on_trial
from orchestrator.planning.devices import fitting, named
from orchestrator.planning.evidence import examine
from orchestrator.planning.fairness import in_line
from orchestrator.planning.pinned import explain_pinned
from orchestrator.planning.placement import candidates, occupied, unfit, waits_for
from orchestrator.planning.power import match_fleet
from orchestrator.planning.power_explain import explain_runner, explain_wait
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.planning.proving import refusal, unproven
from orchestrator.planning.slots import explain_busy
from orchestrator.planning.strangers import explain_to_see, to_see
from orchestrator.planning.wakes import room


def explain(fleet: FleetState, episode: Episode, now: datetime, policy: PowerPolicy | None = None) -> tuple[str, ...]:
    """One sentence or more; never empty."""
    since = f"{(now - episode.phase_since).total_seconds():.0f} s"
    if episode.phase is Phase.QUEUED and episode.pinned_runner:
        return tuple(_queued_pinned(fleet, episode, now, since, policy or PowerPolicy()))
    if episode.phase is Phase.QUEUED:
        return tuple(_queued(fleet, episode, now, since, policy or PowerPolicy()))
    if episode.phase is Phase.ASSIGNED:
        return (f"It holds a slot of runner {episode.runner} since {since}; the launch is next.",)
    if episode.phase in (Phase.LAUNCHING, Phase.RUNNING):
        return tuple(_on_runner(fleet, episode, now, since, policy or PowerPolicy()))
    if episode.phase is Phase.COLLECTING:
        return (f"It has ended on {episode.runner}; its artifacts are being pulled and verified since {since}.",)
    if episode.phase is Phase.SCORING:
        return (f"Its artifacts are here; it is being scored since {since}.",)
    ended = f"It ended {since} ago: {episode.phase}"
    reason = f", {episode.end_reason}" if episode.end_reason else ""
    return (f"{ended}{reason}.", *([episode.detail] if episode.detail else []))


def _queued_pinned(fleet: FleetState, one: Episode, now: datetime, since: str, policy: PowerPolicy) -> Iterator[str]:
    yield f"It is queued since {since}."
    waiting = waits_for(one, fleet.campaign[one.campaign_id], now)
    yield f"It waits: {waiting}." if waiting else explain_pinned(fleet, one, policy, now)


def _queued(fleet: FleetState, episode: Episode, now: datetime, since: str, policy: PowerPolicy) -> list[str]:
    campaign = fleet.campaign[episode.campaign_id]
    lines = [f"It is queued since {since}."]
    waiting = waits_for(episode, campaign, now)
    if waiting:
        return [*lines, f"It waits: {waiting}.", *_preflight(fleet, episode, now, policy)]
    line = [other.id for other in in_line(fleet, now)]
    ahead = line.index(episode.id) if episode.id in line else 0
    if ahead:
        lines.append(f"{ahead} episode{'s are' if ahead > 1 else ' is'} ahead of it in the queue.")
    if not fleet.runners:
        lines.append("There is no runner: add one with `matins runner add NAME --local`.")
    power = {r.name: fleet.power.get(r.name) or PowerFacts(runner=r.name) for r in fleet.runners}
    matched = match_fleet(fleet, power, policy, now, warmth=fleet.warmth)
    awaits, unseen = matched.awaits, to_see(fleet, power, matched, policy, now)
    free = room(fleet.runners, power, policy, now)
    promised = explain_wait(episode, awaits, fleet.runners, power, policy, now)
    promised = promised or explain_to_see(episode, unseen, free.starts, free.why)
    lines += [promised] if promised else []
    wanted = candidates(fleet, episode)
    for runner in sorted(fleet.runners, key=lambda r: r.name):
        if episode.id in awaits.get(runner.name, ()):
            continue
        refused = refusal(fleet, runner.name, campaign)
        asleep = "" if refused else explain_runner(runner, campaign, power[runner.name], policy, now)
        problem = refused or unfit(runner, campaign) or occupied(fleet, runner) or on_trial(fleet, runner)
        if asleep:
            lines.append(asleep)
        elif problem:
            lines.append(f"{runner.name} {problem}.")
        elif runner.name not in wanted:
            lines.append(f"{runner.name} is avoided: an attempt of this episode failed there, and others can take it.")
        else:
            begins = episode.id in matched.proving.get(runner.name, ())
            lines.append(f"{runner.name} {_of_ready(fleet, runner, campaign, policy, begins=begins)}.")
    return lines


def _of_ready(fleet: FleetState, runner: Runner, campaign: CampaignFacts, policy: PowerPolicy, *, begins: bool) -> str:
    """Of a machine that nothing keeps from the campaign: its slots, or a proof that comes first; `begins`: for this
    episode."""
    first = unproven(fleet, runner.name, campaign, policy)
    if first and (campaign.id, runner.name) in fleet.preflights:
        return first
    if first and begins:
        return f"{first}: the next tick begins its preflight"
    return explain_busy(fleet, runner, fitting(runner, campaign)) or first or "can take it: the next tick assigns it"


def _preflight(fleet: FleetState, episode: Episode, now: datetime, policy: PowerPolicy) -> list[str]:
    """Where the preflight that the episode waits for stands."""
    if episode.kind is EpisodeKind.PREFLIGHT:
        return []
    return [
        f"Preflight {other.id}: {line}"
        for other in fleet.episodes
        if other.campaign_id == episode.campaign_id and other.kind is EpisodeKind.PREFLIGHT
        for line in explain(fleet, other, now, policy)
    ]


def _on_runner(fleet: FleetState, episode: Episode, now: datetime, since: str, policy: PowerPolicy) -> list[str]:
    attempt = fleet.attempt.get(episode.attempt_id or "")
    if attempt is None:
        return [f"It is {episode.phase} on {episode.runner} since {since}."]
    runner = fleet.runner.get(attempt.runner)
    found = examine(attempt, runner, unwanted=episode.cancel_requested)
    status = attempt.status
    lines = [f"Attempt {attempt.fence} is {episode.phase} since {since}. {found.says[0].upper()}{found.says[1:]}."]
    if status is not None and status.stage:
        device = named(runner, attempt.gpu) if runner else ""
        where = attempt.runner + (f", its {device}," if device else "")
        lines = [f"It runs on {where} in stage {status.stage} since {status.stage_since}.", *lines]
    facts = fleet.power.get(attempt.runner)
    asleep = explain_runner(runner, None, facts, policy, now) if runner and facts else ""
    lines += [asleep] if asleep else []
    if episode.cancel_requested:
        lines.append("Its cancellation was requested and has not been confirmed by the runner.")
    return lines
