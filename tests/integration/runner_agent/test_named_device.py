"""Whose gate an attempt holds: that of the device that it is for, and for which of its commands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runner_agent.home import gpu_gate
from runner_agent.protocol import Check
from tests.components import need
from tests.integration.runner_agent.rig import Rig, sh


def test_its_smoke_runs_hold_the_gate_of_that_device(rig: Rig) -> None:
    need("vulkan")
    gpu = rig.link.hello().gpus[0].device_uuid
    spec = rig.spec("named", gpu=gpu)
    ended = rig.run(spec)
    assert rig.stage(ended, "smoke") == "ok"
    held = [event["gate"] for event in rig.events(spec) if event["event"] == "gate-released"]
    assert held[-2:] == ["build", gpu_gate(gpu)]


def test_a_device_that_is_not_here_is_named_and_nothing_runs(rig: Rig) -> None:
    spec = rig.spec("elsewhere", gpu="00000000-0000-0000-0000-000000000042")
    ended = rig.run(spec)
    assert ended.exit is not None
    assert ended.exit.reason == "infrastructure"
    assert "the Vulkan device 00000000-0000-0000-0000-000000000042 is not here" in ended.exit.detail
    assert [stage.stage for stage in ended.exit.stages] == ["pack"]


def test_a_command_that_asks_for_the_gpu_holds_its_gate_and_no_other_does(rig: Rig) -> None:
    asks, does_not = replace(sh("sh ci/test.sh"), gpu=True), sh("sh ci/test.sh")
    looks = Check(id="fast/0", item="fast", kind="command", command=asks)
    spec = rig.spec("asks", base_key="asks", test=(does_not, asks), checks=(looks,))
    ended = rig.run(spec)
    assert rig.stage(ended, "grade") == "ok"
    assert gates_by_stage(rig.events(spec)) == {
        "baseline": ["build", "gpu"],
        "build": ["build"],
        "test": ["gpu"],
        "smoke": ["gpu"],
        "grade": ["gpu"],
    }


def gates_by_stage(events: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The gates for which a stage waited, in the order in which it had them."""
    found: dict[str, list[str]] = {}
    stage = ""
    for event in events:
        if event["event"] == "stage-started":
            stage = event["stage"]
        elif event["event"] == "gate-waited":
            found.setdefault(stage, []).append(event["gate"])
    return found
