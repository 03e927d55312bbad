"""A kept measurement is found again by all that decides how it comes out, and by nothing less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner_agent import measured
from runner_agent.home import Home
from runner_agent.measured import About, Kept
from runner_agent.protocol import Check, Command, LaunchSpec, Limits, Measure, Smoke
from runner_agent.stages import reuse

NOW_S = 1_800_000_000.0
DAY_S = 86400.0
ABOUT = About(
    episode_id="e-1",
    attempt_id="a-1",
    at="2026-03-01T12:00:00.000Z",
    detail="2 rounds",
    events=({"event": "smoke-round", "round": 1, "side": "candidate"},),
)
LIMITS = Limits(
    wall_s=1, session_s=1, checkout_s=1, smoke_s=1, grade_s=1, grade_wait_s=1, log_bytes=1, disk_bytes=1, processes=1
)
SPEC = LaunchSpec(
    attempt_id="a-1",
    episode_id="e-1",
    fence=1,
    kind="episode",
    repo_url="repo",
    commit="c" * 40,
    base_key="base",
    agent=None,
    sessions=(),
    items=(),
    checks=(Check(id="i/0", item="i", kind="throughput", min_change=0.2),),
    hidden_checks=0,
    build=(),
    lint=(),
    test=(),
    smoke=Smoke(command=Command(argv=("ci/smoke.sh",), limit_s=60), env={"A": "1"}),
    limits=LIMITS,
    gpu="uuid-1",
    reuse=True,
)
HELLO = {"agent_version": "1", "os": "Debian", "cpus": 4, "gpus": [{"device_uuid": "uuid-1", "driver": "570.1"}]}
BASE = {"target/release/app": "aa"}
CANDIDATE = {"target/release/app": "bb", "target/release/libengine.rlib": "cc"}
CONTENTS = ("100644 blob 11\tsrc/main.rs", "100755 blob 22\tci/smoke.sh", "100644 blob 33\tREADME.md")


def name(spec: LaunchSpec = SPEC, **changes: Any) -> str:
    given = {"said": HELLO, "base": BASE, "candidate": CANDIDATE, "contents": CONTENTS, **changes}
    return measured.key(reuse.parts(spec, **given))


@pytest.mark.parametrize(
    "changes",
    [
        {"candidate": {**CANDIDATE, "target/release/app": "zz"}},
        {"base": {"target/release/app": "zz"}},
        {"contents": (*CONTENTS[:1], "100755 blob 99\tci/smoke.sh", *CONTENTS[2:])},
        {"contents": (*CONTENTS, "100644 blob 44\tshaders/norm.comp")},
        {"said": {**HELLO, "gpus": [{"device_uuid": "uuid-1", "driver": "580.2"}]}},
        {"said": {**HELLO, "gpus": [{"device_uuid": "uuid-2", "driver": "570.1"}]}},
        {"said": {**HELLO, "agent_version": "2"}},
        {"spec": replace(SPEC, smoke=replace(SPEC.smoke, env={"A": "2"}))},
        {"spec": replace(SPEC, smoke=replace(SPEC.smoke, command=Command(argv=("ci/smoke.sh", "-q"), limit_s=60)))},
        {"spec": replace(SPEC, smoke=replace(SPEC.smoke, measure=Measure(rounds=9)))},
        {"spec": replace(SPEC, checks=(replace(SPEC.checks[0], min_change=0.3),))},
        {"spec": replace(SPEC, gpu="uuid-2")},
        {"spec": replace(SPEC, commit="d" * 40)},
    ],
)
def test_whatever_decides_how_a_measurement_comes_out_makes_it_another(changes: dict[str, Any]) -> None:
    assert name(**changes) != name()


@pytest.mark.parametrize(
    "changes",
    [
        {"contents": ("100644 blob 99\tsrc/main.rs", *CONTENTS[1:])},
        {"contents": (*CONTENTS[:2], "100644 blob 99\tREADME.md")},
        {"candidate": {**CANDIDATE, "target/release/libengine.rlib": "zz"}},
        {"spec": replace(SPEC, attempt_id="a-2", episode_id="e-2", fence=2)},
        {"spec": replace(SPEC, smoke=replace(SPEC.smoke, must_print=("[GPU]",)))},
    ],
)
def test_what_is_in_the_programs_anyway_or_read_afterwards_makes_no_other(changes: dict[str, Any]) -> None:
    assert name(**changes) == name()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    smoke = tmp_path / "smoke"
    smoke.mkdir()
    (smoke / "candidate-1.log").write_text("50 tok/s\n")
    home = Home(tmp_path / "home")
    assert measured.keep(home, "key", smoke, ABOUT, NOW_S)
    return home


def test_what_was_kept_comes_back_with_its_files_and_where_it_is_from(home: Home, tmp_path: Path) -> None:
    into = tmp_path / "again"
    into.mkdir()
    assert measured.take(home, "key", into, NOW_S + 60) == ABOUT
    assert (into / "candidate-1.log").read_text() == "50 tok/s\n"
    assert measured.take(home, "another", into, NOW_S + 60) is None


@pytest.mark.parametrize("now_s", [NOW_S + 31 * DAY_S, NOW_S - 60])
def test_an_old_measurement_and_one_of_the_future_are_not_taken(home: Home, tmp_path: Path, now_s: float) -> None:
    into = tmp_path / "again"
    into.mkdir()
    assert measured.take(home, "key", into, now_s) is None
    assert list(into.iterdir()) == []


def test_the_same_kept_twice_is_kept_once_and_the_later_one(home: Home, tmp_path: Path) -> None:
    smoke = tmp_path / "smoke"
    assert measured.keep(home, "key", smoke, replace(ABOUT, episode_id="e-2"), NOW_S + 1)
    into = tmp_path / "again"
    into.mkdir()
    found = measured.take(home, "key", into, NOW_S + 2)
    assert found is not None
    assert found.episode_id == "e-2"
    assert [path.name for path in home.measured.iterdir()] == ["key"]


def kept(key: str, *, made_s: float = NOW_S - 60, used_s: float = NOW_S - 60, size: int = 1) -> Kept:
    return Kept(key=key, bytes=size, made_s=made_s, used_s=used_s)


def test_what_is_too_old_goes_and_of_the_rest_what_was_not_used_for_longest() -> None:
    old = kept("old", made_s=NOW_S - 31 * DAY_S, used_s=NOW_S)
    many = [kept(f"k{number:03}", used_s=NOW_S - number) for number in range(measured.KEPT_MOST + 2)]
    going = measured.choose([old, *many], NOW_S)
    assert [each.key for each in going] == ["old", "k065", "k064"]


def test_bytes_are_bounded_too() -> None:
    half = measured.BYTES_MOST // 2 + 1
    going = measured.choose([kept("new", size=half), kept("unused", size=half, used_s=NOW_S - 90)], NOW_S)
    assert [each.key for each in going] == ["unused"]
