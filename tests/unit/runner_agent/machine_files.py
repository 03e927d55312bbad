"""Recorded files of a machine's kernel, written below a folder; and a stand-in for nvidia-smi."""

from __future__ import annotations

import struct
from pathlib import Path

CARD = "sys/class/drm/card1/device"
HWMON = f"{CARD}/hwmon/hwmon3"
PACKAGE = "sys/class/powercap/intel-rapl:0"

RADEON = {
    "proc/loadavg": "1.50 0.90 0.50 2/345 6789\n",
    "proc/meminfo": "MemTotal: 100 kB\nMemAvailable:   50 kB\n",
    "proc/pressure/cpu": "some avg10=2.50 avg60=1.00 avg300=0.50 total=1\nfull avg10=0.00 avg60=0.00 total=0\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "3000000\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1000000\n",
    f"{CARD}/pp_dpm_sclk": "0: 500Mhz\n1: 2330Mhz *\n",
    f"{CARD}/pp_dpm_mclk": "0: 96Mhz\n3: 1249Mhz *\n",
    f"{CARD}/gpu_busy_percent": "97\n",
    f"{CARD}/mem_info_vram_used": "1024\n",
    f"{CARD}/power_dpm_force_performance_level": "manual\n",
    f"{HWMON}/power1_average": "300000000\n",
    f"{HWMON}/power1_cap": "339000000\n",
    f"{HWMON}/temp1_input": "71000\n",
    f"{HWMON}/temp2_input": "88000\n",
    f"{HWMON}/freq1_input": "2500000000\n",
    "sys/class/drm/card0/device/vendor": "0x8086\n",
}


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def metrics(throttle_status: int, size: int = 120, revisions: tuple[int, int] = (1, 3)) -> bytes:
    """A `gpu_metrics` table of a Radeon RX 7900 XTX."""
    return struct.pack("<HBB108xQ", size, *revisions, throttle_status)


def process(root: Path, pid: int, *, parent: int, name: str, opens: str = "", engine_ns: int | None = None) -> None:
    """A process in `/proc`; `opens` is the device file that it has open, under two numbers of one client."""
    folder = root / f"proc/{pid}"
    write(root, {f"proc/{pid}/comm": f"{name}\n", f"proc/{pid}/stat": f"{pid} ({name}) x) S {parent} 1 1 0\n"})
    for number in (3, 4) if opens else ():
        (folder / "fd").mkdir(exist_ok=True)
        (folder / f"fd/{number}").unlink(missing_ok=True)
        (folder / f"fd/{number}").symlink_to(opens)
        engines = "" if engine_ns is None else f"drm-engine-gfx:\t{engine_ns} ns\ndrm-engine-capacity-gfx:\t1 ns\n"
        text = f"pos:\t0\ndrm-driver:\tamdgpu\ndrm-client-id:\t42\ndrm-pdev:\t0000:03:00.0\n{engines}"
        write(root, {f"proc/{pid}/fdinfo/{number}": text})


def nvidia_smi(folder: Path, script: str) -> str:
    """A program that says what `script` (sh) makes it say; its arguments are kept in `asked`, a line each start."""
    program = folder / "nvidia-smi"
    program.write_text(f'#!/bin/sh\necho "$*" >> {folder}/asked\n{script}\n')
    program.chmod(0o755)
    return str(program)
