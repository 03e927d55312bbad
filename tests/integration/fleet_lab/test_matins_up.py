"""Matins on the orchestrator's machine of the lab, with the lab's machines as runners over SSH."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from wakeonlan import wake

from tests.components import need
from tests.fleet_lab import FleetLab
from tests.fleet_lab.orchestrator import LabOrchestrator
from tests.integration.service.toy import make_toy
from tests.orchestrator import wait_for


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[FleetLab]:
    need("bwrap", "git")
    with FleetLab(2, shared=[tmp_path]) as lab:
        yield lab


@pytest.fixture
def matins(tmp_path: Path, own_lab: FleetLab) -> Iterator[LabOrchestrator]:
    agents = str(tmp_path / "campaigns" / "agents")
    running = LabOrchestrator(own_lab, tmp_path / "home", agents_path=agents, tick_s="0.3", observe_s="0.3")
    try:
        yield running.start()
    finally:
        running.stop()


def test_an_episode_on_a_woken_machine_goes_on_after_its_machine_slept(
    tmp_path: Path, own_lab: FleetLab, matins: LabOrchestrator
) -> None:
    gpu01 = own_lab.machine("gpu01")
    campaign = make_toy(tmp_path / "campaigns", matins.home / "token")
    own_lab.call(wake, gpu01.mac, host=own_lab.broadcast)
    gpu01.wait_until("on")
    added = matins.add(gpu01)
    assert added.returncode == 0, added.stderr
    (one,) = matins.submit(campaign, "replay:sleeper")
    wait_for(lambda: any(event["event"] == "turn-started" for event in matins.events(one)), 60, matins.tail)

    gpu01.suspend()
    wait_for(lambda: matins.get("runners/gpu01")["state"] == "unreachable", 90, matins.tail)
    own_lab.call(wake, gpu01.mac, host=own_lab.broadcast)
    gpu01.wait_until("on")
    ended = matins.wait_until_ended([one], 120)[one]
    assert ended["phase"] == "DONE", ended
    (attempt,) = ended["attempts"]
    ledger = [json.loads(line) for line in (gpu01.home / ".matins-runner/ledger.jsonl").read_text().splitlines()]
    assert [line["event"] for line in ledger if line["attempt_id"] == attempt["id"]][:3] == [
        "accepted",
        "started",
        "ended",
    ]
