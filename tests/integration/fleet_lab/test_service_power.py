"""Matins wakes machines of the lab for episodes, and lets them sleep when there are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components import need
from tests.fleet_lab import FleetLab
from tests.integration.fleet_lab.power_rig import DOWN_S, Sleepers, all_asleep
from tests.integration.service.toy import make_toy

EPISODES_S = 180.0


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[FleetLab]:
    need("bwrap", "git", "vulkan")
    with FleetLab(3, shared=[tmp_path]) as lab:
        yield lab


@pytest.fixture
def matins(tmp_path: Path, own_lab: FleetLab) -> Iterator[Sleepers]:
    running = Sleepers(
        own_lab,
        tmp_path / "home",
        agents_path=str(tmp_path / "campaigns" / "agents"),
        tick_s="0.3",
        observe_s="0.3",
        sleep_rule="fixed",
        sleep_idle_s="1",
    )
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.mark.timeout(600)
def test_three_episodes_wake_three_machines_which_then_sleep_until_the_next_one(
    tmp_path: Path, own_lab: FleetLab, matins: Sleepers
) -> None:
    campaign = make_toy(tmp_path / "campaigns", matins.home / "token")
    all_asleep(matins, own_lab)
    assert not any(machine.packets for machine in own_lab.machines)

    three = matins.submit(campaign, "replay:sleeper", "replay:sleeper", "replay:sleeper")
    ended = matins.wait_until_ended(three, EPISODES_S)
    assert {episode["phase"] for episode in ended.values()} == {"DONE"}, ended
    for machine in own_lab.machines:
        assert {packet.port for packet in machine.packets if packet.woke or packet.power != "on"} <= {7, 9}
        assert any(packet.woke for packet in machine.packets)
        (woken,) = matins.told(machine.name, "woken")[:1]
        assert woken["packets"] > 0

    for machine in own_lab.machines:
        matins.wait_for_state(machine, "asleep", limit_s=DOWN_S)
        machine.wait_until("off")
    before = sum(len(matins.told(machine.name, "woken")) for machine in own_lab.machines)
    again = matins.submit(campaign, "replay:doer")
    assert matins.wait_until_ended(again, EPISODES_S)[again[0]]["phase"] == "DONE"
    assert sum(len(matins.told(machine.name, "woken")) for machine in own_lab.machines) == before + 1
