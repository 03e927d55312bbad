"""A cgroup v2 leaf per attempt, where this account may make one. See the kernel's Documentation/admin-guide/cgroup-v2.

The bare hierarchy is enough: `cgroup.kill` and `cgroup.events` work without any controller, so a machine whose
controllers are still on v1 can use it too. The number of processes is bounded by the pids controller, in that leaf or,
on such a machine, in a v1 group of the same name (admin-guide/cgroup-v1/pids).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from runner_agent import clock

POLL_S = 0.02


def parents() -> list[Path]:
    """Where a leaf might be made: the top of each cgroup2 mount, then this process's own group in it."""
    tops = [Path(fields[1]) for fields in _lines("/proc/self/mounts") if fields[2] == "cgroup2"]
    own = [line[0].split(":", 2)[2].strip("/") for line in _lines("/proc/self/cgroup") if line[0].startswith("0::")]
    return [*tops, *(top / part for top in tops for part in own if part)]


def make(name: str) -> Path | None:
    """A leaf of that name, or None where there is no writable cgroup2 with `cgroup.kill`."""
    for parent in parents():
        leaf = parent / f"matins-{name}"
        with contextlib.suppress(OSError):
            leaf.mkdir(exist_ok=True)
            if (leaf / "cgroup.kill").exists() and os.access(leaf / "cgroup.procs", os.W_OK):
                if can_freeze(leaf):  # as a supervisor may have left it that died meanwhile
                    (leaf / "cgroup.freeze").write_text("0")
                return leaf
            leaf.rmdir()
    return None


def find(name: str) -> Path | None:
    """The leaf that `make` made, if it still exists."""
    return next((leaf for parent in parents() if (leaf := parent / f"matins-{name}").is_dir()), None)


def bound(leaf: Path, processes: int) -> tuple[Path, ...] | None:
    """The groups that a process has to enter, of which one lets it have no more than `processes` (threads count, too);
    None where no pids controller can be had. `remove` takes both away."""
    for group in (leaf, *(top / leaf.name for top in _pids_tops())):
        with contextlib.suppress(OSError):
            if group != leaf:
                group.mkdir(exist_ok=True)
            (group / "pids.max").write_text(str(processes))
            return (leaf,) if group == leaf else (leaf, group)
    return None


def members(leaf: Path) -> list[int]:
    """The processes in the leaf and in groups below it."""
    found: list[int] = []
    for folder, _folders, _files in os.walk(leaf):
        with contextlib.suppress(OSError):
            found += [int(line) for line in Path(folder, "cgroup.procs").read_text().split()]
    return found


def kill(leaf: Path, wait_s: float) -> bool:
    """Kills every member at once and waits for `populated 0`. True where all are gone."""
    (leaf / "cgroup.kill").write_text("1")
    deadline = clock.monotonic_s() + wait_s
    while "populated 1" in (leaf / "cgroup.events").read_text():
        if clock.monotonic_s() > deadline:
            return False
        clock.pause(POLL_S)
    return True


def can_freeze(leaf: Path) -> bool:
    """Since Linux 5.2, without any controller."""
    return (leaf / "cgroup.freeze").exists()


def freeze(leaf: Path, *, frozen: bool, wait_s: float) -> bool:
    """Stops all members where they are, or lets them go on, and waits for it. True where it has come about. What is
    frozen can be killed."""
    (leaf / "cgroup.freeze").write_text(str(int(frozen)))
    deadline = clock.monotonic_s() + wait_s
    while f"frozen {int(frozen)}" not in (leaf / "cgroup.events").read_text():
        if clock.monotonic_s() > deadline:
            return False
        clock.pause(POLL_S)
    return True


def remove(leaf: Path) -> None:
    """Removes an empty leaf and the group that bounded it; one that is not empty stays."""
    for group in (leaf, *(top / leaf.name for top in _pids_tops())):
        for folder, _folders, _files in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _pids_tops() -> list[Path]:
    """The v1 hierarchy of the pids controller: this process's own group in it, else its top."""
    mounts = _lines("/proc/self/mounts")
    tops = [Path(fields[1]) for fields in mounts if fields[2] == "cgroup" and "pids" in fields[3].split(",")]
    lines = [line[0].split(":", 2) for line in _lines("/proc/self/cgroup")]
    own = [path.strip("/") for _, controllers, path in lines if "pids" in controllers.split(",")]
    return [*(top / part for top in tops for part in own if part), *tops]


def _lines(path: str) -> list[list[str]]:
    with contextlib.suppress(OSError):
        return [line.split() for line in Path(path).read_text().splitlines()]
    return []
