"""The words that a Vulkan device gives its machine. Pure: the planner reads a device's own by the same rule."""

from __future__ import annotations

import re

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
