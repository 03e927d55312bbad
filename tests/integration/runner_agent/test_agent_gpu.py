"""An agent that uses the GPU in its session, through `matins-gpu`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runner_agent.protocol import LaunchSpec
from tests.integration.runner_agent.rig import Rig


def budgeted(rig: Rig, name: str, script: str, agent_gpu_s: float) -> LaunchSpec:
    spec = rig.spec(name, script)
    return replace(spec, limits=replace(spec.limits, agent_gpu_s=agent_gpu_s))


def uses(rig: Rig, spec: LaunchSpec) -> list[dict[str, Any]]:
    return [event for event in rig.events(spec) if event["event"] == "agent-gpu"]


def test_a_command_runs_as_the_agent_does_and_holds_the_gate(rig: Rig) -> None:
    script = """
    mkdir -p deep && cd deep && export SHADE=green
    echo given | matins-gpu sh -c 'cat; pwd; echo "$SHADE"; id -u; echo to-stderr >&2; echo made > made; exit 3'
    echo "code $?"; cat made; id -u
    matins-gpu matins-gpu true 2> /dev/null || echo "no door inside"
    matins-gpu no-such-program 2> /dev/null || echo "no such program"
    matins-gpu 2> usage; echo "misused $?"
    """
    spec = budgeted(rig, "uses-gpu", script, 60)
    rig.run(spec)
    files = rig.pull(spec)
    said = files["agent/session-1/stream.jsonl"].decode().splitlines()
    uid = said[3]
    assert said[:8] == ["given", "/workspace/deep", "green", uid, "code 3", "made", uid, "no door inside"]
    assert said[8:] == ["no such program", "misused 64"]
    assert files["agent/session-1/stderr.log"] == b"to-stderr\n"
    # Each use is in the line of all, as is the smoke test.
    held = [event for event in rig.events(spec) if event["event"] == "gate-released" and event["gate"] == "gpu"]
    first, *others = uses(rig, spec)
    assert (first["argv0"], first["exit_code"]) == ("sh", 3)
    assert len(held) == 1 + len(others) + 1
    assert 0 < others[-1]["left_s"] < first["left_s"] < 60
    (begun,) = [event for event in rig.events(spec) if event["event"] == "isolation-begun"]
    assert (begun["isolation"], begun["did_not"]) == ("shared", [])
    assert "matins-gpu COMMAND" in (rig.home.attempt(spec.attempt_id).root / "prompt.md").read_text()


def test_the_budget_ends_a_command_and_refuses_the_next(rig: Rig) -> None:
    script = """
    matins-gpu sh -c 'trap "" TERM; while :; do sleep 1; done'; echo "code $?"
    matins-gpu true; echo "code $?"
    """
    spec = budgeted(rig, "spends-gpu", script, 1)
    rig.run(spec)
    files = rig.pull(spec)
    assert files["agent/session-1/stream.jsonl"].split(b"\n")[:2] == [b"code 75", b"code 75"]
    assert files["agent/session-1/stderr.log"].count(b"limits.agent_gpu_s) are spent") == 2
    (use,) = uses(rig, spec)
    assert (use["exit_code"], use["left_s"]) == (75, 0.0)


def test_what_an_agent_leaves_running_on_the_gpu_ends_with_its_turn(rig: Rig) -> None:
    script = """
    matins-gpu sh -c 'echo begun > begun; while :; do sleep 1; done' &
    while [ ! -e begun ]; do sleep 0.05; done
    """
    spec = budgeted(rig, "leaves-gpu", script, 600)
    status = rig.run(spec)
    assert status.exit is not None
    assert (status.exit.reason, rig.stage(status, "smoke")) == ("completed", "ok")
    (use,) = uses(rig, spec)
    assert use["exit_code"] == 70
    quiesced = next(event for event in rig.events(spec) if event["event"] == "quiesced")
    assert quiesced["killed"] == 0


def test_without_a_budget_there_is_no_such_program(rig: Rig) -> None:
    spec = rig.spec("no-gpu", "command -v matins-gpu || echo absent")
    rig.run(spec)
    assert rig.pull(spec)["agent/session-1/stream.jsonl"] == b"absent\n"
