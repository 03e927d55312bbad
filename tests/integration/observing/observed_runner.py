"""The live machine of the tests: the runner in memory, with a graphics card, a meter and instruments."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import UTC, datetime

from orchestrator.machines.fake import FakeLink
from orchestrator.machines.fake_parts import HELLO
from runner_agent.protocol import Gpu, GpuReading, Meter, Readings
from tests.integration.scaled.memory_runner import MemoryRunner

CARD = Gpu(
    name="AMD Radeon RX 7900 XTX (RADV NAVI31)",
    vendor="AMD",
    device_type="discrete-gpu",
    driver="radv Mesa 25.0.7",
    vulkan_api="1.4.305",
    device_uuid="00000000-0300-0000-0000-000000000000",
    vram_bytes=24 << 30,
)
IDLE_W, BUSY_W = 22.0, 350.0
SWING_S = 20.0


class ObservedRunner(MemoryRunner):
    """Its instruments swing between idle and busy, and its meter counts what they show."""

    def __init__(self) -> None:
        super().__init__()
        self.link = FakeLink(replace(HELLO, gpus=(CARD,), hostname="desk"))
        self._began = self._counted = time.monotonic()
        self._joules = 0.0

    def _step(self) -> None:
        super()._step()
        now = time.monotonic()
        busy = (1 - math.cos((now - self._began) * 2 * math.pi / SWING_S)) / 2
        power_w = IDLE_W + busy * (BUSY_W - IDLE_W)
        with self._lock:
            self._joules += power_w * (now - self._counted)
            self._counted = now
            at = datetime.now(UTC).isoformat()
            self.link.at = at
            joules = {"gpu:card0": self._joules}
            self.link.meter = Meter(epoch="e", at=at, joules=joules, covered_s=now - self._began)
            self.link.readings = _readings(at, busy, power_w)


def _readings(at: str, busy: float, power_w: float) -> Readings:
    card = GpuReading(
        gpu="card0",
        clock_hz=0.5e9 + 2.0e9 * busy,
        memory_clock_hz=1.249e9,
        power_w=power_w,
        temperature_c=41 + 22 * busy,
        utilization=busy,
        memory_used_bytes=(1 + 15 * busy) * (1 << 30),
    )
    disk = {"disk_free_bytes": 410 << 30, "disk_size_bytes": 930 << 30}
    return Readings(at=at, gpus=(card,), power_w=power_w + 31, load1=0.4 + 6 * busy, **disk)
