"""plan(fleet, policy, now) -> actions. It performs nothing, reads no clock, and does not depend on the order of its
inputs."""

from __future__ import annotations

from datetime import datetime

from orchestrator.domain.actions import (
    Action,
    BeginCollect,
    BeginLaunch,
    EndCancelled,
    GiveUp,
    Release,
    SendCancel,
    SendChecks,
)
from orchestrator.domain.episode import Attempt, Episode
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Runner
from orchestrator.planning.canaries import on_trial
from orchestrator.planning.evidence import Decision, examine
from orchestrator.planning.launches import on_devices
from orchestrator.planning.leavings import clear
from orchestrator.planning.pinned import cannot_take, not_needed
from orchestrator.planning.placement import may_start, unfit
from orchestrator.planning.policy import Policy
from orchestrator.planning.power import plan_power
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.planning.proving import may_not_take
from orchestrator.planning.recovery import after_failure


def plan(fleet: FleetState, policy: Policy, now: datetime) -> tuple[Action, ...]:
    """All actions that are due. Planning again before they are committed gives them again; committing twice does
    nothing the second time."""
    return (*next_acts(fleet, policy, now), *plan_power(fleet, fleet.power, policy.power, now, warmth=fleet.warmth))


def next_acts(fleet: FleetState, policy: Policy, now: datetime) -> tuple[Action, ...]:
    """What is due of episodes that hold a runner or have no use for one, and of what they left behind."""
    due = [_next_act(episode, fleet, policy, now) for episode in sorted(fleet.episodes, key=lambda e: e.id)]
    return (*on_devices(fleet, (action for action in due if action is not None)), *clear(fleet))


def _next_act(episode: Episode, fleet: FleetState, policy: Policy, now: datetime) -> Action | None:
    if episode.phase is Phase.QUEUED:
        return _before_start(episode, fleet)
    if episode.phase is Phase.ASSIGNED:
        return _assigned(episode, fleet, policy.power)
    attempt = fleet.attempt.get(episode.attempt_id or "")
    if attempt is None or attempt.ended is not None:
        return None
    if episode.phase in (Phase.LAUNCHING, Phase.RUNNING):
        return _on_runner(episode, attempt, fleet, policy, now)
    if attempt.failure is not None:
        return after_failure(episode, attempt, attempt.failure, attempt.failure_detail, policy, now)
    return None


def _before_start(episode: Episode, fleet: FleetState) -> Action | None:
    campaign = fleet.campaign[episode.campaign_id]
    if episode.cancel_requested:
        return EndCancelled(episode_id=episode.id, attempt_id=None)
    if episode.pinned_runner and (why := not_needed(fleet, episode)):
        return EndCancelled(episode_id=episode.id, attempt_id=None, detail=why)
    if not may_start(episode, campaign):
        reason, detail = EndReason.CAMPAIGN_REFUSED, campaign.acceptance_detail
        return GiveUp(episode_id=episode.id, attempt_id=None, reason=reason, detail=detail)
    return None


def _assigned(episode: Episode, fleet: FleetState, policy: PowerPolicy) -> Action | None:
    if episode.cancel_requested:
        return EndCancelled(episode_id=episode.id, attempt_id=None)
    runner = fleet.runner.get(episode.runner or "")
    if runner is None or _must_leave(episode, runner, fleet, policy):
        return Release(episode_id=episode.id, runner=episode.runner or "")
    return BeginLaunch(episode_id=episode.id, runner=runner.name, fence=episode.fence + 1)


def _must_leave(episode: Episode, runner: Runner, fleet: FleetState, policy: PowerPolicy) -> str:
    """Why the runner cannot take the episode any more; empty if it can."""
    if episode.pinned_runner:
        return cannot_take(fleet, episode, runner)
    problem = unfit(runner, fleet.campaign[episode.campaign_id]) or on_trial(fleet, runner)
    return problem or may_not_take(fleet, runner.name, episode, policy)


def _on_runner(episode: Episode, attempt: Attempt, fleet: FleetState, policy: Policy, now: datetime) -> Action | None:
    found = examine(attempt, fleet.runner.get(attempt.runner), unwanted=episode.cancel_requested)
    match found.decision:
        case Decision.COLLECT:
            return BeginCollect(episode_id=episode.id, attempt_id=attempt.id)
        case Decision.CANCELLED:
            return EndCancelled(episode_id=episode.id, attempt_id=attempt.id)
        case Decision.LOST if found.reason is not None:
            return after_failure(episode, attempt, found.reason, found.says, policy, now)
        case Decision.SEND_CHECKS:
            return SendChecks(attempt_id=attempt.id)
        case _:
            wanted_gone = episode.cancel_requested and "cancel" not in attempt.requested
            return SendCancel(attempt_id=attempt.id) if wanted_gone else None
