"""Bounds what an attempt adds to the disk in sum, and ends it before the disk is full.

No file system offers this to every account, so it is looked at: `du` counts what the attempt's folders hold, each hard
link once and shared blocks as if they were its own, less what they held before. That is done every few seconds and
never takes more than about a fiftieth of the time, a tenth while the disk fills up; how much is free is asked several
times a second. Between two looks an attempt can write what the disk takes: the floor is what keeps the disk.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from runner_agent import clock

LOOK_S = 0.25
COUNT_S = 2.0
COUNT_LIMIT_S = 60.0
POLL_S = 0.005
IDLE_FACTOR = 49
HURRY_FACTOR = 9
FLOOR_MOST_BYTES = 1 << 30
FLOOR_SHARE = 20
"""The floor is a twentieth of a small disk."""
INODE_FLOOR_SHARE = 100

Overrun = Literal["disk", "disk-floor"]


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What statvfs(3) says. `inodes` is 0 where the file system has no fixed number of them."""

    bytes: int
    free_bytes: int
    inodes: int
    free_inodes: int


@dataclass(frozen=True, kw_only=True)
class Count:
    """A count that came to its end at `at_s`; `added_bytes` since the mark, `free_bytes` when it began."""

    at_s: float
    took_s: float
    added_bytes: int
    free_bytes: int


def disk(path: Path) -> Disk:
    found = os.statvfs(path)
    return Disk(
        bytes=found.f_blocks * found.f_frsize,
        free_bytes=found.f_bavail * found.f_frsize,
        inodes=found.f_files,
        free_inodes=found.f_favail,
    )


