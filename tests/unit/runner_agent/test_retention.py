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
    # What is in use counts, and stays.
    assert going(*found, old("base", "mine", busy=True), allowance_gib=3) == ["b-old", "b-new"]


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


def evicted(home: Home, allowance_bytes: int = 0) -> list[str]:
    return [old.path.name for old in retention.evict(home, allowance_bytes)]


def begin(home: Home, name: str, *, base: str, repository: str = "r") -> None:
    """Leaves what a launch writes of an attempt."""
    folder = home.attempt(name)
    folder.root.mkdir()
    files.write_json(folder.launch, {"base_key": base, "repo_url": repository})
    folder.alive.touch()


def test_results_that_nobody_acknowledged_stay_and_keep_their_mirror(home: Home) -> None:
    assert evicted(home) == ["other", "key"]
    assert there(home) == {"attempts/lost", "mirrors/0123.git"}
    assert (home.attempt("lost").out / "data").exists()


def test_once_all_is_acknowledged_mirrors_may_go_and_remains_do(home: Home) -> None:
    acknowledge(home, "lost", 1)
    assert evicted(home) == ["other", "key", "0123.git"]
    retention.tidy(home)
    assert there(home) == {"attempts/lost"}
    assert [path.name for path in home.attempt("lost").root.iterdir()] == ["acknowledged.json"]


def test_bases_and_mirrors_that_a_living_attempt_uses_stay_and_others_go(home: Home) -> None:
    acknowledge(home, "lost", 1)
    mine = home.mirror("r")
    (mine / "objects").mkdir(parents=True)
    (mine / "objects" / "data").write_bytes(b"x" * 100_000)
    begin(home, "mine", base="key")
    with locks.held(home.attempt("mine").alive):
        assert evicted(home) == ["other", "0123.git"]
        assert there(home) == {"attempts/lost", "attempts/mine", "bases/key", f"mirrors/{mine.name}"}
    # Over, and not acknowledged: its history still takes objects from the mirror.
    assert evicted(home) == ["key"]
    acknowledge(home, "mine", 1)
    assert evicted(home) == [mine.name]


def test_a_base_stays_while_a_tree_that_can_be_graded_lies_on_it(home: Home) -> None:
    acknowledge(home, "lost", 1)
    begin(home, "ended", base="key")
    (home.attempt("ended").layers / "judged").mkdir(parents=True)
    assert evicted(home) == ["other", "0123.git"]
    acknowledge(home, "ended", 1)
    assert evicted(home) == ["key"]


def test_a_base_that_is_made_anew_gives_up_its_name_and_stays_under_who_lies_on_it(home: Home) -> None:
    acknowledge(home, "lost", 1)
    begin(home, "ended", base="key")
    (home.attempt("ended").layers / "judged").mkdir(parents=True)
    for base in ("key", "other"):
        retention.set_aside(home, home.base(base))
    assert there(home) == {"attempts/lost", "attempts/ended", "bases/key.aside-1", "mirrors/0123.git"}
    assert evicted(home) == ["0123.git"]
    home.base("key").tree.mkdir(parents=True)
    retention.set_aside(home, home.base("key"))
    assert {"bases/key.aside-1", "bases/key.aside-2"} <= there(home)
    acknowledge(home, "ended", 1)
    assert "key.aside-1" in evicted(home)


def test_what_the_maker_of_a_base_counted_is_believed(home: Home) -> None:
    files.write_json(home.base("key").ready, {"build": "ok", "bytes": 50 * GIB})
    assert evicted(home, 51 * GIB) == []
    # The other one is older and small, and does not make room enough.
    assert evicted(home, GIB) == ["other", "key"]


def test_with_room_on_the_disk_a_greeting_removes_no_base(home: Home) -> None:
    assert retention.tidy(home) == []
    assert {"bases/key", "bases/other", "mirrors/0123.git"} <= there(home)


def test_a_bundle_that_came_in_part_is_forgotten_after_a_day(home: Home) -> None:
    home.incoming.mkdir()
    for name, age_s in (("old", 2 * DAY_S), ("new", 0.0)):
        path = home.incoming / f"{name}.bundle"
        path.touch()
        os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    retention.tidy(home)
    assert [path.name for path in home.incoming.iterdir()] == ["new.bundle"]


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


def test_while_an_attempt_lives_that_does_not_tell_what_it_uses_nothing_goes(home: Home) -> None:
    with locks.held(home.attempt("lost").alive):
        assert evicted(home) == []
    with locks.held(home.base("key").lock):
        assert evicted(home) == ["other"]


def test_what_was_used_last_goes_last(home: Home) -> None:
    retention.touch_used(home.base("other").root)
    os.utime(home.base("key").root, (2, 2))
    assert evicted(home, 250_000) == ["key"]
