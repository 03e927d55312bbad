"""Where a machine stands between asleep and ready, in one sentence, from the predicates that plan its power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestrator.domain.episode import CampaignFacts, Episode
from orchestrator.domain.power import PowerFacts
from orchestrator.domain.runner import Health, Operation, Power, Runner
from orchestrator.domain.wake import STAGES
from orchestrator.planning.deadlines import expected_s
from orchestrator.planning.placement import unfit
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.planning.power_rules import DECLARED, as_if_ready, is_down, may_not_sleep, may_not_wake, probe_at
from orchestrator.planning.strangers import explain_stranger, is_stranger
from orchestrator.planning.wakes import room


def explain_runner(
    runner: Runner, campaign: CampaignFacts | None, facts: PowerFacts, policy: PowerPolicy, now: datetime
) -> str:
    """Of a machine that is not simply awake: what it is doing and what comes next. Empty where power is not what stands
    between it and the campaign (None: any)."""
    if runner.health is Health.QUARANTINED:
        return _quarantined(runner, campaign, facts, policy)
    if is_stranger(runner, facts):
        waking = runner.operation is Operation.WAKING
        return _waking(runner, facts, now) if waking else explain_stranger(runner, facts, policy, now)
    problem = unfit(as_if_ready(runner), campaign) if campaign is not None else ""
    if problem:
        return ""
    if runner.operation is Operation.WAKING:
        return _waking(runner, facts, now)
    if is_down(runner, facts):
        state = "is asleep and can be woken" if runner.power is Power.ASLEEP else "is about to be proven ready again"
        return f"{runner.name} {may_not_wake(runner, facts, policy, now) or state}."
    if runner.operation is Operation.SUSPENDING:
        return f"{runner.name} is going to sleep, and is woken again once it has."
    return ""


def explain_wait(
    episode: Episode,
    awaits: Mapping[str, tuple[str, ...]],
    runners: Sequence[Runner],
    facts: Mapping[str, PowerFacts],
    policy: PowerPolicy,
    now: datetime,
) -> str:
    """Which machine a queued episode was promised by `match_fleet`, and what that machine waits for; empty if none."""
    name = next((name for name, ids in awaits.items() if episode.id in ids), None)
    runner = next((runner for runner in runners if runner.name == name), None)
    if runner is None or name is None:
        return ""
    if runner.operation is Operation.WAKING:
        return f"It is to run on {name}. {_waking(runner, facts[name], now)}"
    free = room(runners, facts, policy, now)
    return f"{name} is asleep and is to be woken for it: " + ("the next tick does." if free.starts else f"{free.why}.")


def explain_idle(runner: Runner, facts: PowerFacts, policy: PowerPolicy, now: datetime, *, spare: bool) -> str:
    """Why an idle machine is still awake; empty if nothing keeps it so."""
    bar = f"is kept warm as one of {policy.keep_warm} spares" if spare else may_not_sleep(runner, facts, policy, now)
    return f"{runner.name} {bar}." if bar else ""


def explain_gpu(runner: Runner) -> str:
    """Of a machine that answered without a Vulkan device, and of which none was declared: what follows from that."""
    if runner.hello is None or runner.hello.gpus or runner.tags & DECLARED.keys():
        return ""
    why = f" ({runner.hello.gpu_problem})" if runner.hello.gpu_problem else ""
    return f"It shows no Vulkan device{why}, and takes episodes that need none."


def _waking(runner: Runner, facts: PowerFacts, now: datetime) -> str:
    wake = facts.wake
    if wake is None:
        return f"{runner.name} is waking."
    gone_s = (now - wake.started_at).total_seconds()
    likely_s = expected_s(facts.wakes, wake.slept)
    of = f"of an expected {likely_s:.0f} s" if likely_s is not None else f"of at most {wake.deadline_s:.0f} s"
    waits = f"; it waits for {STAGES[wake.awaited].awaited}" if wake.awaited else ""
    late = f", given up after {wake.deadline_s:.0f} s" if likely_s is not None and gone_s > likely_s else ""
    see = " It has never answered: what it offers is known then." if runner.hello is None else ""
    return f"{runner.name} is waking, {gone_s:.0f} s {of}{late}{waits}.{see}"


def _quarantined(runner: Runner, campaign: CampaignFacts | None, facts: PowerFacts, policy: PowerPolicy) -> str:
    has = ""
    if campaign is not None and campaign.needs_tags and set(campaign.needs_tags) <= runner.reported_tags | runner.tags:
        has = "has the tags but "
    since = f" since {facts.quarantined_since:%H:%M}" if facts.quarantined_since else ""
    at = probe_at(facts, policy)
    again = f"; it is woken to see at {at:%H:%M} UTC" if at else f"; `matins runner resume {runner.name}` readmits it"
    return f"{runner.name} {has}is QUARANTINED{since}: {runner.detail}{again}."
