"""Why a GPU holds its clock back: what drivers report, and what follows from it for a measurement. Pure tables.

Sources: NVIDIA, "NVML API Reference", NvmlClocksEventReasons; Linux, `amdgpu_smu.h` (`SMU_THROTTLER_*_BIT`) and
`kgd_pp_interface.h` (`gpu_metrics_v1_3`).
"""

from __future__ import annotations

import struct
from typing import Literal

Effect = Literal["throttled", "limited", "quiet"]

# "throttled": it passes and depends on what ran before, so what was measured meanwhile is no measurement.
# "limited": a bound that the device keeps under this load for good; the measurement holds and the bound is told.
# "quiet": no bound on what was measured.
EFFECTS: dict[str, Effect] = {
    "hardware-slowdown": "throttled",
    "power-brake": "throttled",
    "thermal": "throttled",
    "thermal-hardware": "throttled",
    "thermal-software": "throttled",
    "voltage-regulator-hot": "throttled",
    "processor-hot": "throttled",
    "power": "limited",
    "current": "limited",
    "sync-boost": "limited",
    "other": "limited",
    "application-clocks": "quiet",
    "display-clocks": "quiet",
    "idle": "quiet",
}

# Bit of `clocks_event_reasons.active` (before driver 535: `clocks_throttle_reasons.active`) -> reason.
NVIDIA: dict[int, str] = {
    0: "idle",
    1: "application-clocks",
    2: "power",
    3: "hardware-slowdown",
    4: "sync-boost",
    5: "thermal-software",
    6: "thermal-hardware",
    7: "power-brake",
    8: "display-clocks",
}

# First and last bit of `indep_throttle_status` -> reason.
AMDGPU: tuple[tuple[int, int, str], ...] = (
    (0, 15, "power"),
    (16, 31, "current"),
    (32, 43, "thermal"),
    (44, 45, "voltage-regulator-hot"),
    (46, 47, "processor-hot"),
    (48, 63, "other"),
)

_METRICS_HEADER = struct.Struct("<HBB")
_METRICS_1_3_BYTES = 120
_STATUS_1_3 = struct.Struct("<Q")
_STATUS_1_3_OFFSET = 112
_UNKNOWN = 2**64 - 1


def of_nvidia(mask: int) -> tuple[str, ...]:
    """The reasons in a mask, in the order of their bits; a bit that is not known is "other"."""
    names = (NVIDIA.get(bit, "other") for bit in range(mask.bit_length()) if mask >> bit & 1)
    return tuple(dict.fromkeys(names))


def of_amdgpu(mask: int) -> tuple[str, ...]:
    return tuple(name for low, high, name in AMDGPU if mask >> low & (1 << high - low + 1) - 1)


def of_metrics(table: bytes) -> tuple[str, ...] | None:
    """The reasons in a `gpu_metrics` table of sysfs; None where it does not tell (other versions, or all ones)."""
    if len(table) < _METRICS_1_3_BYTES:
        return None
    size, format_revision, content_revision = _METRICS_HEADER.unpack_from(table)
    if (size, format_revision, content_revision) != (_METRICS_1_3_BYTES, 1, 3):
        return None
    (mask,) = _STATUS_1_3.unpack_from(table, _STATUS_1_3_OFFSET)
    return None if mask == _UNKNOWN else of_amdgpu(mask)
