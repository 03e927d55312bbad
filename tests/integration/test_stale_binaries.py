"""Old work that is taken for new, with real cargo. Each hazard is shown to fool plain cargo first, and then the same
with our guard, or as a whole attempt, of which nothing may be measured that its tree does not build."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.machines.local import LocalLink
from runner_agent import freshness
from tests import stale
from tests.components import need
from tests.integration.runner_agent.rig import Rig, make_repository, sh

BUILD = (sh("cargo build --quiet --offline", 120.0),)
FASTER = "sed -i 's/u32 = 10/u32 = 5/' src/main.rs"
FORGE = "sed -i 's/u32 = 10/u32 = 99/' src/main.rs; cargo build -q --offline; sed -i 's/u32 = 99/u32 = 10/' src/main.rs"

FORGED = 'echo "[GPU THROUGHPUT] tokens=99 seconds=1 tok_s=99"'


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("cargo")
    return stale.make(tmp_path_factory.mktemp("package") / "base")


def guard(tree: Path, changed: set[str]) -> None:
    """At a time before anything was built: no clock is relied on."""
    freshness.leave_out(tree, changed, {"target"})
    freshness.renew(tree, changed, 0)


def fingerprints(tree: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (tree / "target/debug/deps").iterdir()}


@pytest.mark.parametrize("hazard", stale.ALL, ids=lambda hazard: hazard.__name__)
def test_plain_cargo_is_fooled(base: Path, tmp_path: Path, hazard: Callable[..., stale.Seen]) -> None:
    """Else what follows would show nothing."""
    assert stale.accepted(hazard(base, tmp_path))


@pytest.mark.parametrize("hazard", stale.BEFORE_A_BUILD, ids=lambda hazard: hazard.__name__)
def test_a_tree_that_was_made_ready_is_built_for_what_it_is(
    base: Path, tmp_path: Path, hazard: Callable[..., stale.Seen]
) -> None:
    told, expected = hazard(base, tmp_path, guard)
    assert expected in told or (told == "no program" and hazard is stale.built_elsewhere)


def test_an_untouched_tree_that_was_made_ready_is_not_built_again(base: Path, tmp_path: Path) -> None:
    tree = stale.copy(base, tmp_path / "tree")
    before = fingerprints(tree)
    guard(tree, set())
    assert stale.printed(tree / stale.PROGRAM) == "no program"
    stale.cargo(tree)
    assert fingerprints(tree) == before
    assert "tok_s=10" in stale.printed(tree / stale.PROGRAM)


def test_a_program_that_tests_put_in_its_place_is_seen(base: Path, tmp_path: Path) -> None:
    tree = stale.copy(base, tmp_path / "tree")
    noted = freshness.note(tree)
    stale.forge(tree / stale.PROGRAM)
    assert str(stale.PROGRAM) in freshness.rewritten(tree, noted)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A runner that was started by a shell in which all cargo builds share a folder."""
    need("bwrap", "git", "cargo")
    root = tmp_path_factory.mktemp("runner")
    commit = make_repository(root / "repository", stale.FILES)
    with pytest.MonkeyPatch.context() as shell:
        shell.setenv("CARGO_TARGET_DIR", str(root / "shared"))
        yield Rig(root=root, link=LocalLink(root / "home"), commit=commit)
        assert not (root / "shared").exists()


class Attempt:
    """An attempt that ended, and what came of it."""

    def __init__(self, rig: Rig, name: str, script: str) -> None:
        spec = rig.spec(name, script, build=BUILD)
        spec = replace(spec, limits=replace(spec.limits, wall_s=900, session_s=300))
        status = rig.run(spec)
        assert status.exit is not None
        assert status.exit.reason == "completed", status.exit
        self.smoke = next(stage for stage in status.exit.stages if stage.stage == "smoke")
        self.files = rig.pull(spec)
        self.commit = spec.commit

    def printed(self, side: str) -> str:
        return self.files.get(f"smoke/{side}-1.log", b"").decode()

    def event(self, name: str) -> dict[str, Any]:
        events = [json.loads(line) for line in self.files["events.jsonl"].splitlines()]
        return next(event for event in events if event["event"] == name)


