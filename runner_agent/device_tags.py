"""The words that Vulkan devices give their machine. Pure: the orchestrator reads a hello by the same rules."""

from __future__ import annotations

import re
from collections.abc import Iterable

from runner_agent.protocol import Gpu

SOFTWARE = "cpu"
"""The device type of a driver that computes on the processor."""


def device_tags(gpu: Gpu) -> frozenset[str]:
    """vulkan and the driver of any device; gpu, its type and its vendor only of a real one."""
    found = {"vulkan", slug(gpu.driver.split(" ")[0])}
    if gpu.device_type != SOFTWARE:
        found |= {"gpu", gpu.device_type, slug(gpu.vendor)}
    return frozenset(found - {""})


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def drivers_fingerprint(gpus: Iterable[Gpu]) -> str:
    """One text for the devices and their drivers, in whatever order they were told: what was proven or built with one
    of them says nothing of another. `driver on uuid` of each, joined with `; `; empty where no device was told.

    Of a `Hello`: its `gpus`. Both halves use it: the built base of a runner, and what a campaign was accepted on.
    """
    return "; ".join(sorted({f"{gpu.driver} on {gpu.device_uuid}" for gpu in gpus}))
