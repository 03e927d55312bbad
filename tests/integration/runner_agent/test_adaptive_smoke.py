"""The smoke stage measures until the change is settled, and the verdict is the one that it stopped by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.artifacts import reader
from orchestrator.scoring.measured import measure
from orchestrator.scoring.specification import specification
from runner_agent.measure.decision import WARM_UP_ROUNDS
from runner_agent.measure.order import seed, sides
from runner_agent.protocol import Check, LaunchSpec, Measure, Smoke
from tests.integration.runner_agent.rig import Rig, sh

# A speed that depends on the prompt by up to two per cent, for both sides alike, and two words of output.
SCRIPT = """
echo "[GPU THROUGHPUT] tokens=10 seconds=1 tok_s=$(cat speed).$((MATINS_SEED % 30))"
echo "[OUT] seed $MATINS_SEED says $(cat source.txt)"
"""
ADAPTIVE = Smoke(
    command=sh(SCRIPT), dispatches="", equal=("[OUT]",), measure=Measure(mode="adaptive", max_s=120, rounds=1)
)
FAST = Check(id="fast/1", item="fast", kind="throughput", min_change=0.5)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig.make(tmp_path)


def pulled(rig: Rig, spec: LaunchSpec, folder: Path) -> Path:
    for name, data in rig.pull(spec).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def told(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_it_stops_when_the_change_is_settled_and_the_verdict_agrees(rig: Rig, tmp_path: Path) -> None:
    spec = rig.spec("adaptive", "echo 20 > speed", smoke=ADAPTIVE, checks=(FAST,))
    status = rig.run(spec)
    assert rig.stage(status, "smoke") == "ok"
    folder = pulled(rig, spec, tmp_path / "pulled")

    runs = told(folder, "smoke/throughput.jsonl")
    rounds = {run["round"] for run in runs}
    assert len(rounds) < 60
    expected = [(number, side) for number in sorted(rounds) for side in sides(number, spec.attempt_id, WARM_UP_ROUNDS)]
    assert [(run["round"], run["side"]) for run in runs] == expected
    assert all(run["seed"] == seed(run["round"], spec.attempt_id) and run["wall_s"] > 0 for run in runs)
    for number in rounds:
        logs = {side: (folder / f"smoke/{side}-{number}.log").read_text() for side in ("baseline", "candidate")}
        assert all(f"[OUT] seed {seed(number, spec.attempt_id)} says one" in log for log in logs.values())

    events = told(folder, "events.jsonl")
    looks = [event for event in events if event["event"] == "smoke-look"]
    assert [look["settled"] for look in looks] == [False] * (len(looks) - 1) + [True]
    ended = next(event for event in events if event["event"] == "smoke-ended")
    assert ended["rounds"] == len(rounds)
    assert ended["why"].startswith("settled: faster, +")

    found = measure(reader.read(folder), specification(spec)).throughput
    last = looks[-1]
    assert (found.change, found.low, found.high) == (last["change"], last["low"], last["high"])
    assert (found.verdict, found.samples) == (last["verdict"], last["samples"]) == ("faster", len(rounds) - 1)
    assert found.low is not None and found.low > 0.5
    assert found.method.startswith("t-mixture")
    assert found.seconds == pytest.approx(sum(run["wall_s"] for run in runs))


def test_it_stops_at_an_output_that_differs(rig: Rig, tmp_path: Path) -> None:
    spec = rig.spec("different", "echo 20 > speed; echo two > source.txt", smoke=ADAPTIVE)
    rig.run(spec)
    folder = pulled(rig, spec, tmp_path / "pulled")
    ended = next(event for event in told(folder, "events.jsonl") if event["event"] == "smoke-ended")
    assert ended["rounds"] == 1
    assert ended["why"].startswith("the output differs in round 1: output 1 is '[OUT] seed ")
    found = measure(reader.read(folder), specification(spec)).throughput
    assert (found.verdict, found.change, found.reason) == ("inconclusive", None, ended["why"])


def test_a_preflight_looks_twice_whether_the_instruments_fire_and_settles_nothing(rig: Rig, tmp_path: Path) -> None:
    spec = rig.spec("preflight", kind="preflight", agent=None, sessions=(), smoke=ADAPTIVE)
    rig.run(spec)
    folder = pulled(rig, spec, tmp_path / "pulled")
    ended = next(event for event in told(folder, "events.jsonl") if event["event"] == "smoke-ended")
    assert (ended["rounds"], ended["why"]) == (2, "there is nothing to settle")


def test_a_side_that_tells_no_speed_ends_it(rig: Rig, tmp_path: Path) -> None:
    silent = replace(ADAPTIVE, command=sh(f"test $(cat speed) = 20 || {{ {SCRIPT} }}"), equal=())
    spec = rig.spec("silent", "echo 20 > speed", smoke=silent)
    rig.run(spec)
    folder = pulled(rig, spec, tmp_path / "pulled")
    ended = next(event for event in told(folder, "events.jsonl") if event["event"] == "smoke-ended")
    assert ended["rounds"] == 1
    assert ended["why"].startswith("nothing can be settled: 1 of 1 pairs")