@pytest.fixture
def attempt(runner: Rig, request: pytest.FixtureRequest) -> Callable[[str], Attempt]:
    name = re.sub("[^a-z]+", "-", request.node.name.removeprefix("test_"))[:100]
    return lambda script: Attempt(runner, name, script)


def test_what_is_measured_carries_the_hash_of_the_tree_that_was_built(attempt: Callable[[str], Attempt]) -> None:
    """Of older content with an older time, in a file that the agent had its own git ignore."""
    hide = "git update-index --assume-unchanged src/main.rs"
    done = attempt(f"{hide}; {FASTER}; touch -d '2 days ago' src/main.rs; rm kernels/b.comp")

    tree = done.event("built")["tree"]
    assert done.smoke.result == "ok"
    assert "tok_s=5" in done.printed("candidate")
    assert "kernels=1 at=/workspace" in done.printed("candidate")
    assert f"[MATINS TREE] {tree}" in done.printed("candidate")
    assert "tok_s=10" in done.printed("baseline")
    assert f"[MATINS TREE] {done.commit}" in done.printed("baseline")
    note = json.loads(done.files["built.json"])
    assert (note["schema"], note["tree"]) == ("matins-built-1", tree)
    assert len(note["programs"]["target/debug/app"]) == 64


def test_a_build_that_goes_elsewhere_leaves_nothing_to_measure(attempt: Callable[[str], Attempt]) -> None:
    config = "mkdir .cargo; printf '[build]\\ntarget-dir = \"/tmp/elsewhere\"\\n' > .cargo/config.toml"
    done = attempt(f"{FASTER}; {config}")

    assert done.smoke.result == "failed"
    assert "tok_s" not in done.printed("candidate")


@pytest.mark.parametrize(
    "hidden",
    ["echo > .gitignore", "mv target zz; ln -s zz target; echo > .gitignore"],
    ids=["committed", "linked"],
)
def test_a_build_that_comes_with_the_commit_is_not_taken_for_ours(
    attempt: Callable[[str], Attempt], hidden: str
) -> None:
    done = attempt(f"{FORGE}; target/debug/app | grep tok_s=99; {hidden}")

    assert done.files["agent/session-1/stream.jsonl"].count(b"tok_s=99") == 1
    assert done.event("planted-left-out")["count"] > 0
    assert done.smoke.result == "ok"
    assert "tok_s=10" in done.printed("candidate")
    assert "left out of its build" in json.loads(done.files["grade/evidence.json"])["problems"][-1]


def test_a_program_that_tests_put_in_the_place_of_what_was_built_is_not_measured(
    attempt: Callable[[str], Attempt],
) -> None:
    done = attempt(f"cat >> ci/test.sh <<'X'\necho '{FORGED}' > target/debug/app\nX\n")

    assert done.smoke.result == "failed"
    assert done.smoke.detail.startswith("stale-binary: what the build made")
    assert "target/debug/app" in done.smoke.detail
    assert done.printed("candidate") == done.printed("baseline") == ""


def test_files_that_tests_write_over_are_put_back_before_anything_is_measured(
    attempt: Callable[[str], Attempt],
) -> None:
    done = attempt(f"cat >> ci/test.sh <<'X'\necho '{FORGED}' > ci/smoke.sh; rm kernels/a.comp\nX\n")

    assert done.event("tree-restored")["paths"] == ["ci/smoke.sh", "kernels/a.comp"]
    assert done.smoke.result == "ok"
    assert "tok_s=10" in done.printed("candidate")


def test_a_build_that_writes_over_what_is_judged_is_not_measured(attempt: Callable[[str], Attempt]) -> None:
    swap = """sed -i 's|^fn main() {|&std::fs::write("kernels/a.comp", "other").unwrap();|' build.rs"""
    done = attempt(swap)

    assert done.smoke.detail.startswith("stale-binary: the judged tree cannot be told fresh: its build wrote over")
    assert "kernels/a.comp" in done.smoke.detail
