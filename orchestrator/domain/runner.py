"""A runner: four facets that are never mixed into one column, and what users see, derived from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from orchestrator.domain.device import CAPABILITIES, Device, Health
from orchestrator.domain.slots import Slots, default_buffer
from runner_agent.device_tags import device_tags
from runner_agent.protocol import Hello


class Power(StrEnum):
    """Observed, moved by observation only."""

    UNKNOWN = "UNKNOWN"
    ASLEEP = "ASLEEP"
    AWAKE = "AWAKE"
    UNREACHABLE = "UNREACHABLE"


class Operation(StrEnum):
    """In flight, moved by the planner's action or its deadline."""

    NONE = "NONE"
    WAKING = "WAKING"
    SUSPENDING = "SUSPENDING"


class Service(StrEnum):
    """Desired, moved by an operator."""

    IN_SERVICE = "IN_SERVICE"
    DRAINING = "DRAINING"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    RETIRED = "RETIRED"


SHOWN_STATES = (
    "retired",
    "out of service",
    "quarantined",
    "unreachable",
    "waking",
    "suspending",
    "asleep",
    "draining",
    "busy",
    "idle",
    "unknown",
)
"""What users see, the first that applies."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """USD per hour of hardware, watts asleep, idle and busy, USD per kWh. Of a machine: without what its devices are
    priced at (`Runner.full_prices`). `rest_w`: what it draws beside that which its own instruments measure."""

    hardware_usd_per_h: float = 0.0
    asleep_w: float = 0.0
    idle_w: float = 0.0
    busy_w: float = 0.0
    energy_usd_per_kwh: float = 0.0
    rest_w: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Address:
    """How a runner is reached. `kind` is "local" or "ssh"; the rest is for SSH: `key_path` names a private key file of
    the orchestrator, `host_key` is the pinned public key as "TYPE BASE64", `home` the agent's folder on the runner."""

    runner: str
    kind: str
    host: str = ""
    port: int = 22
    user: str = ""
    key_path: str = ""
    host_key: str = ""
    home: str = ""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """One machine. `hello` is what it last reported of itself, `tags` what an operator gave it; `boot_id` is that of
    its last report. `buffer_slots`: what an operator said, if anything. `devices`: those of `hello`, best first.
    `canary_why`: why a canary is due, if one is; `canaried_at`: when its last one passed."""

    name: str
    kind: str
    power: Power = Power.UNKNOWN
    operation: Operation = Operation.NONE
    service: Service = Service.IN_SERVICE
    health: Health = Health.UNKNOWN
    agent_slots: int = 1
    build_slots: int = 1
    buffer_slots: int | None = None
    tags: frozenset[str] = frozenset()
    prices: Prices = field(default_factory=Prices)
    hello: Hello | None = None
    devices: tuple[Device, ...] = ()
    boot_id: str = ""
    last_seen: datetime | None = None
    detail: str = ""
    canary_why: str = ""
    canaried_at: datetime | None = None

    @property
    def slots(self) -> Slots:
        buffer = self.buffer_slots if self.buffer_slots is not None else default_buffer(self.agent_slots)
        return Slots(agent=self.agent_slots, build=self.build_slots, buffer=buffer, gates=len(self.hardware) or 1)

    @property
    def reported_tags(self) -> frozenset[str]:
        return frozenset(self.hello.tags) if self.hello else frozenset()

    @cached_property
    def own_tags(self) -> frozenset[str]:
        """What it offers whichever of its devices is used: none of the tags that it reported for a device."""
        of_devices = [device_tags(gpu) for gpu in self.hello.gpus] if self.hello else []
        return self.reported_tags.difference(*of_devices) | (self.tags - CAPABILITIES)

    @cached_property
    def hardware(self) -> tuple[Device, ...]:
        """Its devices that are not of software."""
        return tuple(device for device in self.devices if not device.is_software)

    @property
    def full_prices(self) -> Prices:
        """Of the machine with all its devices: what a device is priced at comes on top."""
        priced = [device.prices for device in self.devices if device.prices is not None]
        return replace(
            self.prices,
            hardware_usd_per_h=self.prices.hardware_usd_per_h + sum(each.hardware_usd_per_h for each in priced),
            asleep_w=self.prices.asleep_w + sum(each.asleep_w for each in priced),
            idle_w=self.prices.idle_w + sum(each.idle_w for each in priced),
            busy_w=self.prices.busy_w + sum(each.busy_w for each in priced),
        )


def shown_state(runner: Runner, leases: int) -> str:
    """The first of SHOWN_STATES that applies, given how many episodes hold a slot."""
    applies = {
        "retired": runner.service is Service.RETIRED,
        "out of service": runner.service is Service.OUT_OF_SERVICE,
        "quarantined": runner.health is Health.QUARANTINED,
        "unreachable": runner.power is Power.UNREACHABLE,
        "waking": runner.operation is Operation.WAKING,
        "suspending": runner.operation is Operation.SUSPENDING,
        "asleep": runner.power is Power.ASLEEP,
        "draining": runner.service is Service.DRAINING,
        "busy": leases > 0,
        "idle": runner.power is Power.AWAKE,
    }
    return next((state for state in SHOWN_STATES if applies.get(state)), "unknown")
