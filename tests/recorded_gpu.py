"""The parts of /sys and /proc that node_exporter reads of a machine with a Radeon RX 7900 XTX, as the kernel shows them
under load (kernel documentation: gpu/amdgpu/thermal, driver-api/hwmon, filesystems/proc). Of one moment, and they stay.
"""

from __future__ import annotations

from pathlib import Path

DEVICE = "devices/pci0000:00/0000:00:01.1/0000:01:00.0/0000:02:00.0/0000:03:00.0"

CARD = {
    "uevent": "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID=1002:744C\nPCI_SUBSYS_ID=1002:0E3B\nPCI_SLOT_NAME=0000:03:00.0\n",
    "vendor": "0x1002",
    "device": "0x744c",
    "unique_id": "c1d2a3f4b5e60718",
    "gpu_busy_percent": "97",
    "mem_busy_percent": "41",
    "mem_info_vram_total": "25753026560",
    "mem_info_vram_used": "17716740096",
    "mem_info_vram_vendor": "samsung",
    "mem_info_vis_vram_total": "25753026560",
    "mem_info_vis_vram_used": "17716740096",
    "mem_info_gtt_total": "33606082560",
    "mem_info_gtt_used": "66035712",
    "power_dpm_force_performance_level": "profile_peak",
}

HWMON = {
    "name": "amdgpu",
    "power1_average": "309000000",
    "power1_cap": "339000000",
    "power1_cap_max": "391000000",
    "power1_label": "PPT",
    "temp1_input": "58000",
    "temp1_crit": "100000",
    "temp1_label": "edge",
    "temp2_input": "74000",
    "temp2_label": "junction",
    "temp3_input": "82000",
    "temp3_label": "mem",
    "freq1_input": "2482000000",
    "freq1_label": "sclk",
    "freq2_input": "1249000000",
    "freq2_label": "mclk",
    "fan1_input": "1621",
    "in0_input": "1043",
    "in0_label": "vddgfx",
}

PROC = {
    "stat": "cpu  184467 2210 40125 9120342 3301 0 512 0 0 0\ncpu0 92233 1105 20062 4560171 1650 0 256 0 0 0\n"
    "cpu1 92234 1105 20063 4560171 1651 0 256 0 0 0\nctxt 81200345\nbtime 1767225600\nprocesses 120345\n"
    "procs_running 3\nprocs_blocked 0",
    "meminfo": "MemTotal:       65758424 kB\nMemFree:        12001232 kB\nMemAvailable:   48210044 kB",
    "loadavg": "3.20 2.91 2.44 3/812 120345",
    "diskstats": " 259 0 nvme0n1 812345 1203 62349812 210034 1523456 90321 98234112 801234 0 512345 1011268 0 0 0 0",
    "1/mounts": "/dev/nvme0n1p2 / ext4 rw,relatime 0 0",
}


def write_proc(procfs: Path) -> Path:
    """A folder for `--path.procfs`. Its only file system is whatever holds / here."""
    for name, text in PROC.items():
        _fill((procfs / name).parent, {Path(name).name: text})
    return procfs


def write_sys(sysfs: Path) -> Path:
    """A folder for `--path.sysfs`, with the links that the kernel has there."""
    device = sysfs / DEVICE
    _fill(device, CARD)
    _fill(device / "hwmon/hwmon3", HWMON)
    (device / "drm/card0").mkdir(parents=True)
    bus = sysfs / "bus/pci/drivers/amdgpu"
    bus.mkdir(parents=True)
    _link(device / "driver", bus)
    _link(device / "subsystem", sysfs / "bus/pci")
    _link(device / "drm/card0/device", device)
    _link(device / "hwmon/hwmon3/device", device)
    _link(sysfs / "class/drm/card0", device / "drm/card0")
    _link(sysfs / "class/hwmon/hwmon3", device / "hwmon/hwmon3")
    return sysfs


def _fill(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text if text.endswith("\n") else f"{text}\n", encoding="ascii")


def _link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
