"""A Vulkan device of a machine: what its driver reported of it, and what an operator or a judge said of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from runner_agent.device_tags import SOFTWARE, device_tags
from runner_agent.protocol import Gpu

CAPABILITIES = frozenset({"vulkan", "gpu"})
"""Tags that count only if the driver reported them itself."""


class Health(StrEnum):
    """Of a machine or of a device of it. Judged, moved by canaries, failures or an operator."""

    GOOD = "GOOD"
    UNKNOWN = "UNKNOWN"
    SUSPECT = "SUSPECT"
    QUARANTINED = "QUARANTINED"


@dataclass(frozen=True, kw_only=True)
class DevicePrices:
    """What a device adds to its machine: USD per hour of hardware; watts asleep, idle and busy."""

    hardware_usd_per_h: float = 0.0
    asleep_w: float = 0.0
    idle_w: float = 0.0
    busy_w: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device as its machine last reported it, with the operator's `tags` and `prices` (None: the machine's cover
    it). `detail` says why it has its health, `since` when it got it."""

    gpu: Gpu
    tags: frozenset[str] = frozenset()
    prices: DevicePrices | None = None
    health: Health = Health.UNKNOWN
    detail: str = ""
    since: datetime | None = None

    @property
    def uuid(self) -> str:
        return self.gpu.device_uuid

    @property
    def is_software(self) -> bool:
        return self.gpu.device_type == SOFTWARE

    @property
    def vram_bytes(self) -> int:
        return self.gpu.vram_bytes

    @cached_property
    def offered_tags(self) -> frozenset[str]:
        """What its driver reported, and what an operator gave it."""
        return device_tags(self.gpu) | (self.tags - CAPABILITIES)
