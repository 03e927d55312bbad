"""The parts of a fake runner: what it says of itself, its attempts, and the files that these leave."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner_agent.protocol import PULL_OFFSET, AttemptStatus, Check, ExitRecord, Hello, LaunchSpec, rest_from

SUMS = "RUNNER_SHA256SUMS"
HELLO = Hello(
    agent_version="fake",
    boot_id="boot-1",
    hostname="fake",
    os="Debian GNU/Linux 12, kernel 6.1",
    python="3.11.2",
    cpus=4,
    memory_bytes=16 << 30,
    disk_free_bytes=100 << 30,
    gpus=(),
    gpu_problem="",
    tools={"git": "2.39.5"},
    sandbox="bubblewrap",
    sandbox_problem="",
    quiescence="cgroup2",
    tags=("linux", "vulkan"),
    attempts=(),
    wake_on_lan="armed",
    macs=("02:00:00:00:00:01",),
)


@dataclass(kw_only=True)
class FakeAttempt:
    status: AttemptStatus
    spec: LaunchSpec | None
    streams: dict[str, bytes] = field(default_factory=dict[str, bytes])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    checks: tuple[Check, ...] | None = None
    cancel_asked: bool = False
    acknowledged: bool = False
    ungraded: ExitRecord | None = None


def summed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files and their checksums."""
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    return {**files, SUMS: sums.encode()}


def tarred(files: Mapping[str, bytes], held: Mapping[str, int]) -> bytes:
    """A tar stream of the files, each from the byte after those held."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in sorted(files.items(), key=lambda each: each[0] != SUMS):
            offset = rest_from(0 if name == SUMS else held.get(name, 0), len(data))
            if offset is not None:
                info = tarfile.TarInfo(name)
                info.size = len(data) - offset
                info.pax_headers = {PULL_OFFSET: str(offset)} if offset else {}
                tar.addfile(info, io.BytesIO(data[offset:]))
    return buffer.getvalue()
