"""Trees in layers: a built base below, which nobody writes, and what an attempt writes above it (overlayfs).

Mounted in a namespace of the supervisor's own, so that the machine sees none of it and all of it ends with the
supervisor. Whoever looks from elsewhere finds an empty folder in the tree's place. See mount(2), mount_namespaces(7)
and Documentation/filesystems/overlayfs.rst of the kernel. All raise OSError.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS = 0x00020000
MS_REC = 1 << 14
MS_SLAVE = 1 << 19
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8
# A folder of the base can be renamed; and where the machine's defaults differ, what was written can be mounted again.
OPTIONS = "redirect_dir=on,index=off,metacopy=off"


@dataclass(frozen=True)
class Layers:
    """Where one tree keeps what is written to it. Both are on one file system."""

    root: Path

    @property
    def upper(self) -> Path:
        return self.root / "upper"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def note(self) -> Path:
        return self.root / "base.json"


def isolate() -> None:
    """From now on what this process mounts is seen by it and its children alone. What the machine mounts and unmounts
    is still seen here. Only for a process of one thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(CLONE_NEWNS), "unshare")
    _check(libc.mount(None, b"/", None, MS_REC | MS_SLAVE, None), "/")


def mount(base: Path, layers: Layers, tree: Path) -> None:
    """Shows at `tree` the base with what the layers hold above it. Only once `isolate` has succeeded."""
    for folder in (layers.upper, layers.work, tree):
        folder.mkdir(parents=True, exist_ok=True)
    # A path may hold what separates options; a descriptor's does not.
    with contextlib.ExitStack() as stack:
        lower, upper, work = (_open(stack, folder) for folder in (base, layers.upper, layers.work))
        data = f"lowerdir={lower},upperdir={upper},workdir={work},{OPTIONS}"
        libc = ctypes.CDLL(None, use_errno=True)
        _check(libc.mount(b"overlay", os.fsencode(tree), b"overlay", 0, data.encode()), str(tree))


def unmount(tree: Path) -> None:
    """Also while somebody still looks at it. What is no mount stays as it is."""
    with contextlib.suppress(OSError):
        _check(ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(tree), MNT_DETACH | UMOUNT_NOFOLLOW), str(tree))


def _open(stack: contextlib.ExitStack, folder: Path) -> str:
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, handle)
    return f"/proc/self/fd/{handle}"


def _check(status: int, what: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
