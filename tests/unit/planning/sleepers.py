"""Machines that sleep, and their wakes, for tests of planning."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain.power import PowerFacts
from orchestrator.domain.runner import Power, Prices, Runner
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
from tests.unit.planning.builders import NOW, runner

PRICES = Prices(asleep_w=2, idle_w=60, busy_w=350, energy_usd_per_kwh=0.3)
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
