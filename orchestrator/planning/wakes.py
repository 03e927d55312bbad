"""Which machines are woken now, and what follows from wakes that have ended or should have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.fleet import FleetState
from orchestrator.domain.power import EndSuspend, EndWake, PowerAction, PowerFacts, Quarantine, Readmit, Wake
from orchestrator.domain.runner import Health, Operation, Runner, Service
from orchestrator.domain.wake import GpuNeed, WakeRecord, WakeStage, because
from orchestrator.planning.deadlines import deadline_s
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.planning.power_rules import (
    gpu_need,
    gpu_wanted,
    is_down,
    may_not_wake,
    probe_at,
    quarantine_due,
    tokens,
)

GRACE = timedelta(seconds=120)
"""Whoever looks after a wake ends it at its deadline; only where that did not happen does the planner.
Meanwhile a last call over the link may be on its way."""

Facts = Mapping[str, PowerFacts]


@dataclass(frozen=True, kw_only=True)
class Room:
    """How many more may start now, of how many that wake already, and why not more."""

    starts: int
    waking: int
    why: str


def room(runners: Sequence[Runner], facts: Facts, policy: PowerPolicy, now: datetime) -> Room:
    """What the cap and the limit of inrush leave."""
    waking = sum(runner.operation is Operation.WAKING for runner in runners)
    begun = [record.started_at for one in facts.values() for record in one.wakes]
    begun += [one.wake.started_at for one in facts.values() if one.wake is not None]
    left, fresh = max(0, policy.waking_max - waking), tokens(begun, policy.inrush, now)
    why = f"{waking} of at most {policy.waking_max} machines are waking"
    if fresh < left:
        why = f"machines start at most {policy.inrush.burst} at once and then {policy.inrush.per_s:g} a second"
    return Room(starts=min(left, fresh), waking=waking, why=why)


def wakes(
    fleet: FleetState,
    runners: Sequence[Runner],
    facts: Facts,
    awaits: Mapping[str, tuple[str, ...]],
    policy: PowerPolicy,
    now: datetime,
) -> Iterator[Wake]:
    """As many as there is room for: first machines that hold something to be fetched, then those whose last wake was
    not proven though they answered, then those that the queue needs, in its order, and last those on probation.
    `awaits`: whom the queue needs, and for which episodes."""
    free = room(runners, facts, policy, now)
    wanted = dict.fromkeys(
        [
            *_holding(fleet, runners, facts, policy, now),
            *_unproven(runners, facts, policy, now),
            *(name for name in awaits if fleet.runner[name].operation is Operation.NONE),
            *_on_probation(runners, facts, policy, now),
        ]
    )
    for nth, name in enumerate(list(wanted)[: free.starts], start=1):
        one = facts[name]
        if one.sleeps is None:
            continue
        waking = free.waking + nth
        learned_s = deadline_s(one.wakes, one.sleeps, waking=waking, failures=len(one.failures))
        limit_s = min(policy.wake_limit_s, learned_s)
        probe = fleet.runner[name].health is Health.QUARANTINED and one.by_wakes
        episodes = awaits.get(name, ())
        gpu = max(gpu_need(fleet.runner[name], one), _gpu_wanted(fleet, name, episodes))
        yield Wake(
            runner=name, slept=one.sleeps, deadline_s=limit_s, waking=waking, gpu=gpu, episodes=episodes, probe=probe
        )


def _holding(
    fleet: FleetState, runners: Sequence[Runner], facts: Facts, policy: PowerPolicy, now: datetime
) -> Iterator[str]:
    """Down, with an attempt in force that only they can report, give up or hand over: whether they are given other
    work makes no difference. Those quarantined for their wakes have a time for that."""
    holders = {attempt.runner for attempt in fleet.attempts if attempt.ended is None}
    for runner in runners:
        one = facts[runner.name]
        left_alone = runner.service is Service.RETIRED or (runner.health is Health.QUARANTINED and one.by_wakes)
        waits = runner.name in holders and not left_alone and is_down(runner, one)
        if waits and not may_not_wake(runner, one, policy, now):
            yield runner.name


def _gpu_wanted(fleet: FleetState, name: str, episodes: Sequence[str]) -> GpuNeed:
    """What a machine that never said what it has is to show, by the episodes for whose sake it is woken."""
    if not episodes or fleet.runner[name].hello is not None:
        return GpuNeed.NONE
    campaigns = {episode.campaign_id for episode in fleet.queued if episode.id in episodes}
    return max((gpu_wanted(fleet.campaign[one]) for one in campaigns), default=GpuNeed.NONE)


def _unproven(runners: Sequence[Runner], facts: Facts, policy: PowerPolicy, now: datetime) -> Iterator[str]:
    """They draw power and are of no use until it is known what is wrong with them: the queue is not waited for."""
    for runner in runners:
        one = facts[runner.name]
        answered = bool(one.failures) and one.failures[-1].showed_life
        if answered and _wakeable(runner) and not may_not_wake(runner, one, policy, now):
            yield runner.name


def _wakeable(runner: Runner) -> bool:
    return runner.service is Service.IN_SERVICE and runner.health is not Health.QUARANTINED


def _on_probation(runners: Sequence[Runner], facts: Facts, policy: PowerPolicy, now: datetime) -> list[str]:
    """Quarantined machines whose next look is due, as many as the fleet's budget leaves, the longest due first."""
    window = now - timedelta(seconds=policy.probes_window_s)
    spent = sum(record.probe and record.started_at > window for one in facts.values() for record in one.wakes)
    spent += sum(one.wake is not None and one.wake.probe for one in facts.values())
    due: list[tuple[datetime, str]] = []
    for runner in runners:
        at = probe_at(facts[runner.name], policy)
        held_back = runner.service is not Service.IN_SERVICE or runner.operation is not Operation.NONE
        if runner.health is Health.QUARANTINED and at is not None and at <= now and not held_back:
            due.append((at, runner.name))
    return [name for _, name in sorted(due)[: max(0, policy.probes_max - spent)]]


