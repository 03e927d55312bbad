"""Matins wakes machines of the lab for episodes, and lets them sleep when there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.domain.wake import SleepKind
from tests.components import need
from tests.fleet_lab import FleetLab
from tests.integration.fleet_lab.power_rig import DOWN_S, OFF, QUICK, UP_S, Sleepers, all_asleep
from tests.integration.service.toy import make_toy
from tests.orchestrator import wait_for

EPISODES_S = 180.0
SLEEPS = {"gpu01": SleepKind.POWER_OFF, "gpu02": SleepKind.SUSPEND, "gpu03": SleepKind.POWER_OFF}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service-power")


@pytest.fixture(scope="module")
def own_lab(folder: Path) -> Iterator[FleetLab]:
    need("bwrap", "git", "vulkan")
    with FleetLab(len(SLEEPS), shared=[folder]) as lab:
        yield lab


@pytest.fixture(scope="module")
def matins(folder: Path, own_lab: FleetLab) -> Iterator[Sleepers]:
    """It has let all machines sleep, as nobody needs them."""
    running = Sleepers(own_lab, folder / "home", agents_path=str(folder / "campaigns" / "agents"), **QUICK)
    try:
        running.start()
        all_asleep(running, own_lab.machines, SLEEPS)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def campaign(folder: Path, matins: Sleepers) -> Path:
    return make_toy(folder / "campaigns", matins.home / "token")


@pytest.mark.timeout(1200)
def test_three_episodes_wake_three_machines_which_then_sleep_until_the_next_one(
    own_lab: FleetLab, matins: Sleepers, campaign: Path
) -> None:
    assert not any(machine.packets for machine in own_lab.machines)
    three = matins.submit(campaign, "replay:sleeper", "replay:sleeper", "replay:sleeper")
    ended = matins.wait_until_ended(three, EPISODES_S)
    assert {episode["phase"] for episode in ended.values()} == {"DONE"}, ended
    assert {attempt["fence"] for episode in ended.values() for attempt in episode["attempts"]} == {1}
    for machine in own_lab.machines:
        (woke,) = [packet for packet in machine.packets if packet.woke][:1]
        assert (woke.power, woke.port in (7, 9)) == (OFF[SLEEPS[machine.name]], True)
        (woken,) = matins.told(machine.name, "woken")[:1]
        assert woken["packets"] > 0

    asleep_again(matins, own_lab)
    before = sum(len(matins.told(machine.name, "woken")) for machine in own_lab.machines)
    again = matins.submit(campaign, "replay:doer")
    assert matins.wait_until_ended(again, EPISODES_S)[again[0]]["phase"] == "DONE"
    assert sum(len(matins.told(machine.name, "woken")) for machine in own_lab.machines) == before + 1


@pytest.mark.fault(3)
@pytest.mark.timeout(1200)
def test_a_server_that_dies_while_it_wakes_or_lets_sleep_goes_on_where_it_was(
    own_lab: FleetLab, matins: Sleepers, campaign: Path
) -> None:
    gpu01, *others = own_lab.machines
    asleep_again(matins, own_lab)
    for machine in others:
        matins.post(f"runners/{machine.name}/drain", by="ada")
    heard, woken = len(gpu01.packets), len(matins.told("gpu01", "woken"))
    matins.stop()

    asked: list[str] = []
    dies_at(matins, "act-wake-before-look", lambda: asked.extend(matins.submit(campaign, "replay:doer")))
    assert len(gpu01.packets) == heard
    dies_at(matins, "act-wake-after-look")
    assert len(gpu01.packets) > heard
    # It proves the wake, has the episode done, and then would let the machine sleep.
    dies_at(matins, "act-suspend-before-call", limit_s=EPISODES_S)
    assert gpu01.power == "on"
    dies_at(matins, "act-suspend-after-call")
    gpu01.wait_until("off")

    matins.start()
    matins.wait_for_state(gpu01, "asleep")
    ended = matins.episode(asked[0])
    assert ended["phase"] == "DONE", ended
    assert [attempt["fence"] for attempt in ended["attempts"]] == [1]
    (proven,) = matins.told("gpu01", "woken")[woken:]
    assert proven["packets"] > 0


def asleep_again(matins: Sleepers, lab: FleetLab) -> None:
    for machine in lab.machines:
        matins.wait_for_state(machine, "asleep", limit_s=DOWN_S)
        machine.wait_until(OFF[SLEEPS[machine.name]])


def dies_at(matins: Sleepers, point: str, act: Callable[[], object] = lambda: None, limit_s: float = UP_S) -> None:
    """A server that kills itself once it comes by that point, for which `act` may be what it takes."""
    server = matins.parts[0]
    server.start(failpoints=f"{point}=kill")
    wait_for(lambda: not server.runs() or matins.answers(), UP_S, server.tail)
    act()
    wait_for(lambda: not server.runs(), limit_s, lambda: f"it never came to {point}\n{server.tail()}")
