"""What of a runner's home goes when it grows too large or its disk runs low. Deciding is pure; `tidy` does it.

Only what can be had again goes: what is left of acknowledged attempts, built bases, mirrors. An attempt whose results
nobody has acknowledged never goes, whatever the disk looks like, and neither does what keeps a late launch from
starting anything: the fence of an episode, and the mark of the attempt that has it.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from runner_agent import btrfs, clock, fences, locks, quota
from runner_agent.files import read_json, remove_tree
from runner_agent.home import AttemptFolder, BaseFolder, Home, is_name
from runner_agent.protocol import AttemptStatus, from_json

MARK_S = 30 * 86400.0
"""So long a runner remembers how an acknowledged attempt ended that was not the last of its episode."""
LOW_FACTOR = 4
"""Room is made well before the floor at which attempts are ended."""
SIZES_LIMIT_S = 30.0
UPLOAD_S = 86400.0
"""A bundle whose last piece came so long ago is not gone on with."""

Kind = Literal["remains", "mark", "base", "mirror"]
ORDER: tuple[Kind, ...] = ("remains", "mark", "base", "mirror")
"""Which goes first. A base takes minutes to be made again; a mirror takes a network."""
GOING = ".going-"
ASIDE = ".aside-"
USED = "used"


@dataclass(frozen=True, kw_only=True)
class Old:
    """Something that can be had again. `used_s`: when it was last used, in seconds of the epoch; `busy`: in use now."""

    kind: Kind
    path: Path
    bytes: int
    used_s: float
    busy: bool = False


def choose(
    found: Iterable[Old], *, now_s: float, free_bytes: int, low_bytes: int, allowance_bytes: int | None
) -> list[Old]:
    """What goes, in order: what an interrupted acknowledgement left, and marks that are old enough; then, while room is
    short, bases before mirrors and what was not used for longest first. Nothing that is in use, though that counts
    towards the allowance. None: only the disk bounds it."""
    found = list(found)
    idle = sorted((each for each in found if not each.busy), key=lambda each: (ORDER.index(each.kind), each.used_s))
    going = [each for each in idle if each.kind == "remains" or (each.kind == "mark" and now_s - each.used_s > MARK_S)]
    over = sum(each.bytes for each in found) - allowance_bytes if allowance_bytes is not None else 0
    excess = max(low_bytes - free_bytes, over) - sum(each.bytes for each in going)
    for each in idle:
        if each.kind in ("remains", "mark") or excess <= 0 or each.bytes == 0:
            continue
        going.append(each)
        excess -= each.bytes
    return going


def tidy(home: Home) -> list[Old]:
    """Makes room where the disk is low, and removes what is left of attempts that are over; gives what went. Nothing
    may be launched meanwhile. Does nothing while an attempt lives, which is not to be disturbed, unless the disk is
    low."""
    if not home.root.is_dir():
        return []
    for path in home.root.glob(f"*/{GOING}*"):
        # A supervisor may be at it.
        with contextlib.suppress(OSError):
            remove_tree(path)
    low = is_low(home)
    if not low and any(locks.is_held(home.attempt(name).alive) for name in _names(home.attempts)):
        return []
    _forget_uploads(home)
    found = [*_acknowledged(home), *(_rebuildable(home) if low else ())]
    return _remove_chosen(home, found, allowance_bytes=None)


def evict(home: Home, allowance_bytes: int) -> list[Old]:
    """Keeps bases and mirrors under `allowance_bytes` in sum, as far as they are not in use; gives what went. At any
    time: an attempt that begins meanwhile keeps what it uses, or finds it gone and makes it anew."""
    return _remove_chosen(home, _rebuildable(home), allowance_bytes)


def _remove_chosen(home: Home, found: list[Old], allowance_bytes: int | None) -> list[Old]:
    disk = quota.disk(home.root)
    going = choose(
        found,
        now_s=clock.epoch_s(),
        free_bytes=disk.free_bytes,
        low_bytes=LOW_FACTOR * quota.floor_bytes(disk),
        allowance_bytes=allowance_bytes,
    )
    return [old for old in going if _remove(home, old)]


def is_low(home: Home) -> bool:
    """Whether room has to be made before anything is launched."""
    disk = quota.disk(home.root)
    return disk.free_bytes < LOW_FACTOR * quota.floor_bytes(disk)


def set_aside(home: Home, base: BaseFolder) -> None:
    """Frees the name of a base that is to be made anew, under its lock. Trees of other attempts may lie on it in
    layers: then it stays beside, and goes like any other that nobody uses."""
    if not _is_lain_on(home, base):
        remove_tree(base.root)
        return
    number = 1
    while (aside := base.root.with_name(f"{base.root.name}{ASIDE}{number}")).exists():
        number += 1
    base.root.rename(aside)


def touch_used(folder: Path) -> None:
    """Notes that a base or a mirror is used now."""
    with contextlib.suppress(OSError):
        (folder / USED).touch()


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
    bases = [home.base(name) for name in _names(home.root / "bases")]
    mirrors = [home.root / "mirrors" / name for name in _names(home.root / "mirrors")]
    told = {base.root: size for base in bases if (size := _told_size(base)) is not None}
    counted = sizes([path for path in (*(base.root for base in bases), *mirrors) if path not in told])
    found: list[Old] = [Old(kind="base", path=base.root, bytes=0, used_s=_used(base.root)) for base in bases]
    found += [Old(kind="mirror", path=path, bytes=0, used_s=_used(path)) for path in mirrors]
    used = _in_use(home)
    return [
        replace(
            each, bytes={**counted, **told}.get(each.path, 0), busy=used(each.path) or locks.is_held(_lock_of(each))
        )
        for each in found
    ]


def _in_use(home: Home) -> Callable[[Path], bool]:
    """Whether a base or a mirror is needed by an attempt. One that lives may copy its base at any time, and one that
    has ended may lie on it in layers; a shadow repository takes its objects from the mirror until it is acknowledged.
    An attempt that does not tell what it uses may use anything."""
    used: set[Path] = set()
    unknown = {"bases": False, "mirrors": False}
    for name in _names(home.attempts):
        folder = home.attempt(name)
        if folder.acknowledged.exists() or folder.tombstone.exists():
            continue
        wants_base = locks.is_held(folder.alive) or folder.layers.is_dir()
        uses = _told_uses(home, folder)
        if uses is None:
            unknown["mirrors"] = True
            unknown["bases"] |= wants_base
        else:
            used |= {*uses} if wants_base else {uses[0]}
    return lambda path: path in used or _made_as(path) in used or unknown[path.parent.name]


def _is_lain_on(home: Home, base: BaseFolder) -> bool:
    """Whether trees of an attempt have it as their lower layer, or it cannot be known."""
    for name in _names(home.attempts):
        folder = home.attempt(name)
        if folder.layers.is_dir():
            uses = _told_uses(home, folder)
            if uses is None or uses[1] == base.root:
                return True
    return False


def _told_uses(home: Home, folder: AttemptFolder) -> tuple[Path, Path] | None:
    """The mirror and the base that an attempt uses; None where it does not tell."""
    try:
        spec: Any = read_json(folder.launch)
        return home.mirror(spec["repo_url"]), home.base(spec["base_key"]).root
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _made_as(path: Path) -> Path:
    """What a base that was set aside was called before."""
    return path.with_name(path.name.partition(ASIDE)[0])


def _told_size(base: BaseFolder) -> int | None:
    """What its maker counted; a base does not change."""
    try:
        told: Any = read_json(base.ready)
        size = told["bytes"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return size if isinstance(size, int) else None


def _forget_uploads(home: Home) -> None:
    """Bundles that came in part."""
    for path in home.incoming.glob("*"):
        with contextlib.suppress(OSError):
            if clock.epoch_s() - path.stat().st_mtime > UPLOAD_S:
                path.unlink()


def _remove(home: Home, old: Old) -> bool:
    """Under the lock of its users, and under another name first: half a base must not be taken for one. An attempt that
    holds the lock before us is seen here; one that comes after finds nothing."""
    lock = None
    try:
        if old.kind in ("base", "mirror"):
            lock = locks.take(_lock_of(old))
            if _in_use(home)(old.path):
                return False
        going = old.path.with_name(f"{GOING}{old.path.name}")
        remove_tree(going)
        old.path.rename(going)
        if old.kind == "base" and btrfs.is_subvolume(going / "tree"):
            with contextlib.suppress(OSError):
                btrfs.destroy(going / "tree")
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


def sizes(paths: list[Path]) -> dict[Path, int]:
    """The bytes that each holds on disk. Nothing where they cannot be counted in time: what cannot be weighed is not
    what goes."""
    if not paths:
        return {}
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
