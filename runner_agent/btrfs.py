"""Subvolumes of btrfs by its own system calls, which its owner may make without its tools: see ioctl_btrfs(5),
`struct btrfs_ioctl_vol_args` and `struct btrfs_ioctl_vol_args_v2` of linux/btrfs.h. All raise OSError."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

CREATE = 0x5000940E
DESTROY = 0x5000940F
SNAPSHOT = 0x50009417
SIZE = 4096
NAME_MOST = 255
FIRST_INODE = 256
"""The number of every subvolume's own folder, and of no other folder of the file system that is a mount of its own."""


def create(path: Path) -> None:
    """An empty subvolume."""
    _call(CREATE, path, struct.pack("=q", 0) + _name(path))


def snapshot(source: Path, target: Path) -> None:
    """Makes `target` a writable snapshot of the subvolume `source`."""
    handle = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # fd, transid, flags, then 32 bytes for what is not used here.
        _call(SNAPSHOT, target, struct.pack("=qQQ32x", handle, 0, 0) + _name(target))
    finally:
        os.close(handle)


def destroy(path: Path) -> None:
    """Removes a subvolume with all that it holds, at once. Most mounts let only root do so."""
    _call(DESTROY, path, struct.pack("=q", 0) + _name(path))


def is_subvolume(path: Path) -> bool:
    """Whether the folder is one, given that its file system is btrfs."""
    try:
        found = path.lstat()
        return found.st_ino == FIRST_INODE and found.st_dev != path.parent.lstat().st_dev
    except OSError:
        return False


def _name(path: Path) -> bytes:
    name = os.fsencode(path.name)
    if len(name) > NAME_MOST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    return name


def _call(request: int, path: Path, data: bytes) -> None:
    """The call is made on the folder that holds `path`, which is named in it."""
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(handle, request, bytearray(data.ljust(SIZE, b"\0")), True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(handle)
