"""Copies of a built base: whichever way they are made, cargo builds nothing again that nobody changed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from orchestrator.machines.local import LocalLink
from runner_agent import files
from runner_agent.boot import boot_id
from runner_agent.protocol import Command, LaunchSpec, Measure, Smoke
from runner_agent.snapshots import Facts, Method
from tests.bench import workspace_gen
from tests.components import need
from tests.integration.runner_agent.rig import Rig, request, sh

CRATES = 4
STEPS = {"build": ("build", "--workspace"), "lint": ("clippy", "--all-targets"), "test": ("test", "--workspace")}


def believe(rig: Rig, *works: Method) -> None:
    """Has the runner's home remember that only these ways work, as a probe in this boot would have found it."""
    told = {name: "" if name in works else "not tried" for name in ("btrfs", "reflink", "overlay")}
    rig.home.root.mkdir()
    files.write_json(rig.home.workspaces, asdict(Facts(**told, boot_id=boot_id(), uid=os.getuid())))


@pytest.fixture(scope="module", params=["overlay", "copy"])
def warm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Rig, Method]:
    """A runner for a generated Rust workspace, and the way in which it copies trees."""
    need("bwrap", "git", "cargo", *(["root"] if request.param == "overlay" else []))
    root = tmp_path_factory.mktemp("warm")
    workspace_gen.write(root / "repository", crates=CRATES, functions=2)
    commit = workspace_gen.commit(root / "repository")
    rig = Rig(root=root, link=LocalLink(root / "home"), commit=commit)
    believe(rig, request.param)
    return rig, request.param


def spec_of(rig: Rig, name: str, script: str) -> LaunchSpec:
    steps = {
        kind: (Command(argv=("cargo", *words, "--offline", "--message-format=json"), limit_s=200),)
        for kind, words in STEPS.items()
    }
    return rig.spec(name, script, smoke=Smoke(command=sh("true"), measure=Measure(rounds=1)), **steps)


def rebuilt(logs: dict[str, bytes], prefix: str = "") -> dict[str, set[str]]:
    """Of each kind of command the crates of which a unit was built."""
    told = {kind: workspace_gen.stale(logs[f"logs/{prefix}{kind}-1.log"].decode()) for kind in STEPS}
    return {kind: {each.partition("#")[0].rpartition("/")[2] for each in ids} for kind, ids in told.items()}


def test_two_episodes_at_once_build_what_they_changed_and_nothing_else(warm: tuple[Rig, Method]) -> None:
    rig, method = warm
    leaf = f"part_{CRATES - 2:02}"
    untouched = spec_of(rig, "untouched", "true")
    # What its tests are linked from changes as well: they are linked anew after the build, as they should be.
    edited = spec_of(rig, "edited", f"sed -i s/1_000_003/1_000_033/ crates/{leaf}/src/lib.rs")
    for spec in (untouched, edited):
        rig.link.launch(spec)
    for spec in (untouched, edited):
        status = rig.end(spec)
        assert {stage.result for stage in status.exit.stages} == {"ok"}, status.exit  # type: ignore[union-attr]

    everything = {"app", *(f"part_{number:02}" for number in range(CRATES - 1))}
    base = rebuilt(rig.pull(untouched), "baseline-")
    assert base == dict.fromkeys(STEPS, everything), "cargo says in another way what it built"
    assert rebuilt(rig.pull(untouched)) == {kind: set() for kind in STEPS}
    assert rebuilt(rig.pull(edited)) == {kind: {leaf, "app"} for kind in STEPS}

    made = [event for event in rig.events(edited) if event["event"] == "workspace"]
    assert [(each["tree"], each["method"]) for each in made] == [
        (tree, method) for tree in ("tree", "judged", "baseline")
    ]
    assert all(each["bytes"] > 0 if method == "copy" else each["bytes"] == 0 for each in made)
    assert str(rig.home.root) not in Path("/proc/self/mountinfo").read_text()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder on tmpfs, which shares no blocks of files."""
    folder = Path(tempfile.mkdtemp(prefix="matins-", dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


def test_a_way_that_fails_when_it_is_used_is_followed_by_the_next(memory: Path) -> None:
    need("bwrap", "git")
    rig = Rig.make(memory)
    believe(rig, "btrfs", "reflink")
    status = rig.run(spec := rig.spec("fallback"))
    assert status.exit is not None
    assert status.exit.reason == "completed"
    told = [
        (event["event"], event["tree"], event["method"])
        for event in rig.events(spec)
        if event["event"].startswith("workspace")
    ]
    assert told == [
        (event, tree, method)
        for tree in ("tree", "judged", "baseline")
        for event, method in (("workspace-fallback", "reflink"), ("workspace", "copy"))
    ]


def test_a_base_that_nobody_uses_makes_room_for_a_new_one(memory: Path) -> None:
    need("bwrap", "git")
    rig = Rig.make(memory)
    old, new = rig.spec("old", base_key="old"), rig.spec("new", base_key="new", cache_bytes=1)
    rig.run(old)
    rig.link.acknowledge(request(old))
    rig.run(new)

    gone = [(event["kind"], event["name"]) for event in rig.events(new) if event["event"] == "evicted"]
    # Its own base and the mirror are in use, however small the allowance.
    assert gone == [("base", "old")]
    assert [path.name for path in sorted((rig.home.root / "bases").iterdir()) if path.is_dir()] == ["new"]
