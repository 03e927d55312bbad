"""Files that survive a crash, and folders that vanish whatever an agent left in them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESERVE_BYTES = 1 << 20


def write_atomically(path: Path, data: bytes) -> None:
    """All of `data` or nothing: temporary file, fsync, rename, fsync of the folder."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    with open(waiting, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(waiting, path)
    sync_folder(path.parent)


def add_line(path: Path, text: str) -> None:
    """Adds a line, and returns once it is on the disk. Writers at once lose nothing. Raises OSError."""
    line = text.encode() + b"\n"
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line  # a full disk cut the last one short
        if os.write(handle, line) != len(line):
            raise OSError(errno.ENOSPC, "only part of a line fitted", str(path))
        os.fsync(handle)
    finally:
        os.close(handle)
    if size == 0:
        sync_folder(path.parent)


def add_json(path: Path, value: Any) -> None:
    """Adds a line of JSON, as `add_line` does."""
    add_line(path, json.dumps(value))


def make_reserve(path: Path) -> None:
    """Takes disk that `spend_reserve` gives back, so that a last word fits on a disk that is full by then. Not zeros:
    a file system may keep those in no space at all."""
    with open(path, "wb", buffering=0) as file:
        held = os.urandom(RESERVE_BYTES)
        while held:
            held = held[file.write(held) :]
        os.fsync(file.fileno())


def spend_reserve(path: Path) -> None:
    path.unlink(missing_ok=True)


def explain(error: BaseException, home: Path) -> str:
    """The error as a sentence; a full disk is named, which the system's own words do not do."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"the disk that holds {home} is full: {error}" if full else str(error)


def write_json(path: Path, value: Any) -> None:
    write_atomically(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> Any:
    """The file's JSON, or None where the file is absent."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def read_text(path: Path) -> str:
    """The file's text, or an empty one where the file is absent."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_ahead(paths: Iterable[Path]) -> None:
    """Has the kernel read files into memory, without waiting for it; what cannot be read is left out."""
    for path in paths:
        # Not to hang on a pipe that somebody put there.
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(handle)


def open_up(folder: Path) -> None:
    """Gives its owner back what rights to it were taken away."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        folder.chmod(mode | stat.S_IRWXU)


def remove_tree(path: Path) -> None:
    """Removes a folder, even where an agent took its own rights away inside it. An absent folder is fine.

    By `rm`, which goes to any depth; Python's own way recurses, and an agent's folders may be nested deeper than that.
    """
    for command in (("rm", "-rf"), ("chmod", "-R", "u+rwX"), ("rm", "-rf")):
        if not os.path.lexists(path):
            return
        subprocess.run((*command, "--", str(path)), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if os.path.lexists(path):
        raise OSError(errno.ENOTEMPTY, "cannot be removed", str(path))