def endings(runners: Sequence[Runner], facts: Facts, policy: PowerPolicy, now: datetime) -> Iterator[PowerAction]:
    """Wakes and suspends that are past their time, though nobody has said so."""
    for runner in runners:
        wake, since = facts[runner.name].wake, facts[runner.name].suspending_since
        if runner.operation is Operation.WAKING and wake is not None and now > wake.deadline + GRACE:
            stage = wake.awaited or WakeStage.PACKET
            reason = because(stage, wake.missing or f"nothing within {wake.deadline_s:.0f} s")
            yield EndWake(runner=runner.name, started_at=wake.started_at, failed_stage=stage, reason=reason)
        late = since is not None and now > since + timedelta(seconds=policy.suspend_s)
        if runner.operation is Operation.SUSPENDING and since is not None and late:
            reason = f"it was asked to sleep and still answers after {policy.suspend_s:.0f} s"
            yield EndSuspend(runner=runner.name, since=since, reason=reason)


def judgements(runners: Sequence[Runner], facts: Facts, policy: PowerPolicy) -> Iterator[PowerAction]:
    """Into quarantine after too many failed wakes; out of it, to be judged by a canary, after a proven one."""
    for runner in runners:
        one = facts[runner.name]
        failed = quarantine_due(runner, one, policy)
        if failed is not None and failed.failed_stage is not None:
            yield Quarantine(runner=runner.name, stage=failed.failed_stage, reason=failed.reason)
        proof = _proof(one) if runner.health is Health.QUARANTINED else None
        if proof is not None:
            reason = f"it woke in {proof.seconds:.0f} s with every stage proven"
            yield Readmit(runner=runner.name, reason=reason)


def _proof(facts: PowerFacts) -> WakeRecord | None:
    newest = max(facts.wakes, key=lambda record: record.ended_at, default=None)
    if newest is None or facts.quarantined_since is None or not facts.by_wakes:
        return None
    return newest if newest.ready and newest.ended_at > facts.quarantined_since else None
