"""Attempts that are cut short, and processes that do not want to go."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

from runner_agent import cgroup, quiescence
from runner_agent.protocol import Command, LaunchSpec, Session, Turn
from tests.integration.runner_agent.rig import Rig, request, sh
from tests.integration.runner_agent.test_quiescence import STUBBORN

WAIT = "echo begun >> source.txt; echo waiting; exec sleep 600"


def living(rig: Rig, spec: LaunchSpec) -> list[int]:
    return quiescence.living(spec.attempt_id, rig.home.attempt(spec.attempt_id).inits)


def kill_supervisor(rig: Rig, spec: LaunchSpec) -> None:
    identity = json.loads(rig.home.attempt(spec.attempt_id).identity.read_text())
    os.kill(identity["pid"], signal.SIGKILL)


def test_a_killed_supervisor_makes_the_attempt_dead_and_takes_its_processes_along(rig: Rig) -> None:
    spec = rig.spec("killed", WAIT)
    rig.link.launch(spec)
    rig.wait_event(spec, "turn-started")
    kill_supervisor(rig, spec)
    status = rig.end(spec)
    assert (status.phase, status.exit) == ("dead", None)
    assert living(rig, spec) == []
    assert cgroup.find(spec.attempt_id) is None
    # What it left is evidence, and a second launch does not start it again.
    assert rig.link.launch(spec).phase == "dead"
    assert b"turn-started" in rig.pull(spec)["events.jsonl"]
    assert "launch.json" in rig.pull(spec)


def test_a_cancel_ends_the_running_turn_and_keeps_what_was_done(rig: Rig) -> None:
    spec = rig.spec("cancel", WAIT)
    rig.link.launch(spec)
    rig.wait_event(spec, "turn-started")
    tree = rig.home.attempt(spec.attempt_id).tree
    rig.wait(spec, lambda _: "begun" in (rig.seen(spec, tree) / "source.txt").read_text())
    rig.link.cancel(request(spec))
    status = rig.end(spec)
    assert status.exit is not None
    assert (status.exit.reason, status.exit.packed, status.exit.graded) == ("cancelled", True, False)
    assert living(rig, spec) == []
    assert b"+begun" in rig.pull(spec)["diff.patch"]


def test_a_session_over_its_limit_is_killed_committed_and_judged(rig: Rig) -> None:
    spec = rig.spec("session-limit", WAIT)
    two = (Session(turns=(Turn(say="One."), Turn(say="Two."))), Session(turns=(Turn(say="Three."),)))
    status = rig.run(replace(spec, sessions=two, limits=replace(spec.limits, session_s=4.0)))
    assert status.exit is not None
    assert status.exit.reason == "completed"
    talks = [stage.result for stage in status.exit.stages if stage.stage == "session"]
    assert talks == ["timed-out", "skipped"]
    assert [rig.stage(status, name) for name in ("build", "smoke", "grade")] == ["ok", "ok", "ok"]
    files = rig.pull(spec)
    assert b"+begun" in files["diff.patch"]
    assert [json.loads(line)["turn"] for line in files["agent/session-1/turns.jsonl"].splitlines()] == [1]


def test_the_wall_limit_ends_the_attempt_wherever_it_stands(rig: Rig) -> None:
    spec = rig.spec("wall-limit", "true", build=(Command(argv=("sleep", "600"), limit_s=600),), base_key="slow")
    status = rig.run(replace(spec, limits=replace(spec.limits, wall_s=6.0)))
    assert status.exit is not None
    assert (status.exit.reason, status.exit.packed) == ("wall-limit", True)
    assert rig.stage(status, "baseline") == "timed-out"


def test_a_hung_smoke_test_is_ended_by_its_limit(rig: Rig) -> None:
    spec = rig.spec("hung", "echo 'sleep 600' > ci/smoke.sh")
    status = rig.run(replace(spec, smoke=replace(spec.smoke, command=sh("sh ci/smoke.sh", limit_s=3.0))))
    assert (rig.stage(status, "smoke"), rig.stage(status, "grade")) == ("timed-out", "ok")


def test_a_daemon_of_the_agent_is_gone_before_anything_is_measured(rig: Rig) -> None:
    spec = rig.spec("daemon", STUBBORN)
    status = rig.run(replace(spec, test=(sh("cp heartbeat before; sleep 0.3; cmp heartbeat before"),)))
    assert rig.stage(status, "test") == "ok"
    assert living(rig, spec) == []
    events = [json.loads(line) for line in rig.pull(spec)["events.jsonl"].splitlines()]
    assert next(event["method"] for event in events if event["event"] == "quiesced") in ("cgroup2", "process-scan")


def test_an_agent_that_floods_its_output_is_ended_and_its_log_cut(rig: Rig) -> None:
    spec = rig.spec("flood", "yes")
    rig.run(replace(spec, limits=replace(spec.limits, log_bytes=100_000)))
    files = rig.pull(spec)
    assert 100_000 <= len(files["agent/session-1/stream.jsonl"]) < 100_200
    assert "of output" in json.loads(files["agent/session-1/turns.jsonl"].splitlines()[0])["detail"]


def test_a_repository_that_cannot_be_fetched_is_no_fault_of_the_agent(rig: Rig) -> None:
    spec = rig.spec("no-repository", repo_url=str(rig.root / "nowhere"), base_key="nowhere")
    status = rig.run(spec)
    assert status.exit is not None
    assert (status.exit.reason, status.exit.packed) == ("infrastructure", True)
    assert "nowhere could not be fetched" in status.exit.detail


def test_a_commit_that_is_an_option_is_refused(rig: Rig) -> None:
    spec = rig.spec("option", commit="--upload-pack=touch /tmp/owned", base_key="option")
    status = rig.run(spec)
    assert status.exit is not None
    assert status.exit.reason == "infrastructure"
    assert "no full commit hash" in status.exit.detail


def test_bad_requests_get_a_typed_refusal_and_never_a_traceback(rig: Rig) -> None:
    agent = next((rig.home.root / "agent").glob("*.pyz"))

    def ask(verb: str, text: bytes) -> tuple[int, str]:
        argv = [os.path.realpath(sys.executable), "-I", "-S", str(agent), verb, "--home", str(rig.home.root)]
        told = subprocess.run(argv, input=text, capture_output=True, timeout=150, check=False)
        assert told.stderr == b""
        return told.returncode, json.loads(told.stdout)["error"]["kind"]

    assert ask("launch", b"{") == (1, "bad-request")
    assert ask("launch", b'{"attempt_id": 7}') == (1, "bad-request")
    assert ask("report", b'{"cursors": []}') == (1, "bad-request")
    unknown = b'{"attempt_id": "../../etc", "episode_id": "e", "fence": 1}'
    assert ask("cancel", unknown) == (1, "bad-request")
    assert ask("pull", unknown) == (1, "unknown-attempt")
