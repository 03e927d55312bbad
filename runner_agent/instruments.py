"""What counts energy on this machine, and what its devices show, at one moment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner_agent import power_hook, sensors
from runner_agent.meter import Count
from runner_agent.nvml import Nvml
from runner_agent.power_hook import Hook
from runner_agent.protocol import GpuReading

BATTERY = "battery"
PACKAGE = "package"
"""The names of zones that are counted: `psys` counts them once more."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """`problem`: why the operator's hook says nothing, where there is one. `closed`: instruments that exist and that
    this account may not read."""

    counts: tuple[Count, ...]
    whole: bool
    gpus: tuple[GpuReading, ...]
    problem: str = ""
    closed: tuple[str, ...] = ()


class Instruments:
    """Of the kernel's files below `root`, of NVIDIA's library, and of the operator's hook. Never raises; a look may
    take as long as the hook's limit, and for ever where a driver hangs."""

    def __init__(self, hook: Hook, root: Path = Path("/"), nvml: Nvml | None = None) -> None:
        self._hook = hook
        self._root = root
        self._nvml = nvml or Nvml()

    def look(self, now_s: float) -> Look:
        """A hook is the only instrument where it may be run, also where it fails: what it left out would be taken for
        the whole. So is a battery that alone feeds the machine."""
        nvidia, shown = self._nvml.read(now_s)
        cards = sensors.amdgpus(self._root)
        packages = sensors.packages(self._root)
        gpus = (*(_reading(card) for card in cards), *shown)
        closed = tuple(_zone(each) for each in packages if "energy_uj" not in each and _is_package(each))
        if self._hook.path.exists():
            problem = power_hook.why_refused(self._hook.path, os.geteuid())
            if not problem:
                plug = self._hook.read(now_s)
                counts = () if plug is None else (plug,)
                return Look(counts=counts, whole=True, gpus=gpus, problem=self._hook.problem, closed=closed)
        else:
            problem = ""
        drawn = battery(self._root)
        if drawn is not None:
            return Look(counts=(drawn,), whole=True, gpus=gpus, problem=problem, closed=closed)
        counted = _packages(packages)
        amd = _cards(self._root, cards, beside_package=bool(counted))
        return Look(counts=(*counted, *amd, *nvidia), whole=False, gpus=gpus, problem=problem, closed=closed)

    def close(self) -> None:
        self._nvml.close()


def battery(root: Path) -> Count | None:
    """What the batteries give while nothing else feeds the machine (kernel document ABI/testing/sysfs-class-power).
    Drivers disagree on the sign of a discharge."""
    supplies = sorted(root.glob("sys/class/power_supply/*"))
    if any(
        sensors.word(supply / "online") not in ("", "0")
        for supply in supplies
        if sensors.word(supply / "type") != "Battery"
    ):
        return None
    giving = [supply for supply in supplies if _gives(supply)]
    watts = [_battery_w(supply) for supply in giving]
    told = [each for each in watts if each is not None]
    return Count(name=BATTERY, watts=sum(told)) if told and len(told) == len(giving) else None


def _gives(supply: Path) -> bool:
    """A battery of the machine itself: one of a mouse is of the scope Device."""
    is_own = sensors.word(supply / "type") == "Battery" and sensors.word(supply / "scope") != "Device"
    return is_own and sensors.word(supply / "status") == "Discharging"


def _battery_w(supply: Path) -> float | None:
    power_uw = _whole(supply / "power_now")
    if power_uw is not None:
        return abs(power_uw) * 1e-6
    current_ua, voltage_uv = _whole(supply / "current_now"), _whole(supply / "voltage_now")
    return None if current_ua is None or voltage_uv is None else abs(current_ua) * voltage_uv * 1e-12


def _packages(packages: list[dict[str, Any]]) -> tuple[Count, ...]:
    return tuple(
        Count(name=_zone(each), counter_uj=each["energy_uj"], wraps_at_uj=each.get("range_uj"))
        for each in packages
        if "energy_uj" in each and _is_package(each)
    )


def _is_package(package: dict[str, Any]) -> bool:
    return str(package.get("zone", PACKAGE)).startswith(PACKAGE)


def _zone(package: dict[str, Any]) -> str:
    return f"package:{package.get('zone', package['folder'])}"


def _cards(root: Path, cards: list[dict[str, Any]], *, beside_package: bool) -> tuple[Count, ...]:
    """Without those whose power is counted with their processor's already."""
    return tuple(
        Count(name=f"gpu:{card['device']}", watts=float(card["power_w"]))
        for card in cards
        if card.get("power_w", -1) >= 0 and not (beside_package and sensors.shares_package(root, card["device"]))
    )


def _reading(card: dict[str, Any]) -> GpuReading:
    def scaled(key: str, by: float = 1.0) -> float | None:
        return card[key] * by if key in card else None

    return GpuReading(
        gpu=card["device"],
        clock_hz=scaled("sm_mhz", 1e6),
        memory_clock_hz=scaled("memory_mhz", 1e6),
        power_w=scaled("power_w"),
        temperature_c=scaled("temperature_c"),
        utilization=scaled("busy_percent", 0.01),
        memory_used_bytes=scaled("memory_used_bytes"),
    )


def _whole(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
