"""The Vulkan devices of a runner as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.cli.answers import Device, Runner
from orchestrator.cli.render import values

SOFTWARE = "cpu"
WATTS = ("asleep", "idle", "busy", "rest")


def device_facts(device: Device) -> Iterator[tuple[str, str]]:
    """Names and values, the first for the device itself."""
    if not device.reported:
        yield "device", f"{device.uuid}  not reported by the machine"
    else:
        yield "device", f"{device.uuid}  {values.text(device.name)}, {values.size(device.vram_bytes)}"
        yield "  driver", f"{values.text(device.driver)}, Vulkan {values.text(device.vulkan_api)}"
    if device.health:
        since = f" since {values.time(device.since)}" if device.since else ""
        yield "  health", f"{device.health}{since}" + (f": {device.detail}" if device.detail else "")
    if device.tags:
        yield "  tags", " ".join(device.tags)
    if device.prices:
        yield "  prices", prices_text(device.prices)
    if device.running:
        yield "  running", " ".join(device.running)


def gpu_names(runner: Runner) -> str:
    """For a table: "2x RX 7900 XTX", or of different ones "RX 7900 XTX +1". Devices of software count only alone."""
    reported = [device for device in runner.devices if device.reported]
    names = [values.text(one.name) for one in reported if one.type != SOFTWARE] or [values.text(runner.gpu)]
    if len(names) == 1:
        return names[0]
    return f"{len(names)}x {names[0]}" if len(set(names)) == 1 else f"{names[0]} +{len(names) - 1}"


def prices_text(prices: Mapping[str, float]) -> str:
    """Of a machine or of a device, without what is nought."""
    watts = [f"{name} {prices[key]:g} W" for name in WATTS if prices.get(key := f"{name}_w")]
    hour = prices.get("hardware_usd_per_h")
    kwh = prices.get("energy_usd_per_kwh")
    return ", ".join([*watts, *([f"{hour:g} USD/h"] if hour else []), *([f"{kwh:g} USD/kWh"] if kwh else [])])
