"""Machines that have never answered. Nothing is known to fit them, so the queue would never wake one: where it holds an
episode that no other can take now, a stranger is woken once to see what it offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestrator.domain.episode import Episode
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.power import PowerFacts
from orchestrator.domain.runner import Health, Operation, Power, Runner, Service
from orchestrator.planning.fairness import in_line
from orchestrator.planning.matching import Matched
from orchestrator.planning.placement import may_start, waits_for
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.planning.power_rules import may_not_wake

ToSee = Mapping[str, tuple[str, ...]]
"""Per stranger, the episodes for whose sake it is woken: as many as it has slots."""


def is_stranger(runner: Runner, facts: PowerFacts) -> bool:
    """Whether only a wake could tell what it offers: it was asked and is silent, and none was proven before."""
    silent = runner.power in (Power.ASLEEP, Power.UNREACHABLE) or runner.operation is Operation.WAKING
    unseen = runner.hello is None and silent and not any(one.ready for one in facts.wakes)
    return unseen and facts.sleeps is not None and runner.service is Service.IN_SERVICE


def to_see(
    fleet: FleetState, facts: Mapping[str, PowerFacts], matched: Matched, policy: PowerPolicy, now: datetime
) -> dict[str, tuple[str, ...]]:
    """No more of them than the episodes that are not `matched` to others could fill, those counted that are about to
    say what they offer."""
    strangers = [one for _, one in sorted(fleet.runner.items()) if is_stranger(one, facts[one.name])]
    free = [one for one in strangers if _may_be_woken(one, facts[one.name], policy, now)]
    if not free:
        return {}
    soon = sum(one.agent_slots for one in fleet.runners if _is_soon_known(one))
    left = _left(fleet, matched, soon + sum(one.agent_slots for one in free), now)[soon:]
    woken: dict[str, tuple[str, ...]] = {}
    for runner in free:
        mine, left = left[: runner.agent_slots], left[runner.agent_slots :]
        if mine:
            woken[runner.name] = tuple(mine)
    return woken


def explain_stranger(runner: Runner, facts: PowerFacts, policy: PowerPolicy, now: datetime) -> str:
    """What becomes of one that is not being woken yet, in a sentence."""
    bar = may_not_wake(runner, facts, policy, now)
    then = bar or "is woken once to see what it offers, where no other runner can take an episode"
    return f"{runner.name} has never answered, and {then}."


def explain_to_see(episode: Episode, seen: ToSee, starts: int, why: str) -> str:
    """Which stranger is woken for the episode's sake, or what that waits for; empty if none is."""
    name = next((name for name, ids in seen.items() if episode.id in ids), None)
    if name is None:
        return ""
    when = "the next tick does" if starts else why
    return f"No runner that is known can take it now, so {name} is to be woken to see what it offers: {when}."


def _left(fleet: FleetState, matched: Matched, most: int, now: datetime) -> Sequence[str]:
    """The first episodes in line that could start and that nobody can take now. What is pinned is for a machine that is
    known."""
    served = {one.episode_id for one in matched.assign}.union(*matched.awaits.values(), *matched.proving.values())
    found: list[str] = []
    for episode in in_line(fleet, now):
        campaign = fleet.campaign[episode.campaign_id]
        wanted = may_start(episode, campaign) and not waits_for(episode, campaign, now)
        if episode.id not in served and wanted and not episode.pinned_runner:
            found.append(episode.id)
        if len(found) == most:
            break
    return found


def _is_soon_known(runner: Runner) -> bool:
    """It wakes, or is up and is being asked, for the first time."""
    up = runner.operation is Operation.WAKING or runner.power in (Power.AWAKE, Power.UNKNOWN)
    return runner.hello is None and up and runner.service is Service.IN_SERVICE


def _may_be_woken(runner: Runner, facts: PowerFacts, policy: PowerPolicy, now: datetime) -> bool:
    at_rest = runner.health is not Health.QUARANTINED and runner.operation is Operation.NONE
    return at_rest and not may_not_wake(runner, facts, policy, now)
