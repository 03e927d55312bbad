"""Matins wakes machines of the lab for episodes, and lets them sleep when there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.components import need
from tests.fleet_lab import FleetLab
from tests.integration.fleet_lab.power_rig import DOWN_S, UP_S, Sleepers, all_asleep
from tests.integration.service.toy import make_toy
from tests.orchestrator import wait_for

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


@pytest.mark.fault(3)
@pytest.mark.timeout(600)
def test_a_server_that_dies_while_it_wakes_or_lets_sleep_goes_on_where_it_was(
    tmp_path: Path, own_lab: FleetLab, matins: Sleepers
) -> None:
    campaign = make_toy(tmp_path / "campaigns", matins.home / "token")
    gpu01 = own_lab.machine("gpu01")
    gpu01.press_button()
    gpu01.wait_until("on")
    matins.stop()
    dies_at(matins, "act-suspend-before-call", lambda: matins.add_sleeper(gpu01))
    assert gpu01.power == "on"
    dies_at(matins, "act-suspend-after-call")
    gpu01.wait_until("off")
    matins.start()
    matins.wait_for_state(gpu01, "asleep")
    matins.stop()

    asked: list[str] = []
    dies_at(matins, "act-wake-before-look", lambda: asked.extend(matins.submit(campaign, "replay:doer")))
    assert not gpu01.packets
    dies_at(matins, "act-wake-after-look")
    assert gpu01.packets
    matins.start()
    ended = matins.wait_until_ended(asked, EPISODES_S)[asked[0]]
    assert ended["phase"] == "DONE", ended
    assert [attempt["fence"] for attempt in ended["attempts"]] == [1]
    assert [told["packets"] > 0 for told in matins.told("gpu01", "woken")][:1] == [True]


def dies_at(matins: Sleepers, point: str, act: Callable[[], object] = lambda: None) -> None:
    """A server that kills itself once it comes by that point, for which `act` may be what it takes."""
    server = matins.parts[0]
    server.start(failpoints=f"{point}=kill")
    wait_for(lambda: not server.runs() or matins.answers(), UP_S, server.tail)
    act()
    wait_for(lambda: not server.runs(), UP_S, lambda: f"it never came to {point}\n{server.tail()}")
