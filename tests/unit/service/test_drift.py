"""A runner whose known-good run is not what it was: quarantined with the evidence, until an operator takes it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.store.account_tables import GaugeRow
from orchestrator.store.tables import RunnerEventRow, RunnerRow
from runner_agent.protocol import Gpu, Hello, LaunchSpec, to_json
from tests.unit.planning.builders import LARGE
from tests.unit.service.leavings import Leavings, leavings
from tests.unit.service.rig import Rig

BEFORE = 8
AFTER = 7


@pytest.fixture
def measuring(rig: Rig) -> Callable[[float, Gpu], None]:
    """From now on the machine's base runs at that speed, on that device."""

    def become(share: float, gpu: Gpu) -> None:
        runner = rig.runners["local"]
        runner.said = replace(runner.said, gpus=(gpu,))

        def leave(spec: LaunchSpec) -> Leavings:
            return slowed(leavings(spec), runner.said, share)

        rig.leave = rig.prove = leave

    return become


def slowed(left: Leavings, hello: Hello, share: float) -> Leavings:
    rounds = [json.loads(line) for line in left.files["smoke/throughput.jsonl"].splitlines()]
    lines = "".join(json.dumps({**each, "tok_s": each["tok_s"] * share}) + "\n" for each in rounds)
    files = {"smoke/throughput.jsonl": lines.encode(), "hello.json": json.dumps(to_json(hello)).encode()}
    return replace(left, files=left.files | files)


def episodes(rig: Rig, count: int) -> None:
    rig.submit_accepted(count=count)
    rig.run()


def runner(rig: Rig) -> RunnerRow:
    with rig.services.store.reading() as session:
        return session.get_one(RunnerRow, "local")


def test_a_machine_that_drifts_is_quarantined_with_what_was_seen(
    rig: Rig, measuring: Callable[[float, Gpu], None]
) -> None:
    measuring(1.0, LARGE)
    episodes(rig, BEFORE)
    assert runner(rig).health != "QUARANTINED"
    measuring(0.85, LARGE)
    for _ in range(AFTER):
        if runner(rig).health == "QUARANTINED":
            break
        episodes(rig, 1)
    assert runner(rig).health == "QUARANTINED"
    rig.tick()
    speeds = {row.metric: row.value for row in rig.rows(GaugeRow)}
    usual = speeds["matins_known_good_reference_tokens_per_second"]
    assert speeds["matins_known_good_tokens_per_second"] == pytest.approx(0.85 * usual, rel=0.02)
    assert "drifted" in runner(rig).detail and "-15" in runner(rig).detail.replace("−", "-")
    moved = [event for event in rig.rows(RunnerEventRow) if event.event == "health-changed" and event.runner == "local"]
    assert moved[-1].data["health"] == "QUARANTINED" and moved[-1].actor == "matins"

    rig.take_back()
    episodes(rig, AFTER)
    assert runner(rig).health != "QUARANTINED", "an operator has seen it, and what was before is another history"


def test_another_driver_begins_another_history(rig: Rig, measuring: Callable[[float, Gpu], None]) -> None:
    measuring(1.0, LARGE)
    episodes(rig, BEFORE)
    measuring(0.7, replace(LARGE, driver="another 2.0"))
    episodes(rig, AFTER)
    assert runner(rig).health != "QUARANTINED"


def test_a_device_of_software_is_as_quick_as_its_machine_is_idle_and_not_judged(
    rig: Rig, measuring: Callable[[float, Gpu], None]
) -> None:
    measuring(1.0, replace(LARGE, device_type="cpu"))
    episodes(rig, BEFORE)
    measuring(0.5, replace(LARGE, device_type="cpu"))
    episodes(rig, AFTER)
    assert runner(rig).health != "QUARANTINED"
