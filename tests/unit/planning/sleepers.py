"""Machines that sleep, and their wakes, for tests of planning."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain.fleet import FleetState
from orchestrator.domain.power import PowerFacts, Wake
from orchestrator.domain.runner import Health, Power, Prices, Runner
from orchestrator.domain.wake import (
    ORDER,
    GpuNeed,
    SleepKind,
    StageTime,
    WakeAttempt,
    WakeRecord,
    WakeStage,
    because,
)
from orchestrator.planning.power import plan_power
from orchestrator.planning.power_policy import Bucket, PowerPolicy
from tests.unit.planning.builders import NOW, episode, fleet, runner

PRICES = Prices(asleep_w=2, idle_w=60, busy_w=350, energy_usd_per_kwh=0.3)
POLICY = PowerPolicy(waking_max=4, inrush=Bucket(burst=4, per_s=0.5))
LONG_AGO = NOW - timedelta(days=2)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def asleep(name: str = "gpu01", **changes: Any) -> Runner:
    return runner(name, **{"kind": "ssh", "power": Power.ASLEEP, "prices": PRICES, **changes})


def idle(name: str = "gpu01", **changes: Any) -> Runner:
    return asleep(name, **{"power": Power.AWAKE, **changes})


def facts(name: str = "gpu01", **changes: Any) -> PowerFacts:
    values = {"sleeps": SleepKind.SUSPEND, "busy_until": LONG_AGO}
    return PowerFacts(runner=name, **{**values, **changes})


def known(*all_facts: PowerFacts) -> dict[str, PowerFacts]:
    return {one.runner: one for one in all_facts}


def woke(after_s: float = 60, *, ended: datetime = LONG_AGO, name: str = "gpu01", **changes: Any) -> WakeRecord:
    times = tuple(StageTime(stage=stage, seconds=after_s / len(ORDER)) for stage in ORDER)
    values = {"slept": SleepKind.SUSPEND, "started_at": ended - seconds(after_s), "stages": times}
    return WakeRecord(runner=name, ended_at=ended, **{**values, **changes})


def failed(
    stage: WakeStage = WakeStage.LINK, *, ended: datetime = NOW, after_s: float = 180, detail: str = "", **changes: Any
) -> WakeRecord:
    times = tuple(StageTime(stage=came, seconds=1) for came in ORDER[: ORDER.index(stage)])
    reason = because(stage, detail)
    return woke(after_s, ended=ended, failed_stage=stage, reason=reason, stages=times, **changes)


def waking(name: str = "gpu01", *, since_s: float = 41, **changes: Any) -> WakeAttempt:
    values = {"slept": SleepKind.SUSPEND, "started_at": NOW - seconds(since_s), "deadline_s": 180.0}
    return WakeAttempt(runner=name, **{"gpu": GpuNeed.ANY, **values, **changes})


def planned(
    state: FleetState, power: Mapping[str, PowerFacts], policy: PowerPolicy = POLICY, at: Any = NOW
) -> tuple[object, ...]:
    return plan_power(state, power, policy, at)


def woken(actions: tuple[object, ...]) -> list[str]:
    return [action.runner for action in actions if isinstance(action, Wake)]


def queue(count: int = 1, **changes: Any) -> tuple[Any, ...]:
    return tuple(episode(f"e{n}", **changes) for n in range(count))


def sleeping_fleet(count: int, episodes: int, **changes: Any) -> tuple[FleetState, dict[str, PowerFacts]]:
    names = [f"gpu{n:02d}" for n in range(count)]
    state = fleet(runners=tuple(asleep(name) for name in names), episodes=queue(episodes))
    return state, known(*(facts(name, **changes) for name in names))


THREE = tuple(failed(WakeStage.VULKAN, ended=NOW - seconds(s), detail="device lost") for s in (3000, 2000, 1000))


def quarantined(name: str = "gpu01", *, hours_ago: float = 2, **changes: Any) -> PowerFacts:
    return facts(name, quarantined_since=NOW - seconds(hours_ago * 3600), by_wakes=True, **changes)


SICK = asleep(health=Health.QUARANTINED)
