"""What goes from a runner's home when room is short, and what never does."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from runner_agent import fences, files, locks, protocol, retention
from runner_agent.home import Home
from runner_agent.protocol import AttemptStatus
from runner_agent.retention import MARK_S, Kind, Old, choose

DAY_S = 86400.0
NOW_S = 100 * DAY_S
GIB = 1 << 30


def old(kind: Kind, name: str, *, gib: int = 1, age_s: float = DAY_S, busy: bool = False) -> Old:
    return Old(kind=kind, path=Path(name), bytes=gib * GIB, used_s=NOW_S - age_s, busy=busy)


def going(*found: Old, free_gib: int = 100, low_gib: int = 4, allowance_gib: int = 100) -> list[str]:
    shuffled = random.Random(7).sample(found, len(found))
    chosen = choose(
        shuffled,
        now_s=NOW_S,
        free_bytes=free_gib * GIB,
        low_bytes=low_gib * GIB,
        allowance_bytes=allowance_gib * GIB,
    )
    return [str(each.path) for each in chosen]


def test_with_room_enough_only_remains_and_old_marks_go() -> None:
    month = old("mark", "month", gib=0, age_s=MARK_S + 1)
    kept = (old("mark", "week", gib=0, age_s=7 * DAY_S), old("base", "base"), old("mirror", "mirror"))
    assert going(month, old("remains", "left"), *kept) == ["left", "month"]


def test_bases_go_before_mirrors_and_the_longest_unused_first() -> None:
    found = (
        old("mirror", "m-old", age_s=90 * DAY_S),
        old("base", "b-new", age_s=DAY_S),
        old("base", "b-old", age_s=9 * DAY_S),
        old("mirror", "m-new"),
    )
    assert going(*found, free_gib=3) == ["b-old"]
    assert going(*found, free_gib=1) == ["b-old", "b-new", "m-old"]
    assert going(*found, free_gib=0) == ["b-old", "b-new", "m-old", "m-new"]
    assert going(*found, allowance_gib=3) == ["b-old"]


def test_nothing_that_is_in_use_goes_however_full_the_disk() -> None:
    assert going(old("base", "b", busy=True), old("mirror", "m", busy=True), free_gib=0, allowance_gib=0) == []


def test_what_the_remains_give_back_need_not_be_taken_from_bases() -> None:
    assert going(old("remains", "left", gib=3), old("base", "b"), free_gib=1) == ["left"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    for name in ("bases/key/tree", "bases/other/tree", "mirrors/0123.git/objects", "attempts/lost/out"):
        (home.root / name).mkdir(parents=True)
        (home.root / name / "data").write_bytes(b"x" * 100_000)
    os.utime(home.root / "bases" / "other", (1, 1))
    files.write_json(home.attempt("lost").exit, {})
    return home


def acknowledge(home: Home, name: str, fence: int, *, age_s: float = 0.0) -> None:
    folder = home.attempt(name)
    folder.root.mkdir(parents=True, exist_ok=True)
    how = AttemptStatus(attempt_id=name, episode_id="episode", fence=fence, phase="exited")
    files.write_json(folder.acknowledged, protocol.to_json(how))
    at = folder.acknowledged.stat().st_mtime - age_s
    os.utime(folder.acknowledged, (at, at))


def there(home: Home) -> set[str]:
    folders = ("attempts", "bases", "mirrors")
    return {f"{folder}/{path.name}" for folder in folders for path in (home.root / folder).iterdir() if path.is_dir()}


def test_results_that_nobody_acknowledged_stay_and_keep_their_mirror(home: Home) -> None:
    gone = retention.tidy(home, allowance_bytes=0)
    assert [old.path.name for old in gone] == ["other", "key"]
    assert there(home) == {"attempts/lost", "mirrors/0123.git"}
    assert (home.attempt("lost").out / "data").exists()


def test_once_all_is_acknowledged_mirrors_may_go_and_remains_do(home: Home) -> None:
    acknowledge(home, "lost", 1)
    retention.tidy(home, allowance_bytes=0)
    assert there(home) == {"attempts/lost"}
    assert [path.name for path in home.attempt("lost").root.iterdir()] == ["acknowledged.json"]


def test_the_mark_of_an_episodes_last_attempt_stays_for_ever(home: Home) -> None:
    fences.lift(home, "episode", 2)
    for name, fence in (("first", 1), ("second", 2)):
        acknowledge(home, name, fence, age_s=MARK_S + 60)
    acknowledge(home, "fresh", 1)
    retention.tidy(home)
    assert there(home) == {
        "attempts/lost",
        "attempts/second",
        "attempts/fresh",
        "bases/key",
        "bases/other",
        "mirrors/0123.git",
    }
    assert fences.highest(home, "episode") == 2


def test_while_an_attempt_lives_nothing_is_touched(home: Home) -> None:
    alive = locks.take(home.attempt("lost").alive)
    try:
        assert retention.tidy(home, allowance_bytes=0) == []
    finally:
        locks.release(alive)
    with locks.held(home.base("key").lock):
        assert [old.path.name for old in retention.tidy(home, allowance_bytes=0)] == ["other"]


def test_what_was_used_last_goes_last(home: Home) -> None:
    retention.touch_used(home.base("other").root)
    os.utime(home.base("key").root, (2, 2))
    assert [old.path.name for old in retention.tidy(home, allowance_bytes=150_000)] == ["key"]
