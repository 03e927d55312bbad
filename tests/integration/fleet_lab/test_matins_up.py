"""Matins on the orchestrator's machine of the lab, with the lab's machines as runners over SSH."""

from __future__ import annotations

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


def test_an_episode_on_a_machine_that_had_to_be_woken(
    tmp_path: Path, own_lab: FleetLab, matins: LabOrchestrator
) -> None:
    gpu01 = own_lab.machine("gpu01")
    campaign = make_toy(tmp_path / "campaigns", matins.home / "token")
    own_lab.call(wake, gpu01.mac, host=own_lab.broadcast)
    gpu01.wait_until("on")
    added = matins.add(gpu01, "--slots", "agent=2")
    assert added.returncode == 0, added.stderr

    (one,) = matins.submit(campaign, "replay:doer")
    ended = matins.wait_until_ended([one], 90)[one]
    assert (ended["phase"], ended["end_reason"], ended["items_done"], ended["runner"]) == (
        "DONE",
        "completed",
        2,
        "gpu01",
    ), ended
    assert (gpu01.home / ".matins-runner/ledger.jsonl").exists()


def test_an_episode_on_a_machine_that_falls_asleep_goes_on_once_it_wakes(
    tmp_path: Path, own_lab: FleetLab, matins: LabOrchestrator
) -> None:
    gpu01 = own_lab.machine("gpu01")
    campaign = make_toy(tmp_path / "campaigns", matins.home / "token")
    gpu01.press_button()
    gpu01.wait_until("on")
    assert matins.add(gpu01).returncode == 0
    (one,) = matins.submit(campaign, "replay:sleeper")
    wait_for(lambda: any(event["event"] == "turn-started" for event in matins.events(one)), 60, matins.tail)

    gpu01.suspend()
    wait_for(lambda: matins.get("runners/gpu01")["state"] == "unreachable", 90, matins.tail)
    gpu01.press_button()
    gpu01.wait_until("on")
    ended = matins.wait_until_ended([one], 120)[one]
    assert ended["phase"] == "DONE", ended
    assert len(ended["attempts"]) == 1
