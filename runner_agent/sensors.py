"""What the kernel tells of a machine's conditions, in its files below `root`: load, clocks, energy, amdgpu devices.

What is absent, unreadable or garbled is left out, and never zero.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner_agent.measure import throttle

MICRO = 1e-6
RAPL_LONGEST_S = 60.0
"""Between two readings further apart than this a counter may have wrapped more than once."""

Found = dict[str, Any]


def put(found: Found, key: str, read: Callable[[], Any]) -> bool:
    """Adds what `read` returns, unless it cannot or has nothing to say. Returns whether it was added."""
    try:
        value = read()
    except (OSError, ValueError, IndexError):
        return False
    if value is not None:
        found[key] = value
    return value is not None


def load(found: Found, root: Path) -> bool:
    """`load_1m`; `cpu_pressure_percent`, the share of the last 10 s in which some task waited for a core (PSI)."""
    told = [
        put(found, "load_1m", lambda: round(float((root / "proc/loadavg").read_text().split()[0]), 2)),
        put(found, "cpu_pressure_percent", lambda: _pressure(root)),
        put(found, "memory_available_bytes", lambda: _memory_available(root)),
    ]
    return any(told)


def clocks(found: Found, root: Path) -> bool:
    """`cpu_mhz`, the mean over the cores."""
    return put(found, "cpu_mhz", lambda: _cpu_mhz(root))


def amdgpus(root: Path) -> list[Found]:
    """Each device of the amdgpu driver (kernel documents gpu/amdgpu/thermal and gpu/amdgpu/driver-misc)."""
    cards = sorted(root.glob("sys/class/drm/card[0-9]*/device"))
    return [_amdgpu(card) for card in cards if (card / "pp_dpm_sclk").exists()]


class Rapl:
    """The energy counters of the processor packages (kernel document power/powercap/powercap).

    A counter tells something only from one reading to the next, so that the first reading of each gives nothing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._last: dict[str, tuple[int, float]] = {}

    def read(self, now_s: float) -> list[Found]:
        """For each package `zone`, `energy_j` since the last reading, and `power_w` over that time."""
        told = (self._since_last(package, now_s) for package in packages(self._root))
        return [each for each in told if each is not None]

    def _since_last(self, package: Found, now_s: float) -> Found | None:
        name, energy_uj = str(package["folder"]), package.get("energy_uj")
        if energy_uj is None:
            self._last.pop(name, None)
            return None
        before, self._last[name] = self._last.get(name), (energy_uj, now_s)
        if before is None or not 0 < now_s - before[1] <= RAPL_LONGEST_S:
            return None
        spent_uj = energy_spent_uj(before[0], energy_uj, package.get("range_uj"))
        if spent_uj is None:
            return None
        energy_j = spent_uj * MICRO
        power_w = round(energy_j / (now_s - before[1]), 2)
        return {"zone": package.get("zone", name), "energy_j": round(energy_j, 3), "power_w": power_w}


def packages(root: Path) -> list[Found]:
    """Each zone that is no part of another: `folder`, and as far as they can be read `zone` (its name), `energy_uj` and
    `range_uj`, the last value before it wraps."""
    found: list[Found] = []
    for zone in sorted(root.glob("sys/class/powercap/intel-rapl:[0-9]*")):
        if zone.name.count(":") != 1:
            continue  # A part of a package: it is counted there.
        package: Found = {"folder": zone.name}
        put(package, "energy_uj", lambda z=zone: int((z / "energy_uj").read_text()))
        put(package, "range_uj", lambda z=zone: int((z / "max_energy_range_uj").read_text()))
        put(package, "zone", lambda z=zone: (z / "name").read_text().strip())
        found.append(package)
    return found


def shares_package(root: Path, device: str) -> bool:
    """Whether the amdgpu device is part of a processor, whose power it tells as its own: then its `gpu_metrics` are of
    format 2 or 3 (`kgd_pp_interface.h`)."""
    try:
        with (root / "sys/class/drm" / device / "device/gpu_metrics").open("rb") as file:
            return file.read(4)[2:3] in (b"\x02", b"\x03")
    except OSError:
        return False


def energy_spent_uj(before: int, now: int, range_uj: int | None) -> int | None:
    """What a counter that wraps at `range_uj` went on; None if it fell and its range is not known."""
    if now >= before:
        return now - before
    return now - before + range_uj + 1 if range_uj is not None and range_uj >= before else None


def _pressure(root: Path) -> float:
    line = (root / "proc/pressure/cpu").read_text().splitlines()[0]
    return float(next(word for word in line.split() if word.startswith("avg10=")).removeprefix("avg10="))


def _memory_available(root: Path) -> int | None:
    for line in (root / "proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _cpu_mhz(root: Path) -> float | None:
    khz = [int(file.read_text()) for file in root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")]
    mhz = [value / 1000 for value in khz]
    if not mhz:
        lines = (root / "proc/cpuinfo").read_text().splitlines()
        mhz = [float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz")]
    return round(sum(mhz) / len(mhz), 1) if mhz else None


def _amdgpu(card: Path) -> Found:
    gpu: Found = {"device": card.parent.name}
    put(gpu, "sm_mhz", lambda: _chosen_mhz(card / "pp_dpm_sclk"))
    put(gpu, "memory_mhz", lambda: _chosen_mhz(card / "pp_dpm_mclk"))
    put(gpu, "busy_percent", lambda: _int(card / "gpu_busy_percent"))
    put(gpu, "memory_used_bytes", lambda: _int(card / "mem_info_vram_used"))
    put(gpu, "level", lambda: (card / "power_dpm_force_performance_level").read_text().strip())
    put(gpu, "throttle", lambda: _reasons(card / "gpu_metrics"))
    sensors = next(iter(sorted(card.glob("hwmon/hwmon[0-9]*"))), None)
    if sensors is not None:
        _hwmon(gpu, sensors)
    return gpu


def _hwmon(gpu: Found, sensors: Path) -> None:
    """Clocks from here are measured; those of `pp_dpm_*` are the level that was chosen."""
    put(gpu, "sm_mhz", lambda: _int(sensors / "freq1_input") / 1e6)
    put(gpu, "memory_mhz", lambda: _int(sensors / "freq2_input") / 1e6)
    if not put(gpu, "power_w", lambda: _int(sensors / "power1_average") * MICRO):
        put(gpu, "power_w", lambda: _int(sensors / "power1_input") * MICRO)
    put(gpu, "power_cap_w", lambda: _int(sensors / "power1_cap") * MICRO)
    put(gpu, "temperature_c", lambda: _int(sensors / "temp1_input") / 1e3)
    put(gpu, "hotspot_c", lambda: _int(sensors / "temp2_input") / 1e3)
    put(gpu, "memory_temperature_c", lambda: _int(sensors / "temp3_input") / 1e3)


def _reasons(metrics: Path) -> list[str] | None:
    with metrics.open("rb") as file:
        told = throttle.of_metrics(file.read(4096))
    return None if told is None else list(told)


def _chosen_mhz(levels: Path) -> float | None:
    """The clock of the level with the star, as in "1: 2500Mhz *"."""
    for line in levels.read_text().splitlines():
        if line.rstrip().endswith("*"):
            return float(line.split(":")[1].split()[0].lower().removesuffix("mhz"))
    return None


def word(path: Path) -> str:
    """What a file says, without the line's end; empty where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _int(path: Path) -> int:
    return int(path.read_text())
