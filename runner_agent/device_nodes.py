"""The device files by which one GPU is reached: what a process must see to use it, and nothing else of the kind."""

from __future__ import annotations

import os
import re
from pathlib import Path

from runner_agent.protocol import Gpu

SHARED = "/dev/dri"
NVIDIA = re.compile(r"/dev/nvidia\d+")

Number = tuple[int, int]


def find(primary: Number | None, render: Number | None, root: Path = Path("/")) -> tuple[str, ...]:
    """By the numbers (major, minor) that the driver tells of its nodes; what does not exist is left out."""
    found = [_at(root, f"dev/dri/card{primary[1]}")] if primary else []
    if render:
        found.append(_at(root, f"dev/dri/renderD{render[1]}"))
        found.append(_nvidia(root, render))
    return tuple(path for path in found if path)


def only(devices: tuple[str, ...], gpu: Gpu) -> tuple[str, ...]:
    """The device files to show where just this GPU is to be seen: its own in place of all that are some GPU's. Where
    its own are not known, all of them."""
    if not gpu.nodes:
        return devices
    unclear = gpu.vendor == "NVIDIA" and not any(NVIDIA.fullmatch(node) for node in gpu.nodes)
    foreign = [path for path in devices if path == SHARED or (NVIDIA.fullmatch(path) and not unclear)]
    return (*gpu.nodes, *(path for path in devices if path not in foreign and path not in gpu.nodes))


def _at(root: Path, path: str) -> str:
    return f"/{path}" if (root / path).exists() else ""


def _nvidia(root: Path, render: Number) -> str:
    """NVIDIA's own device file of the same card: its driver tells the number by PCI address."""
    device = root / f"sys/dev/char/{render[0]}:{render[1]}/device"
    address = os.path.basename(os.path.realpath(device))
    try:
        told = (root / "proc/driver/nvidia/gpus" / address / "information").read_text(errors="replace")
    except OSError:
        return ""
    number = re.search(r"^Device Minor:\s*(\d+)", told, re.M)
    return _at(root, f"dev/nvidia{number[1]}") if number else ""
