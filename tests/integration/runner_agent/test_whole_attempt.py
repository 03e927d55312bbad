"""Attempts that go their whole way, and what their folders hold."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner_agent.protocol import Check, Item, Measure, Session, Smoke, Turn
from tests.components import need
from tests.integration.runner_agent.rig import Rig, checks, overlay, request, sh

FINISHER = """
echo 20 > speed
echo '# allow nothing' >> source.txt
if [ "$MATINS_TURN" = 1 ]; then echo 'ITEM fast: done'; else echo 'ITEM clean: done'; fi
"""


def test_an_attempt_leaves_a_folder_that_verifies_and_tells_all(rig: Rig, tmp_path: Path) -> None:
    talk = Session(
        turns=(Turn(say="First."), Turn(say="Finish.", when="stopped-early"), Turn(say="No?", when="stopped-early"))
    )
    shown = (
        Check(id="fast/1", item="fast", kind="command", command=sh("grep -qx 20 speed")),
        Check(id="clean/1", item="clean", kind="pattern-absent", pattern="allow", opened=True, must_include=("lost",)),
        Check(id="clean/2", item="clean", kind="marker", text="[GPU"),
    )
    smoke = Smoke(command=sh("sh ci/smoke.sh"), measure=Measure(rounds=2))
    spec = rig.spec("whole", FINISHER, sessions=(talk,), checks=shown, smoke=smoke)

    status = rig.run(spec)

    assert status.phase == "exited"
    assert status.exit is not None
    assert (status.exit.reason, status.exit.graded, status.exit.packed) == ("completed", True, True)
    assert {stage.result for stage in status.exit.stages} == {"ok"}
    files = rig.pull(spec)
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    subprocess.run(["sha256sum", "--quiet", "-c", "RUNNER_SHA256SUMS"], cwd=tmp_path, check=True)
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    turns = [json.loads(line) for line in files["agent/session-1/turns.jsonl"].splitlines()]
    assert [turn["skipped"] for turn in turns] == [False, False, True]
    assert turns[1]["claims"] == {"clean": "done"}
    evidence = json.loads(files["grade/evidence.json"])
    assert evidence["changed"] == evidence["opened"] == ["source.txt", "speed"]
    found = {check["id"]: check for check in evidence["checks"]}
    assert (found["fast/1"]["ran"], found["fast/1"]["exit_code"]) == (True, 0)
    assert [match["path"] for match in found["clean/1"]["matches"]] == ["source.txt", "source.txt"]
    assert found["clean/1"]["missing"] == ["lost"]
    assert found["clean/2"]["ran"]
    assert json.loads(files["tests.json"]) == {
        "baseline": {"tests::adds_up": "ok"},
        "candidate": {"tests::adds_up": "ok"},
    }
    rounds = [json.loads(line) for line in files["smoke/throughput.jsonl"].splitlines()]
    assert [(each["round"], each["side"], each["tok_s"]) for each in rounds] == [
        (1, "baseline", 10.0),
        (1, "candidate", 20.0),
        (2, "candidate", 20.0),
        (2, "baseline", 10.0),
    ]
    assert b"+20" in files["diff.patch"]
    assert files["commits.bundle"].startswith(b"# v2 git bundle")
    assert json.loads(files["hello.json"])["sandbox"] == "bubblewrap"


def test_hidden_checks_come_after_the_agent_and_leave_no_trace_in_the_tree(rig: Rig) -> None:
    hidden = Check(
        id="fast/2",
        item="fast",
        kind="command",
        command=sh("test -f hidden/check.txt && grep -qx replaced source.txt"),
        files=(overlay("hidden/check.txt", "secret"), overlay("source.txt", "replaced")),
    )
    after = Check(id="clean/3", item="clean", kind="command", command=sh("test ! -e hidden && grep -qx one source.txt"))
    spec = rig.spec("hidden", "ls", hidden_checks=2)
    rig.link.launch(spec)
    waiting = rig.wait(spec, lambda status: status.phase == "awaiting-checks")
    assert waiting.stage == "grade"
    assert not any(b"secret" in path.read_bytes() for path in rig.home.attempt(spec.attempt_id).out.rglob("*.log"))

    rig.link.grade(checks(spec, hidden, after))
    status = rig.end(spec)

    assert status.exit is not None
    assert status.exit.graded
    evidence = json.loads(rig.pull(spec)["grade/evidence.json"])
    assert [(check["id"], check["exit_code"]) for check in evidence["checks"]] == [("fast/2", 0), ("clean/3", 0)]


def test_checks_that_never_come_leave_the_attempt_packed_but_ungraded(rig: Rig) -> None:
    spec = rig.spec("ungraded", hidden_checks=1)
    status = rig.run(replace(spec, limits=replace(spec.limits, grade_wait_s=0.2)))
    assert status.exit is not None
    assert (status.exit.reason, status.exit.graded, status.exit.packed) == ("completed", False, True)
    assert json.loads(rig.pull(spec)["grade/evidence.json"])["graded"] is False


def test_a_preflight_walks_the_stages_on_the_untouched_base(rig: Rig) -> None:
    idle = Check(id="fast/1", item="fast", kind="command", command=sh("grep -qx 20 speed"))
    status = rig.run(spec := rig.spec("preflight", kind="preflight", agent=None, sessions=(), checks=(idle,)))
    assert status.exit is not None
    assert status.exit.reason == "completed"
    files = rig.pull(spec)
    assert json.loads(files["grade/evidence.json"])["checks"][0]["exit_code"] == 1
    assert files["diff.patch"] == b""


def test_the_base_is_made_again_when_the_driver_changed_and_else_reused(rig: Rig) -> None:
    need("vulkan")
    bare: dict[str, Any] = {"agent": None, "sessions": (), "build": (), "lint": (), "test": (), "base_key": "drivers"}

    def had(name: str) -> str:
        status = rig.run(rig.spec(name, kind="preflight", **bare))
        assert status.exit is not None
        return next(stage.detail for stage in status.exit.stages if stage.stage == "baseline")

    assert had("first").startswith("made;")
    base = rig.home.base("drivers")
    ready = json.loads(base.ready.read_text())
    base.ready.write_text(json.dumps({**ready, "drivers": "radv Mesa 24.1.0 on another"}))
    (base.tree / "of-the-old-driver").touch()
    changed = f"made again: the driver changed from radv Mesa 24.1.0 on another to {ready['drivers']};"
    assert had("changed").startswith(changed)
    assert not (base.tree / "of-the-old-driver").exists()
    assert had("same").startswith("reused;")


def test_a_broken_build_skips_what_needs_it_and_is_graded_all_the_same(rig: Rig) -> None:
    check = Check(id="fast/1", item="fast", kind="pattern-present", pattern="^one$", paths=("*.txt",))
    status = rig.run(spec := rig.spec("broken", "rm source.txt", checks=(check,)))
    assert [rig.stage(status, name) for name in ("build", "lint", "test", "smoke", "grade")] == [
        "failed", "skipped", "skipped", "skipped", "ok",
    ]  # fmt: skip
    files = rig.pull(spec)
    assert b"source.txt" in files["logs/build-1.log"]
    assert json.loads(files["grade/evidence.json"])["checks"][0]["matches"] == []


def test_failed_lint_still_lets_the_tests_run_but_not_the_smoke_test(rig: Rig) -> None:
    spec = rig.spec("lint", "touch unclean")
    status = rig.run(replace(spec, lint=(sh("test ! -e unclean"),)))
    assert [rig.stage(status, name) for name in ("lint", "test", "smoke")] == ["failed", "ok", "skipped"]
    assert status.exit is not None
    skipped = next(stage for stage in status.exit.stages if stage.stage == "smoke")
    assert skipped.detail == "it did not reach the GPU: lint did not succeed"
    gates = {event["gate"] for event in rig.events(spec) if event["event"].startswith("gate-")}
    assert gates == {"build"}


def test_what_an_agent_plants_in_ignored_files_is_not_measured(rig: Rig) -> None:
    spec = rig.spec("planted", "echo forged > built")
    check = Check(id="fast/1", item="fast", kind="command", command=sh("grep -qx one built"))
    rig.run(replace(spec, checks=(check,)))
    assert json.loads(rig.pull(spec)["grade/evidence.json"])["checks"][0]["exit_code"] == 0


def test_a_tree_in_the_way_of_a_hidden_file_fails_that_check_alone(rig: Rig) -> None:
    spec = rig.spec("blocked", "echo > hidden")
    blocked = Check(
        id="fast/1", item="fast", kind="command", command=sh("true"), files=(overlay("hidden/check.txt", "x"),)
    )
    plain = Check(id="clean/1", item="clean", kind="command", command=sh("true"))
    status = rig.run(replace(spec, checks=(blocked, plain)))
    assert status.exit is not None
    assert status.exit.reason == "completed"
    first, second = json.loads(rig.pull(spec)["grade/evidence.json"])["checks"]
    assert (first["exit_code"], second["exit_code"]) == (None, 0)
    assert "could not be laid" in first["problem"]


def test_the_live_report_and_the_pulled_folder_agree(rig: Rig) -> None:
    spec = rig.spec("live", "echo words", items=(Item(id="fast", title="x"),))
    rig.run(spec)
    live = rig.events(spec)
    packed = [json.loads(line) for line in rig.pull(spec)["events.jsonl"].splitlines()]
    assert live[: len(packed)] == packed
    assert live[-1]["event"] == "attempt-ended"
    rig.link.acknowledge(request(spec))
    assert not rig.home.attempt(spec.attempt_id).out.exists()
    digest = hashlib.sha256(rig.home.attempt(spec.attempt_id).acknowledged.read_bytes())
    rig.link.acknowledge(request(spec))
    assert digest.digest() == hashlib.sha256(rig.home.attempt(spec.attempt_id).acknowledged.read_bytes()).digest()
