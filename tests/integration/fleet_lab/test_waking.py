"""A magic packet, sent with the package that Matins uses, wakes the machine it is for."""

from __future__ import annotations

import time

import pytest
from wakeonlan import wake

from tests.fleet_lab import FleetLab, Machine
from tests.integration.fleet_lab import wire
from tests.integration.fleet_lab.conftest import NOBODY, PASSWORD, after_all_that_was_sent, heard
from tests.orchestrator import wait_for


def powers(lab: FleetLab) -> list[str]:
    return [machine.power for machine in lab.machines]


def arp(lab: FleetLab, machine: Machine) -> bool:
    return lab.call(wire.answers_arp, lab.interface, lab.address, machine.ip)


def test_a_packet_wakes_the_machine_it_is_for_and_no_other(lab: FleetLab, gpu01: Machine) -> None:
    before, sent_at_s = len(gpu01.packets), time.time()
    lab.call(wake, gpu01.mac, host=lab.broadcast)

    gpu01.wait_until("on")
    assert powers(lab) == ["on", "off", "off"]
    packet = gpu01.packets[before]
    assert (packet.source, packet.port, packet.password, packet.woke) == (lab.address, 9, "", True)
    assert sent_at_s <= packet.at_s <= time.time()
    gpu02 = lab.machine("gpu02")
    wait_for(lambda: [stray.mac for stray in gpu02.strays][-1:] == [gpu01.mac], 10, lambda: str(gpu02.strays))
    assert gpu01.ssh("hostname").stdout == "gpu01\n"


@pytest.mark.parametrize("port", [7, 9])
def test_both_usual_ports_wake_and_others_do_not(lab: FleetLab, gpu01: Machine, port: int) -> None:
    lab.call(wake, gpu01.mac, host=lab.broadcast, port=port + 1)
    after_all_that_was_sent(lab, gpu01)
    assert gpu01.power == "off"

    lab.call(wake, gpu01.mac, host=lab.broadcast, port=port)
    gpu01.wait_until("on")
    assert gpu01.packets[-1].port == port


def test_a_bare_frame_wakes(lab: FleetLab, gpu01: Machine) -> None:
    lab.call(wire.send_bare_frame, lab.interface, gpu01.mac)
    gpu01.wait_until("on")
    assert gpu01.packets[-1].port is None


def test_a_packet_for_an_unknown_mac_wakes_nobody(lab: FleetLab, gpu01: Machine) -> None:
    for machine in lab.machines:
        after_all_that_was_sent(lab, machine)
    assert powers(lab) == ["off", "off", "off"]
    assert gpu01.strays[-1].mac == NOBODY


def test_a_broadcast_that_names_no_interface_leaves_by_the_uplink(lab: FleetLab, gpu01: Machine) -> None:
    before = len(gpu01.packets)
    lab.call(wake, gpu01.mac)
    after_all_that_was_sent(lab, gpu01)
    assert len(gpu01.packets) == before

    lab.call(wake, gpu01.mac, interface=lab.address)
    gpu01.wait_until("on")


def test_secureon_wants_its_password(lab: FleetLab) -> None:
    gpu03 = lab.machine("gpu03")
    for password in ("", "/0a:1b:2c:3d:4e:60"):
        heard(gpu03, lambda password=password: lab.call(wake, f"{gpu03.mac}{password}", host=lab.broadcast))
    assert gpu03.power == "off"

    lab.call(wake, f"{gpu03.mac}/{PASSWORD}", host=lab.broadcast)
    gpu03.wait_until("on")
    assert [packet.password for packet in gpu03.packets[-3:]] == ["", "0a:1b:2c:3d:4e:60", PASSWORD]


def test_asleep_a_machine_answers_nothing(lab: FleetLab, gpu01: Machine) -> None:
    assert not arp(lab, gpu01)
    assert not lab.call(wire.opens_port, gpu01.ip)

    gpu01.press_button()
    gpu01.wait_until("on")
    wait_for(lambda: arp(lab, gpu01), 5, lambda: gpu01.log)
    wait_for(lambda: lab.call(wire.opens_port, gpu01.ip), 5, lambda: gpu01.log)

    gpu01.suspend()
    assert not arp(lab, gpu01)
    assert not lab.call(wire.opens_port, gpu01.ip)


def test_a_packet_that_comes_while_it_falls_asleep_is_lost(lab: FleetLab) -> None:
    gpu02 = lab.machine("gpu02")
    gpu02.press_button()
    gpu02.wait_until("on")
    assert gpu02.ssh("systemctl suspend").returncode == 0
    heard(gpu02, lambda: lab.call(wake, gpu02.mac, host=lab.broadcast))
    assert gpu02.wait_until("on", "suspended") == "suspended"
    assert (gpu02.packets[-1].power, gpu02.packets[-1].woke) == ("suspending", False)


def test_wake_on_lan_disarmed_in_the_machine_keeps_it_asleep(lab: FleetLab, gpu01: Machine) -> None:
    gpu01.press_button()
    gpu01.wait_until("on")
    assert "Wake-on: g" in gpu01.ssh("ethtool eth0").stdout
    assert gpu01.ssh("ethtool -s eth0 wol d && systemctl poweroff").returncode == 0
    gpu01.wait_until("off")

    heard(gpu01, lambda: lab.call(wake, gpu01.mac, host=lab.broadcast))
    assert gpu01.power == "off"
    assert gpu01.wol == "d"
