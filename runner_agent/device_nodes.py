"""The device files by which one GPU is reached: what a process must see to use it, and nothing else of the kind."""

from __future__ import annotations

import os
import re
from pathlib import Path

from runner_agent.control import InfrastructureFault
from runner_agent.device_tags import SOFTWARE
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


def chosen(device_uuid: str, gpus: tuple[Gpu, ...]) -> Gpu:
    """Raises InfrastructureFault where it is not among them."""
    for gpu in gpus:
        if gpu.device_uuid == device_uuid:
            return gpu
    have = ", ".join(f"{gpu.device_uuid} ({gpu.name})" for gpu in gpus) or "none"
    raise InfrastructureFault(f"the Vulkan device {device_uuid} is not here; the devices are {have}")


def only(devices: tuple[str, ...], gpu: Gpu, gpus: tuple[Gpu, ...]) -> tuple[str, ...]:
    """The device files to show where just this one of all `gpus` is to be seen: its own in place of all that are some
    GPU's; beside a device of software none that are another's. Where its own are not known, all of them."""
    if not gpu.nodes:
        theirs = {node for other in gpus for node in other.nodes} if gpu.device_type == SOFTWARE else set[str]()
        return tuple(path for path in devices if path not in theirs and not (theirs and path == SHARED))
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