def floor_bytes(disk: Disk) -> int:
    """So much stays free: a gibibyte, or a twentieth of a disk under 20 GiB."""
    return min(FLOOR_MOST_BYTES, disk.bytes // FLOOR_SHARE)


def is_low(disk: Disk) -> bool:
    return disk.free_bytes < floor_bytes(disk) or disk.free_inodes * INODE_FLOOR_SHARE < disk.inodes


def is_due(
    last: Count, now_s: float, free_bytes: int, limit_bytes: int, *, measuring: bool, count_s: float = COUNT_S
) -> bool:
    """Whether to count again. A measurement is disturbed only where the attempt may be over its limit."""
    left = max(0, limit_bytes - last.added_bytes)
    dropped = last.free_bytes - free_bytes
    since_s = now_s - last.at_s
    if dropped > (left if measuring else left // 2):
        return since_s > max(LOOK_S, HURRY_FACTOR * last.took_s)
    return not measuring and since_s > max(count_s, IDLE_FACTOR * last.took_s)


def written(folder: Path, layers: Path | None) -> Path:
    """What holds the bytes that were written to a folder: of a tree in layers, what lies above its base."""
    own = layers / folder.name if layers is not None else folder
    return own if own.is_dir() else folder


class Watch:
    """The watch over one attempt. The agent's sessions may add `limit_bytes`, and what judges them as much again."""

    def __init__(
        self, folders: Sequence[Path], limit_bytes: int, count_s: float = COUNT_S, *, layers: Path | None = None
    ) -> None:
        """`folders` lie beside each other; `count_s` is the least time between two counts; `counts` is their number. Of
        a folder that is named in `layers`, too, only what lies there was written: the rest is its base's."""
        self.counts = 0
        self._count_s = count_s
        self._folders = tuple(folders)
        self._layers = layers
        self.limit_bytes = limit_bytes
        self._side = ""
        self._trees: dict[str, int] = {}
        self._mark = 0
        self._last: Count | None = None
        self._counting: _Counting | None = None
        self._look_at_s = 0.0

    @property
    def _where(self) -> Path:
        return self._folders[0].parent

    def admit(self, side: Literal["agent", "judge"], tree: Path) -> None:
        """Before a command begins: what was there already is not its doing, nor is a tree that it is handed."""
        made = tree.stat().st_ino
        if side != self._side:
            self._begin(side)
        elif self._trees.get(str(tree)) != made and self._holds(tree):
            self._drop()
            self._mark += _Counting((written(tree, self._layers),)).result() or 0
        self._trees[str(tree)] = made

    def why_stop(self, *, measuring: bool) -> Overrun | None:
        """Asked several times a second; never waits."""
        now_s = clock.monotonic_s()
        if now_s < self._look_at_s:
            return None
        self._look_at_s = now_s + LOOK_S
        found = disk(self._where)
        if is_low(found):
            return "disk-floor"
        if self._counting is not None:
            self._take_in(self._counting)
        elif self._last is not None and is_due(
            self._last, now_s, found.free_bytes, self.limit_bytes, measuring=measuring, count_s=self._count_s
        ):
            self._counting = _Counting(self._present())
        over = self._last is not None and self._last.added_bytes > self.limit_bytes
        return "disk" if over else None

    def close(self) -> None:
        self._drop()

    def _begin(self, side: str) -> None:
        self._drop()
        self._side = side
        counting = _Counting(self._present())
        self._mark = counting.result() or 0
        self._last = Count(
            at_s=clock.monotonic_s(), took_s=counting.took_s, added_bytes=0, free_bytes=counting.free_bytes
        )

    def _take_in(self, counting: _Counting) -> None:
        if not counting.is_done():
            return
        held = counting.result()
        self.counts += 1
        self._counting = None
        before = self._last.added_bytes if self._last is not None else 0
        self._last = Count(
            at_s=clock.monotonic_s(),
            took_s=counting.took_s,
            # What could not be counted this time, since it changed too fast, stands as it was.
            added_bytes=before if held is None else held - self._mark,
            free_bytes=counting.free_bytes,
        )

    def _drop(self) -> None:
        if self._counting is not None:
            self._counting.end()
            self._counting = None

    def _present(self) -> tuple[Path, ...]:
        return tuple(written(folder, self._layers) for folder in self._folders if folder.is_dir())

    def _holds(self, tree: Path) -> bool:
        return any(tree == folder or tree.is_relative_to(folder) for folder in self._folders)


class _Counting:
    """One `du`: it goes to any depth, counts a hard link once, and takes the supervisor no time."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._began_s = clock.monotonic_s()
        self.took_s = 0.0
        self.free_bytes = disk(folders[0]).free_bytes if folders else 0
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by `end`
        argv = ("du", "--summarize", "--total", "--block-size=1", "--one-file-system", "--", *map(str, folders))
        self._child: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            if folders:
                self._child = subprocess.Popen(
                    ("nice", "-n", "10", *argv),
                    stdin=subprocess.DEVNULL,
                    stdout=self._said,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                )

    def is_done(self) -> bool:
        return self._child is None or self._reaped(os.WNOHANG)

    def result(self) -> int | None:
        """Waits; the bytes of all folders, or None where they could not be counted in time."""
        try:
            while not self.is_done():
                if clock.monotonic_s() > self._began_s + COUNT_LIMIT_S:
                    return None
                clock.pause(POLL_S)
            self._said.seek(0)
            lines = self._said.read().splitlines()
            # du complains of files that went while it looked, and counts the others.
            return int(lines[-1].split()[0]) if lines and lines[-1].endswith(b"total") else None
        except ValueError:
            return None
        finally:
            self.end()

    def end(self) -> None:
        if self._child is not None:
            # Not yet reaped, hence still ours.
            os.kill(self._child.pid, signal.SIGKILL)
            self._reaped(0)
        self._said.close()

    def _reaped(self, options: int) -> bool:
        """What it took is what it computed, or how long it was seen at work: a look may come late."""
        if self._child is None:
            return True
        pid, status, usage = os.wait4(self._child.pid, options)
        now_s = clock.monotonic_s()
        if pid == 0:
            self.took_s = now_s - self._began_s
            return False
        self.took_s = max(self.took_s, usage.ru_utime + usage.ru_stime)
        self._child.returncode = status
        self._child = None
        return True
