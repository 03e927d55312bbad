"""One simulated machine: its true state, what planning is told of it, and the joules it draws meanwhile."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.device import Device
from orchestrator.domain.power import HISTORY_MAX, PowerFacts, Wake
from orchestrator.domain.runner import Operation, Power, Runner
from orchestrator.domain.wake import ORDER, StageTime, WakeAttempt, WakeRecord, WakeStage, because
from orchestrator.planning.wake_steps import RESEND_S
from tests.simulation.workload import START, Hidden

BOOTING_SHARE = 0.6
"""Of the watts of a busy machine, what it truly draws while it wakes. Planning reckons with all of them."""

GOES_DOWN_S = 6.0
TRIES_MAX = 100


@dataclass(kw_only=True)
class Machine:
    runner: Runner
    hidden: Hidden
    dice: random.Random
    facts: PowerFacts = field(init=False)
    used: int = 0
    joules: float = 0.0
    floor_joules: float = 0.0
    metered_at: datetime = START
    good_hello: object = field(init=False)
    good_devices: tuple[Device, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.facts = PowerFacts(runner=self.runner.name, sleeps=self.hidden.sleeps, asleep_since=START - timedelta(1))
        self.good_hello, self.good_devices = self.runner.hello, self.runner.devices

    def watts(self) -> float:
        prices = self.runner.prices
        if self.runner.operation is Operation.WAKING:
            return prices.busy_w * BOOTING_SHARE
        if self.runner.power is Power.ASLEEP:
            return prices.asleep_w
        return prices.idle_w + (prices.busy_w - prices.idle_w) * self.used / self.runner.agent_slots

    def meter(self, now: datetime) -> None:
        """To be called before anything changes."""
        elapsed_s = (now - self.metered_at).total_seconds()
        self.joules += self.watts() * elapsed_s
        self.floor_joules += (self.watts() if self.used else self.runner.prices.asleep_w) * elapsed_s
        self.metered_at = now

    def wake(self, order: Wake, now: datetime) -> WakeRecord:
        """What will come of it; nobody knows yet."""
        self.meter(now)
        self.runner = replace(self.runner, operation=Operation.WAKING)
        attempt = WakeAttempt(
            runner=self.runner.name,
            slept=order.slept,
            started_at=now,
            deadline_s=order.deadline_s,
            gpu=order.gpu,
            waking=order.waking,
            probe=order.probe,
        )
        self.facts = replace(self.facts, wake=attempt)
        return self._outcome(attempt)

    def _outcome(self, wake: WakeAttempt) -> WakeRecord:
        lost = 0
        while lost < TRIES_MAX and self.runner.power is Power.ASLEEP and self.dice.random() < self.hidden.loss:
            lost += 1
        boot_s = self.hidden.boot_s * self.dice.lognormvariate(0, self.hidden.spread)
        boot_s = boot_s if self.runner.power is Power.ASLEEP else 3.0
        took_s, gpu_lost = lost * RESEND_S + boot_s, self.dice.random() < self.hidden.gpu_lost
        if lost * RESEND_S >= wake.deadline_s:
            return self._ended(wake, wake.deadline_s, WakeStage.LINK)
        if took_s >= wake.deadline_s:
            return self._ended(wake, wake.deadline_s, WakeStage.TCP)
        return self._ended(wake, wake.deadline_s if gpu_lost else took_s, WakeStage.VULKAN if gpu_lost else None)

    def _ended(self, wake: WakeAttempt, after_s: float, failed: WakeStage | None) -> WakeRecord:
        came = ORDER[: ORDER.index(failed)] if failed else ORDER
        return WakeRecord(
            runner=wake.runner,
            slept=wake.slept,
            started_at=wake.started_at,
            ended_at=wake.started_at + timedelta(seconds=after_s),
            stages=tuple(StageTime(stage=stage, seconds=after_s / len(came)) for stage in came),
            failed_stage=failed,
            reason=because(failed, "simulated") if failed else "",
            waking=wake.waking,
            probe=wake.probe,
            gpu=wake.gpu,
        )

    def woke(self, record: WakeRecord, now: datetime) -> None:
        self.meter(now)
        up = record.showed_life
        changes = {"operation": Operation.NONE, "power": Power.AWAKE if up else self.runner.power}
        if record.failed_stage is WakeStage.VULKAN and self.runner.hello is not None:
            bare = replace(self.runner.hello, gpus=(), tags=("linux",), gpu_problem="lost")
            self.runner = replace(self.runner, **changes, hello=bare, devices=())
        else:
            self.runner = replace(self.runner, **changes, hello=self.good_hello, devices=self.good_devices)
        self.facts = replace(
            self.facts,
            wake=None,
            wakes=(*self.facts.wakes, record)[-HISTORY_MAX:],
            asleep_since=None if up else self.facts.asleep_since,
            awake_since=now if up else self.facts.awake_since,
        )

    def suspend(self, now: datetime) -> None:
        self.meter(now)
        self.runner = replace(self.runner, operation=Operation.SUSPENDING)
        self.facts = replace(self.facts, suspending_since=now)

    def slept(self, now: datetime) -> None:
        self.meter(now)
        self.runner = replace(self.runner, operation=Operation.NONE, power=Power.ASLEEP)
        self.facts = replace(self.facts, suspending_since=None, asleep_since=now)

    def take(self, now: datetime) -> None:
        self.meter(now)
        self.used += 1

    def give_back(self, now: datetime) -> None:
        self.meter(now)
        self.used -= 1
        self.facts = replace(self.facts, busy_until=now)
