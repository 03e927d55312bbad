"""Which sleeping machines to wake for the queue, and which idle ones to let sleep.

Pure, as all planning: the same picture gives the same actions in whatever order its parts come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime

from orchestrator.domain.actions import Assign, BeginCanary, BeginPreflight
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.power import LetSleep, PowerAction, PowerFacts, Warmth
from orchestrator.domain.runner import Health, Operation, Power, Runner, Service
from orchestrator.domain.wake import SleepKind
from orchestrator.planning import canaries, pinned
from orchestrator.planning.deadlines import BOUNDS, expected_s
from orchestrator.planning.fairness import in_line
from orchestrator.planning.matching import Matched, Supply, Tier, match
from orchestrator.planning.placement import occupied
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.planning.power_rules import as_if_ready, is_down, may_not_sleep, may_not_wake, sleeps_after_s
from orchestrator.planning.proving import trials
from orchestrator.planning.slots import room
from orchestrator.planning.strangers import to_see
from orchestrator.planning.wakes import endings, judgements, wakes

Facts = Mapping[str, PowerFacts]


def plan_power(
    fleet: FleetState,
    power: Facts,
    policy: PowerPolicy,
    now: datetime,
    *,
    warmth: Warmth | None = None,
) -> tuple[Assign | BeginCanary | BeginPreflight | PowerAction, ...]:
    """Canaries and preflights that are due, assignments onto ready runners, and what is to become of the others. A
    runner without facts cannot be woken over the network, so it stays awake."""
    runners = sorted(fleet.runners, key=lambda runner: runner.name)
    facts = {runner.name: power.get(runner.name) or PowerFacts(runner=runner.name) for runner in runners}
    matched = match_fleet(fleet, facts, policy, now, warmth=warmth)
    unseen = to_see(fleet, facts, matched, policy, now)
    woken = tuple(wakes(fleet, runners, facts, matched.awaits | unseen, policy, now))
    begun = tuple(canaries.due(fleet, policy, now))
    wanted = {*(one.runner for one in (*begun, *matched.prove, *matched.assign, *woken)), *matched.awaits}
    wanted |= {one.pinned_runner for one in fleet.pinned}
    return (
        *begun,
        *matched.prove,
        *matched.assign,
        *endings(runners, facts, policy, now),
        *judgements(runners, facts, policy),
        *woken,
        *_sleeps(fleet, [one for one in runners if one.name not in wanted], facts, policy, now),
    )


def match_fleet(
    fleet: FleetState,
    facts: Facts,
    policy: PowerPolicy,
    now: datetime,
    *,
    warmth: Warmth | None = None,
) -> Matched:
    """The queue in its turn onto the runners that are ready, waking, or may be woken now."""
    if not fleet.queued:
        return Matched(assign=())
    placed = pinned.place(fleet, facts, policy, now)
    # What is queued next gets the next slot.
    taken = placed.taken + Counter(one.runner for one in canaries.due(fleet, policy, now))
    supply = (_supply(fleet, runner, facts[runner.name], policy, now, taken[runner.name]) for runner in fleet.runners)
    usable = [one for one in supply if one is not None]
    line = [episode for episode in in_line(fleet, now) if not episode.pinned_runner]
    tried = trials(fleet, policy, (one.episode_id for one in placed.assign))
    others = match(line, fleet.campaign, usable, now, warmth=warmth, trials=tried)
    awaits = dict(placed.awaits)
    for name, ids in others.awaits.items():
        awaits[name] = (*awaits.get(name, ()), *ids)
    return replace(others, assign=(*placed.assign, *others.assign), awaits=awaits)


def _supply(
    fleet: FleetState, runner: Runner, facts: PowerFacts, policy: PowerPolicy, now: datetime, taken: int
) -> Supply | None:
    """`taken`: slots that canaries and pinned preflights take now."""
    closed = occupied(fleet, runner) or canaries.on_trial(fleet, runner)
    left = room(fleet, runner)
    free = 0 if closed else left.free - taken
    if runner.operation is Operation.WAKING:
        return Supply(runner=as_if_ready(runner), tier=Tier.WAKING, free=free)
    # A machine that answers although its wake was not proven is not ready before a wake is: its GPU may be gone.
    if runner.power is Power.AWAKE and not facts.failures:
        return Supply(runner=runner, tier=Tier.READY, free=free, full=left.full)
    if not is_down(runner, facts) or may_not_wake(runner, facts, policy, now):
        return None
    slept = facts.sleeps or SleepKind.SUSPEND
    wake_s = expected_s(facts.wakes, slept) or BOUNDS[slept].ceiling_s
    failures = len(facts.failures)
    return Supply(runner=as_if_ready(runner), tier=Tier.ASLEEP, free=free, failures=failures, wake_s=wake_s)


def _sleeps(
    fleet: FleetState,
    runners: Sequence[Runner],
    facts: Facts,
    policy: PowerPolicy,
    now: datetime,
) -> Iterator[LetSleep]:
    """Of the machines without work, all but the spares that are kept warm, once idling has cost what a cycle does."""
    holding = {attempt.runner for attempt in fleet.attempts}
    idle = [one for one in runners if is_idle(fleet, one, holding)]
    warm = spares(idle, policy)
    for runner in idle:
        one = facts[runner.name]
        if runner.name in warm or one.sleeps is None or may_not_sleep(runner, one, policy, now):
            continue
        idle_s = (now - (one.idle_since or now)).total_seconds()
        reason = f"idle for {idle_s:.0f} s: {sleeps_after_s(runner, one, policy)[1]}"
        yield LetSleep(runner=runner.name, how=one.sleeps, reason=reason)


def is_idle(fleet: FleetState, runner: Runner, holding: Set[str]) -> bool:
    """Awake and free: no slot is leased, and it is not `holding` an attempt that is to be fetched or cleared away."""
    at_rest = runner.power is Power.AWAKE and runner.operation is Operation.NONE
    return at_rest and runner.name not in fleet.leases and runner.name not in holding


def spares(idle: Sequence[Runner], policy: PowerPolicy) -> frozenset[str]:
    """The idle machines that stay awake so that somebody need not wait: those that draw least."""
    usable = [one for one in idle if one.service is Service.IN_SERVICE and one.health is not Health.QUARANTINED]
    usable.sort(key=lambda runner: (runner.full_prices.idle_w, runner.name))
    return frozenset(runner.name for runner in usable[: policy.keep_warm])
