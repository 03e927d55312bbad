"""Measurements that were made on this machine, kept so that what is the same in all that counts is not measured again.

What counts is what `key` is made of; see runner_agent/stages/reuse.py. Bounded in number, bytes and age; what was used
last goes last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner_agent import files, locks
from runner_agent.home import Home

SCHEMA = "matins-measured-1"
KEPT_MOST = 64
BYTES_MOST = 1 << 30
ONE_BYTES_MOST = BYTES_MOST // 8
KEPT_S = 30 * 86400.0
"""A machine that is older by so much is not taken for the one that it was."""
ABOUT = "about.json"
SMOKE = "smoke"
WAITING = ".waiting"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One measurement that is kept; times in seconds of the epoch."""

    key: str
    bytes: int
    made_s: float
    used_s: float


@dataclass(frozen=True, kw_only=True)
class About:
    """Where a measurement comes from, and what the journal said of it."""

    episode_id: str
    attempt_id: str
    at: str
    detail: str
    events: tuple[dict[str, Any], ...]


def key(parts: Any) -> str:
    """The name of a measurement, from JSON data of all that decides how it comes out."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def choose(kept: Iterable[Kept], now_s: float) -> list[Kept]:
    """What goes: what is too old, then what was not used for longest until the rest fits."""
    by_use = sorted(kept, key=lambda each: (each.used_s, each.key))
    going = [each for each in by_use if is_old(each.made_s, now_s)]
    left = [each for each in by_use if each not in going]
    while len(left) > KEPT_MOST or sum(each.bytes for each in left) > BYTES_MOST:
        going.append(left.pop(0))
    return going


def is_old(made_s: float, now_s: float) -> bool:
    """Also one that is of the future: a clock was set since, and nobody can say how old it is."""
    return not 0 <= now_s - made_s <= KEPT_S


def keep(home: Home, name: str, smoke: Path, about: About, now_s: float) -> bool:
    """Keeps the files of a smoke test. False where it is too large. Raises OSError."""
    size = _size(smoke)
    if size > ONE_BYTES_MOST:
        return False
    told = {"schema": SCHEMA, **vars(about), "made_s": now_s, "bytes": size}
    with locks.held(home.measured_lock):
        waiting = home.measured / WAITING
        files.remove_tree(waiting)
        waiting.mkdir(parents=True)
        shutil.copytree(smoke, waiting / SMOKE, symlinks=True)
        files.write_json(waiting / ABOUT, told)
        files.remove_tree(home.measured / name)
        waiting.rename(home.measured / name)
        for old in choose(_all(home), now_s):
            files.remove_tree(home.measured / old.key)
    return True


def take(home: Home, name: str, smoke: Path, now_s: float) -> About | None:
    """Copies a kept measurement into `smoke`, an empty folder; None where there is none that can be used. Raises
    OSError."""
    with locks.held(home.measured_lock):
        folder = home.measured / name
        told: dict[str, Any] | None = files.read_json(folder / ABOUT)
        if told is None or told.get("schema") != SCHEMA or is_old(told["made_s"], now_s):
            return None
        known = {key: str(told[key]) for key in ("episode_id", "attempt_id", "at", "detail")}
        about = About(**known, events=tuple(told["events"]))
        shutil.copytree(folder / SMOKE, smoke, symlinks=True, dirs_exist_ok=True)
        (folder / ABOUT).touch()
    return about


def _all(home: Home) -> list[Kept]:
    found: list[Kept] = []
    for folder in home.measured.iterdir():
        about = folder / ABOUT
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = files.read_json(about)
            found.append(
                Kept(key=folder.name, bytes=told["bytes"], made_s=told["made_s"], used_s=about.stat().st_mtime)
            )
    return found


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))
