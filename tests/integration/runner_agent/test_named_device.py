"""An attempt that is for one Vulkan device of several."""

from __future__ import annotations

from runner_agent.home import gpu_gate
from tests.components import need
from tests.integration.runner_agent.rig import Rig


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
