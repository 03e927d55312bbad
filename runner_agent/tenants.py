"""Who else has the GPU open: processes that are no descendants of ours, by their open files in `/proc`.

Where the driver tells it, the time that a process kept the device's engines busy (kernel document
gpu/drm-usage-stats) shows whether it worked or only sat there, as a desktop does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner_agent import locks

SLICE_S = 0.01
TENANTS_MOST = 20
ANCESTORS_MOST = 64
NS = 1e-9
DEVICES = ("dev/dri", "dev/nvidiactl", "dev/kfd")

_DEVICE = re.compile(r"/dev/(dri/(card|renderD)\d+|nvidia\d+|kfd)")
_ENGINE = re.compile(r"^drm-engine-(?!capacity)[\w-]+:\s*(\d+) ns$", re.M)
_CLIENT = re.compile(r"^drm-(client-id|pdev):\s*(\S+)$", re.M)


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """`engine_ns`: the time on the device's engines since it opened them, None where the driver does not tell."""

    pid: int
    name: str
    engine_ns: int | None


@dataclass(kw_only=True)
class _Round:
    found: list[Tenant] = field(default_factory=list[Tenant])
    hidden: int = 0


class Tenants:
    """`/proc` is walked in slices of SLICE_S, one a sample, so that a machine with thousands of processes is looked
    through in a few seconds and no sample takes long. `meter_lock`: held by the process that counts energy, which is no
    tenant either."""

    def __init__(self, root: Path, ours: int, clock_s: Callable[[], float], meter_lock: Path | None = None) -> None:
        self._root = root
        self._ours = ours
        self._clock_s = clock_s
        self._meter_lock = meter_lock
        self._round = _Round()
        self._walk: Iterator[None] | None = None
        self._last: dict[int, tuple[int, float]] = {}

    def read(self, now_s: float) -> dict[str, Any] | None:
        """`tenants` (pid, name and, if known, `gpu_share`: seconds of engine time a second since the last look) and
        `tenants_hidden`, the processes that may not be looked into. None until the walk has come
        round, and where there is no device."""
        if not any((self._root / device).exists() for device in DEVICES):
            return None
        until_s = self._clock_s() + SLICE_S
        if self._walk is None:
            self._round = _Round()
            self._walk = self._look()
        for _ in self._walk:
            if self._clock_s() >= until_s:
                return None
        self._walk = None
        return self._told(now_s)

    def _told(self, now_s: float) -> dict[str, Any]:
        told: list[dict[str, Any]] = []
        last, self._last = self._last, {}
        for tenant in self._round.found:
            row: dict[str, Any] = {"pid": tenant.pid, "name": tenant.name}
            if tenant.engine_ns is not None:
                self._last[tenant.pid] = (tenant.engine_ns, now_s)
                before_ns, before_s = last.get(tenant.pid, (0, now_s))
                if before_s < now_s and tenant.engine_ns >= before_ns:
                    row["gpu_share"] = round((tenant.engine_ns - before_ns) * NS / (now_s - before_s), 3)
            told.append(row)
        found: dict[str, Any] = {"tenants": told[:TENANTS_MOST]}
        if self._round.hidden:
            found["tenants_hidden"] = self._round.hidden
        return found

    def _look(self) -> Iterator[None]:
        for process in sorted(self._root.glob("proc/[0-9]*")):
            yield
            try:
                self._look_at(process)
            except (OSError, ValueError):
                continue  # It ended meanwhile.

    def _look_at(self, process: Path) -> None:
        try:
            files = [file for file in (process / "fd").iterdir() if _DEVICE.fullmatch(_target(file))]
        except (FileNotFoundError, ProcessLookupError):
            return
        except OSError:
            # Kernel threads have no command line, and no device either.
            self._round.hidden += bool((process / "cmdline").read_bytes())
            return
        if not files or self._is_ours(process) or self._counts_energy(process):
            return
        name = (process / "comm").read_text(errors="replace").strip()
        self._round.found.append(Tenant(pid=int(process.name), name=name, engine_ns=_engine_ns(process, files)))

    def _counts_energy(self, process: Path) -> bool:
        return self._meter_lock is not None and locks.holder(self._meter_lock) == int(process.name)

    def _is_ours(self, process: Path) -> bool:
        for _ in range(ANCESTORS_MOST):
            if int(process.name) == self._ours:
                return True
            # The name in parentheses may hold anything, parentheses too.
            parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            if parent == "0":
                return False
            process = process.parent / parent
        return False


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""


def _engine_ns(process: Path, files: list[Path]) -> int | None:
    """Summed over the process's clients; a client may be open under several numbers."""
    clients: dict[tuple[str, ...], int] = {}
    for file in files:
        text = (process / "fdinfo" / file.name).read_text(errors="replace")
        engines = [int(value) for value in _ENGINE.findall(text)]
        if engines:
            clients[tuple(value for _, value in _CLIENT.findall(text))] = sum(engines)
    return sum(clients.values()) if clients else None
