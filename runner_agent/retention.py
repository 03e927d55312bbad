"""What of a runner's home goes when it grows too large or its disk runs low. Deciding is pure; `tidy` does it.

Only what can be had again goes: what is left of acknowledged attempts, built bases, mirrors. An attempt whose results
nobody has acknowledged never goes, whatever the disk looks like, and neither does what keeps a late launch from
starting anything: the fence of an episode, and the mark of the attempt that has it.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from runner_agent import clock, fences, locks, quota
from runner_agent.files import read_json, remove_tree
from runner_agent.home import BaseFolder, Home, is_name
from runner_agent.protocol import AttemptStatus, from_json

ALLOWANCE_BYTES = 100 << 30
"""Of what can be had again; attempts that are not acknowledged are not counted."""
MARK_S = 30 * 86400.0
"""So long a runner remembers how an acknowledged attempt ended that was not the last of its episode."""
LOW_FACTOR = 4
"""Room is made well before the floor at which attempts are ended."""
SIZES_LIMIT_S = 30.0

Kind = Literal["remains", "mark", "base", "mirror"]
ORDER: tuple[Kind, ...] = ("remains", "mark", "base", "mirror")
"""Which goes first. A base takes minutes to be made again; a mirror takes a network."""
GOING = ".going-"
USED = "used"


@dataclass(frozen=True, kw_only=True)
class Old:
    """Something that can be had again. `used_s`: when it was last used, in seconds of the epoch; `busy`: in use now."""

    kind: Kind
    path: Path
    bytes: int
    used_s: float
    busy: bool = False


def choose(found: Iterable[Old], *, now_s: float, free_bytes: int, low_bytes: int, allowance_bytes: int) -> list[Old]:
    """What goes, in order: what an interrupted acknowledgement left, and marks that are old enough; then, while room is
    short, bases before mirrors and what was not used for longest first. Nothing that is in use."""
    idle = sorted((each for each in found if not each.busy), key=lambda each: (ORDER.index(each.kind), each.used_s))
    going = [each for each in idle if each.kind == "remains" or (each.kind == "mark" and now_s - each.used_s > MARK_S)]
    excess = max(low_bytes - free_bytes, sum(each.bytes for each in idle) - allowance_bytes)
    excess -= sum(each.bytes for each in going)
    for each in idle:
        if each.kind in ("remains", "mark") or excess <= 0 or each.bytes == 0:
            continue
        going.append(each)
        excess -= each.bytes
    return going


def tidy(home: Home, allowance_bytes: int = ALLOWANCE_BYTES) -> list[Old]:
    """Makes room; gives what went. Nothing may be launched meanwhile. Does nothing while an attempt lives, which is not
    to be disturbed, unless the disk is low."""
    if not home.root.is_dir():
        return []
    for path in home.root.glob(f"*/{GOING}*"):
        remove_tree(path)
    disk = quota.disk(home.root)
    low_bytes = LOW_FACTOR * quota.floor_bytes(disk)
    if disk.free_bytes >= low_bytes and _any_lives(home):
        return []
    found = [*_acknowledged(home), *_rebuildable(home)]
    going = choose(
        found,
        now_s=clock.epoch_s(),
        free_bytes=disk.free_bytes,
        low_bytes=low_bytes,
        allowance_bytes=allowance_bytes,
    )
    return [old for old in going if _remove(old)]


def is_low(home: Home) -> bool:
    """Whether room has to be made before anything is launched."""
    disk = quota.disk(home.root)
    return disk.free_bytes < LOW_FACTOR * quota.floor_bytes(disk)


def touch_used(folder: Path) -> None:
    """Notes that a base or a mirror is used now."""
    with contextlib.suppress(OSError):
        (folder / USED).touch()


def _any_lives(home: Home) -> bool:
    return any(locks.is_held(home.attempt(name).alive) for name in _names(home.attempts))


def _acknowledged(home: Home) -> list[Old]:
    found: list[Old] = []
    for name in _names(home.attempts):
        folder = home.attempt(name)
        if not folder.acknowledged.exists():
            continue
        at_s = folder.acknowledged.stat().st_mtime
        for path in folder.root.iterdir():
            if path != folder.acknowledged:
                found.append(Old(kind="remains", path=path, bytes=0, used_s=at_s))
        how = from_json(AttemptStatus, read_json(folder.acknowledged))
        newest = how.fence >= fences.highest(home, how.episode_id)
        found.append(Old(kind="mark", path=folder.root, bytes=0, used_s=at_s, busy=newest))
    return found


def _rebuildable(home: Home) -> list[Old]:
    """Bases and mirrors. A base may be copied by any attempt that lives; a shadow repository takes its objects from the
    mirror, so mirrors stay while any attempt is not acknowledged."""
    lives = _any_lives(home)
    needed = any(not home.attempt(name).acknowledged.exists() for name in _names(home.attempts))
    bases = [home.base(name).root for name in _names(home.root / "bases")]
    mirrors = [home.root / "mirrors" / name for name in _names(home.root / "mirrors")]
    found = [Old(kind="base", path=path, bytes=0, used_s=_used(path), busy=lives) for path in bases]
    found += [Old(kind="mirror", path=path, bytes=0, used_s=_used(path), busy=needed) for path in mirrors]
    sizes = _sizes([each.path for each in found]) if found else {}
    return [
        replace(each, bytes=sizes.get(each.path, 0), busy=each.busy or locks.is_held(_lock_of(each))) for each in found
    ]


def _remove(old: Old) -> bool:
    """Under the lock of its users, and under another name first: half a base must not be taken for one."""
    lock = None
    try:
        if old.kind in ("base", "mirror"):
            lock = locks.take(_lock_of(old))
        going = old.path.with_name(f"{GOING}{old.path.name}")
        remove_tree(going)
        old.path.rename(going)
        remove_tree(going)
    except OSError:
        return False
    finally:
        if lock is not None:
            locks.release(lock)
    return True


def _lock_of(old: Old) -> Path:
    return BaseFolder(old.path).lock if old.kind == "base" else old.path.with_suffix(".lock")


def _used(root: Path) -> float:
    """One that was made before uses were noted counts from its making."""
    for path in (root / USED, root):
        with contextlib.suppress(FileNotFoundError):
            return path.stat().st_mtime
    return 0.0


def _sizes(paths: list[Path]) -> dict[Path, int]:
    """Nothing where they cannot be counted in time: what cannot be weighed is not what goes."""
    argv = ("du", "--summarize", "--block-size=1", "--one-file-system", "--", *map(str, paths))
    try:
        told = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=SIZES_LIMIT_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    parts = [line.partition("\t") for line in told.decode(errors="surrogateescape").splitlines()]
    return {Path(path): int(size) for size, _, path in parts if size.isdigit()}


def _names(folder: Path) -> list[str]:
    """Files beside the folders are locks."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if is_name(path.name) and path.is_dir())
