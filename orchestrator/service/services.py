"""What every part of the service is handed: settings, store, clock, links to runners, and the doorbell."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from orchestrator.domain.runner import Address
from orchestrator.domain.wake import GpuNeed
from orchestrator.machines.link import Link
from orchestrator.machines.messenger import AppriseMessenger, Messenger
from orchestrator.machines.wake_probe import Senses, machine_senses
from orchestrator.machines.wol import WakeTarget
from orchestrator.planning.policy import Policy
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.service.setbacks import Setbacks
from orchestrator.settings import Settings
from orchestrator.store.engine import Store


class Doorbell(Protocol):
    """Rings for work that the database already holds. Lost, doubled or late rings change no outcome."""

    def tick(self) -> None: ...
    def observe(self, runner: str) -> None: ...
    def perform(self, act_id: int) -> None: ...


MakeSenses = Callable[[Address, WakeTarget, Link, GpuNeed], Senses]


def utc_now() -> datetime:
    return datetime.now(UTC)


def policy_of(settings: Settings) -> Policy:
    """What an operator has set for planning."""
    power = PowerPolicy(
        waking_max=settings.waking_max,
        wake_limit_s=settings.wake_limit_s,
        back_off_s=settings.wake_back_off_s,
        settle_s=settings.wake_settle_s,
        suspend_s=settings.suspend_limit_s,
        sleep=settings.sleep_rule,
        fixed_idle_s=settings.sleep_idle_s,
        keep_warm=settings.keep_warm,
        canary_every_s=settings.canary_every_s,
        preflight_on=settings.preflight_on,
    )
    return Policy(power=power)


@dataclass(frozen=True, kw_only=True)
class Services:
    """`link` opens the link to the runner at an address, `senses` gives what a wake of it sees; `pause` waits between
    two looks, seconds; `messenger` sends what people are told; `unsettled` are runners whose accounts failed."""

    settings: Settings
    store: Store
    doorbell: Doorbell
    link: Callable[[Address], Link]
    now: Callable[[], datetime] = utc_now
    senses: MakeSenses = machine_senses
    pause: Callable[[float], None] = time.sleep
    messenger: Messenger = field(default_factory=AppriseMessenger)
    policy: Policy = field(default_factory=Policy)
    unsettled: Setbacks = field(default_factory=Setbacks)
