"""What stands in the way of waking a runner or of letting it sleep, as sentences. Planning and explaining ask the same
functions; each answer is empty where nothing does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain.episode import CampaignFacts
from orchestrator.domain.power import PowerFacts
from orchestrator.domain.runner import Health, Operation, Power, Runner, Service
from orchestrator.domain.wake import GpuNeed, SleepKind, WakeRecord
from orchestrator.planning.breakeven import break_even
from orchestrator.planning.power_policy import Bucket, PowerPolicy
from runner_agent.protocol import Hello

DECLARED = {"vulkan": GpuNeed.ANY, "gpu": GpuNeed.HARDWARE}
"""What these tags say of a machine's devices; only real ones are called gpu."""

REPLAYED = 16
"""Times to fill the bucket that are looked back on."""


def is_down(runner: Runner, facts: PowerFacts) -> bool:
    """Whether only a wake can bring it back: it sleeps, or its last wake was not proven."""
    return runner.operation is Operation.NONE and (runner.power is Power.ASLEEP or bool(facts.failures))


def as_if_ready(runner: Runner) -> Runner:
    """What it will be once awake, by what it last reported of itself."""
    return replace(runner, power=Power.AWAKE, operation=Operation.NONE)


def may_not_wake(runner: Runner, facts: PowerFacts, policy: PowerPolicy, now: datetime) -> str:
    """Of a machine that is down: why no packet is sent to it now."""
    if facts.sleeps is None:
        return "cannot be woken over the network: its MAC address is not known"
    if runner.operation is not Operation.NONE:
        return f"is {runner.operation.lower()}"
    if facts.asleep_since is not None and now < facts.asleep_since + timedelta(seconds=policy.settle_s):
        return "has only just gone to sleep, and would not hear the packet yet"
    if quarantine_due(runner, facts, policy) is not None:
        return f"failed to wake {len(facts.failures)} times in a row: it is to be quarantined"
    until = retry_at(facts, policy)
    if until is not None and now < until:
        failed = facts.failures[-1]
        times = "once" if len(facts.failures) == 1 else f"{len(facts.failures)} times"
        return f"failed to wake {times} ({failed.reason}) and is tried again at {until:%H:%M:%S} UTC"
    return ""


def retry_at(facts: PowerFacts, policy: PowerPolicy) -> datetime | None:
    """The end of the back-off after failed wakes; None where there were none."""
    failed = facts.failures
    if not failed:
        return None
    grown_s = policy.back_off_s * policy.back_off_factor ** (min(len(failed), 32) - 1)
    return failed[-1].ended_at + timedelta(seconds=min(policy.back_off_max_s, grown_s))


def probe_at(facts: PowerFacts, policy: PowerPolicy) -> datetime | None:
    """When a machine that was quarantined for failed wakes is woken again to see; None where that is not for us."""
    if facts.quarantined_since is None or not facts.by_wakes or facts.sleeps is None:
        return None
    since = facts.quarantined_since
    tried = sorted(record.ended_at for record in facts.wakes if record.probe and record.ended_at > since)
    grown_s = policy.probe_after_s * 2.0 ** min(len(tried), 32)
    return max([since, *tried]) + timedelta(seconds=min(policy.probe_after_max_s, grown_s))


def tokens(starts: Iterable[datetime], bucket: Bucket, now: datetime) -> int:
    """How many machines may start now, given when others did: a token bucket, replayed rather than stored."""
    level, last = float(bucket.burst), None
    # A bucket that was left alone for so long is full again, whatever came before.
    horizon = now - timedelta(seconds=REPLAYED * bucket.burst / bucket.per_s)
    for start in sorted(start for start in starts if start > horizon):
        if last is not None:
            level = min(bucket.burst, level + (start - last).total_seconds() * bucket.per_s)
        level, last = max(0.0, level - 1), start
    if last is not None:
        level = min(bucket.burst, level + (now - last).total_seconds() * bucket.per_s)
    return int(level)


def gpu_need(runner: Runner, facts: PowerFacts) -> GpuNeed:
    """The best device that it has reported, was asked for, or has by an operator's tags. Its newest hello alone would
    excuse a card that got lost; `failures_since`, an operator's word, does."""
    forgiven = facts.failures_since
    asked = [record.gpu for record in facts.wakes if forgiven is None or record.ended_at > forgiven]
    shown = gpu_shown(runner.hello) if runner.hello else GpuNeed.NONE
    return max([*asked, shown, *(DECLARED[tag] for tag in runner.tags & DECLARED.keys())])


def gpu_wanted(campaign: CampaignFacts) -> GpuNeed:
    """The device that its episodes cannot do without."""
    wanted = [DECLARED[tag] for tag in campaign.needs_tags if tag in DECLARED]
    return max([*wanted, GpuNeed.ANY if campaign.needs_vram_bytes else GpuNeed.NONE])


def gpu_shown(hello: Hello) -> GpuNeed:
    """The best device that it lists."""
    devices = [GpuNeed.ANY if gpu.device_type == "cpu" else GpuNeed.HARDWARE for gpu in hello.gpus]
    return max(devices, default=GpuNeed.NONE)


def sleeps_after_s(runner: Runner, facts: PowerFacts, policy: PowerPolicy) -> tuple[float, str]:
    """Idle seconds after which it sleeps, and by which rule; endless for "never"."""
    if policy.sleep == "never":
        return float("inf"), "the policy lets no machine sleep"
    even = break_even(runner.full_prices, facts.wakes, facts.sleeps or SleepKind.SUSPEND, policy)
    if policy.sleep == "fixed" or even is None:
        why = "its prices do not say what sleep saves; " if policy.sleep != "fixed" else ""
        return policy.fixed_idle_s, f"{why}machines sleep after {policy.fixed_idle_s:.0f} s of idling"
    return even.idle_s, even.says


def may_not_sleep(runner: Runner, facts: PowerFacts, policy: PowerPolicy, now: datetime) -> str:
    """Of a machine without work: why it stays awake for now."""
    if facts.sleeps is None:
        return "could not be woken again over the network"
    if runner.service is not Service.IN_SERVICE:
        return f"is {runner.service.replace('_', ' ').lower()}: an operator has it"
    if runner.power is not Power.AWAKE or runner.operation is not Operation.NONE:
        return "is not awake and at rest"
    if runner.hello is None:
        return "has not said yet what it offers"
    if facts.stay_awake_until is not None and now < facts.stay_awake_until:
        return f"is kept awake until {facts.stay_awake_until:%H:%M:%S} UTC: {facts.stay_awake_why}"
    since = facts.idle_since
    if since is None:
        return "has not been seen idle yet"
    idle_s, rule = (now - since).total_seconds(), sleeps_after_s(runner, facts, policy)
    return f"is idle for {idle_s:.0f} s of {rule[0]:.0f} s ({rule[1]})" if idle_s < rule[0] else ""


def quarantine_due(runner: Runner, facts: PowerFacts, policy: PowerPolicy) -> WakeRecord | None:
    """The failed wake that was one too many."""
    failed = facts.failures
    if runner.health is Health.QUARANTINED or len(failed) < policy.failures_max:
        return None
    return failed[-1]
