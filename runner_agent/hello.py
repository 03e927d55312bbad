"""What a runner says of itself."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from runner_agent import devices, nic, protocol
from runner_agent.boot import boot_id
from runner_agent.device_tags import device_tags
from runner_agent.home import gpu_gate

TOOL_LIMIT_S = 10.0
TOOLS = ("git", "cargo", "rustc", "glslangValidator", "bwrap")


def hello(
    home: Path,
    agent_file: str,
    agent_version: str,
    attempts: tuple[str, ...],
    sandbox: str,
    sandbox_problem: str,
    quiescence: str,
    path: str,
    environ: Mapping[str, str],
) -> protocol.Hello:
    """This machine as it stands. Takes seconds: drivers and tools are asked, each within a limit. `path` is where the
    commands of an episode will find their tools."""
    probe = devices.probe([sys.executable or "python3", "-I", "-S", agent_file])
    tools = {name: told for name in TOOLS if (told := tool_version(name, path))}
    return protocol.Hello(
        agent_version=agent_version,
        boot_id=boot_id(),
        hostname=socket.gethostname(),
        os=os_name(_read("/etc/os-release"), platform.release()),
        python=platform.python_version(),
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk_free_bytes=shutil.disk_usage(home).free,
        gpus=probe.gpus,
        gpu_problem=probe.problem,
        tools=tools,
        sandbox=sandbox,
        sandbox_problem=sandbox_problem,
        quiescence=cast("Literal['cgroup2', 'process-scan']", quiescence),
        tags=tags(probe.gpus, tools, platform.machine()),
        attempts=attempts,
        wake_on_lan=nic.wake_on_lan(environ),
        macs=tuple(card.mac for card in nic.cards()),
        gates=tuple(gpu_gate(gpu.device_uuid) for gpu in probe.gpus),
    )


def tags(gpus: tuple[protocol.Gpu, ...], tools: dict[str, str], machine: str) -> tuple[str, ...]:
    """Words that a campaign may require: linux, architecture, tools, vulkan, gpu, device type, vendor, driver.

    "gpu", the vendor and the driver come only from devices; "gpu" and the vendor only from real ones.
    """
    found = {"linux", machine.lower(), *(name.lower() for name in tools)}
    for gpu in gpus:
        found |= device_tags(gpu)
    return tuple(sorted(found - {""}))


def os_name(release: str, kernel: str) -> str:
    """The distribution's name (from the text of /etc/os-release) and the kernel's release."""
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', release, re.M)
    return f"{match[1] if match else 'Linux'}, kernel {kernel}"


def tool_version(name: str, path: str) -> str:
    """The version a tool tells, or an empty text if it is absent or does not answer."""
    program = shutil.which(name, path=path)
    if program is None:
        return ""
    try:
        told = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=TOOL_LIMIT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return first_version(told.stdout.decode("utf-8", "replace")) if told.returncode == 0 else ""


def first_version(text: str) -> str:
    """The first thing in a tool's answer that looks like a version, such as 2.39.5 or 1.95.0-nightly."""
    match = re.search(r"\d+(?:\.\d+)+(?:-[0-9A-Za-z.]+)?", text[:4096])
    return match[0] if match else text[:80].strip().split("\n")[0]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
