"""Namespaces, mounts and cgroups, as system calls: Python 3.11 has no names for most of these."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

# linux/sched.h
NEW_MOUNTS, NEW_CGROUPS, NEW_HOSTNAME, NEW_IPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEW_PIDS, NEW_NETWORK = 0x20000000, 0x40000000
# linux/mount.h
READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 32, 4096, 16384, 1 << 18
DETACH = 2
# linux/prctl.h
SET_NAME = 15

FREEZE_LIMIT_S = 30.0

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    _hold("unshare", _libc.unshare(flags))


def enter_network(namespace: int) -> None:
    """Only the calling thread, and what it starts, moves."""
    _hold("setns", _libc.setns(namespace, NEW_NETWORK))


def mount(source: str, target: str | Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    parts = (source.encode(), str(target).encode(), kind.encode() or None, flags, options.encode() or None)
    _hold(
        f"mount {kind or source} on {target}",
        _libc.mount(parts[0], parts[1], parts[2], ctypes.c_ulong(flags), parts[4]),
    )


def bind(source: str | Path, target: str | Path, *, read_only: bool = False) -> None:
    mount(str(source), target, flags=BIND)
    if read_only:
        mount("none", target, flags=BIND | REMOUNT | READ_ONLY)


def unmount(target: str) -> None:
    _hold(f"unmount {target}", _libc.umount2(target.encode(), DETACH))


def change_root(folder: str | Path) -> None:
    """pivot_root(".", "."), see its manual page. A plain chroot would forbid user namespaces, and so every sandbox."""
    os.chdir(folder)
    _hold("pivot_root", _libc.pivot_root(b".", b"."))
    unmount(".")
    os.chdir("/")


def name_process(name: str) -> None:
    _libc.prctl(SET_NAME, name.encode(), 0, 0, 0)


def new_network() -> int:
    """A descriptor that keeps a new network namespace alive without any process in it."""

    def make() -> int:
        unshare(NEW_NETWORK)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return _in_thread(make)


def within(network: int, act: Callable[..., T], *given: Any, **named: Any) -> T:
    """Calls `act` in that network namespace and returns what it returns. Sockets that it opens and threads and
    processes that it starts stay there."""

    def inside() -> T:
        enter_network(network)
        return act(*given, **named)

    return _in_thread(inside)


def cgroup_top() -> Path | None:
    """This process's own group in the cgroup2 mount."""
    with contextlib.suppress(OSError, StopIteration):
        mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
        groups = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line[3:] for line in groups if line.startswith("0::"))
        return Path(next(fields[1] for fields in mounts if fields[2] == "cgroup2"), own.strip("/"))
    return None


def set_frozen(group: Path, frozen: bool) -> None:
    """Returns once every process in the group stands still, or may run again."""
    (group / "cgroup.freeze").write_text(f"{frozen:d}")
    deadline = time.monotonic() + FREEZE_LIMIT_S
    while f"frozen {frozen:d}" not in (group / "cgroup.events").read_text():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{group} did not become frozen={frozen} within {FREEZE_LIMIT_S:g} s")
        time.sleep(0.002)


def remove_group(group: Path, wait_s: float = 30.0) -> None:
    """Kills what is in it and takes it away, with the groups below it."""
    deadline = time.monotonic() + wait_s
    while group.exists() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            (group / "cgroup.kill").write_text("1")
        for folder, _folders, _files in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        time.sleep(0.005)


def _in_thread(act: Callable[[], T]) -> T:
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(act())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="in a namespace")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _hold(call: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
