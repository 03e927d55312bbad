"""NVIDIA's devices through the driver's own library, which nvidia-smi asks too: no program is started for a sample.

A call into the driver may hang or end the process where the driver is broken, so it belongs into a process of its own.
Source: "NVML API Reference". The devices' indices are those of nvidia-smi.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from typing import Any

from runner_agent.meter import Count
from runner_agent.protocol import GpuReading

LIBRARY = "libnvidia-ml.so.1"
RETRY_S = 60.0
CLOCK_SM, CLOCK_MEMORY = 1, 2
TEMPERATURE_GPU = 0
MHZ = 1e6


class _Utilization(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


def load() -> Any:
    """Raises OSError where the library is absent."""
    return ctypes.CDLL(LIBRARY)


class Nvml:
    """Never raises; a machine without driver has no devices, and is looked at again after RETRY_S."""

    def __init__(self, loader: Callable[[], Any] = load) -> None:
        self._loader = loader
        self._library: Any = None
        self._devices: list[tuple[str, Any]] = []
        self._again_s = float("-inf")

    def read(self, now_s: float) -> tuple[tuple[Count, ...], tuple[GpuReading, ...]]:
        """Of each device its energy counter (Volta and later), or else its power; and what it shows."""
        if not self._devices and now_s >= self._again_s:
            self._again_s = now_s + RETRY_S
            self._open()
        counts = [_count(self._library, name, device) for name, device in self._devices]
        shown = tuple(_reading(self._library, name, device) for name, device in self._devices)
        told = tuple(count for count in counts if count is not None)
        if self._devices and not told and all(reading == GpuReading(gpu=reading.gpu) for reading in shown):
            self.close()  # The driver was exchanged, or the devices are gone.
            return (), ()
        return told, shown

    def close(self) -> None:
        if self._library is not None:
            with contextlib.suppress(AttributeError):
                self._library.nvmlShutdown()
        self._library, self._devices = None, []

    def _open(self) -> None:
        try:
            self._library = self._loader()
        except OSError:
            return
        count = ctypes.c_uint()
        if _call(self._library, "nvmlInit_v2") and _call(self._library, "nvmlDeviceGetCount_v2", ctypes.byref(count)):
            for index in range(min(count.value, 64)):
                device = ctypes.c_void_p()
                if _call(self._library, "nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(device)):
                    self._devices.append((f"nvidia{index}", device))


def _count(library: Any, name: str, device: Any) -> Count | None:
    energy_mj = _number(library, "nvmlDeviceGetTotalEnergyConsumption", ctypes.c_ulonglong(), device)
    power_mw = _number(library, "nvmlDeviceGetPowerUsage", ctypes.c_uint(), device)
    if energy_mj is None and power_mw is None:
        return None
    return Count(
        name=f"gpu:{name}",
        counter_uj=None if energy_mj is None else energy_mj * 1000,
        watts=None if power_mw is None else power_mw / 1000,
    )


def _reading(library: Any, name: str, device: Any) -> GpuReading:
    clocks = [
        _number(library, "nvmlDeviceGetClockInfo", ctypes.c_uint(), device, ctypes.c_uint(kind))
        for kind in (CLOCK_SM, CLOCK_MEMORY)
    ]
    power_mw = _number(library, "nvmlDeviceGetPowerUsage", ctypes.c_uint(), device)
    temperature = _number(library, "nvmlDeviceGetTemperature", ctypes.c_uint(), device, ctypes.c_uint(TEMPERATURE_GPU))
    load, memory = _Utilization(), _Memory()
    knows_load = _call(library, "nvmlDeviceGetUtilizationRates", device, ctypes.byref(load))
    knows_memory = _call(library, "nvmlDeviceGetMemoryInfo", device, ctypes.byref(memory))
    return GpuReading(
        gpu=name,
        clock_hz=None if clocks[0] is None else clocks[0] * MHZ,
        memory_clock_hz=None if clocks[1] is None else clocks[1] * MHZ,
        power_w=None if power_mw is None else power_mw / 1000,
        temperature_c=None if temperature is None else float(temperature),
        utilization=load.gpu / 100 if knows_load else None,
        memory_used_bytes=float(memory.used) if knows_memory else None,
    )


def _number(library: Any, function: str, value: Any, *arguments: Any) -> int | None:
    return int(value.value) if _call(library, function, *arguments, ctypes.byref(value)) else None


def _call(library: Any, function: str, *arguments: Any) -> bool:
    """Whether the library knows the function and it succeeded."""
    try:
        return getattr(library, function)(*arguments) == 0
    except (AttributeError, ctypes.ArgumentError):
        return False
