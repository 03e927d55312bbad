"""Each fault that can be ordered shows where it should, and nowhere else."""

from __future__ import annotations

import json
import time

import pytest
from wakeonlan import wake

from orchestrator.machines import agent_file
from runner_agent.protocol import Hello, from_json
from tests.components import need
from tests.fleet_lab import FAULTS, FaultName, FleetLab, LabError, Machine
from tests.integration.fleet_lab import wire
from tests.integration.fleet_lab.conftest import heard
from tests.orchestrator import wait_for

QUIET_S = 0.3
DIES_AFTER_S = 3.0


def send(lab: FleetLab, machine: Machine) -> None:
    heard(machine, lambda: lab.call(wake, machine.mac, host=lab.broadcast))


def arp(lab: FleetLab, machine: Machine) -> bool:
    return lab.call(wire.answers_arp, lab.interface, lab.address, machine.ip)


def hello(machine: Machine) -> Hello:
    """What the runner agent, pushed to the machine, says of it."""
    agent = agent_file.build()
    pushed = machine.ssh(f"cat >{agent.name}", input=agent.content, stdin=None, text=False)
    assert pushed.returncode == 0
    said = machine.ssh(
        f"mkdir -p matins && python3 -I -S {agent.name} hello --home /root/matins", input="{}", stdin=None
    )
    assert said.returncode == 0, said.stderr
    return from_json(Hello, json.loads(said.stdout))


def test_a_machine_that_never_wakes_stays_off_whatever_is_sent(lab: FleetLab, gpu01: Machine) -> None:
    gpu01.order("never-wakes")
    for _ in range(4):
        send(lab, gpu01)
    assert gpu01.power == "off"
    assert not any(packet.woke for packet in gpu01.packets[-4:])


def test_a_machine_that_wakes_on_the_third_packet_counts_anew_in_each_sleep(lab: FleetLab, gpu01: Machine) -> None:
    gpu01.order("wakes-on-third-packet")
    for sleep in (gpu01.suspend, gpu01.power_off):
        for _ in range(3):
            assert gpu01.power in ("off", "suspended")
            send(lab, gpu01)
        gpu01.wait_until("on")
        assert [packet.woke for packet in gpu01.packets[-3:]] == [False, False, True]
        sleep()


def test_a_late_sshd_leaves_arp_answered_and_the_port_shut(lab: FleetLab, gpu01: Machine) -> None:
    gpu01.order("sshd-late", seconds=6.0)
    send(lab, gpu01)
    wait_for(lambda: arp(lab, gpu01), 5, lambda: gpu01.log)
    assert gpu01.power == "booting"
    assert not lab.call(wire.opens_port, gpu01.ip)

    gpu01.wait_until("on")
    wait_for(lambda: lab.call(wire.opens_port, gpu01.ip), 5, lambda: gpu01.log)


def test_without_sshd_the_machine_never_gets_beyond_arp(lab: FleetLab, gpu01: Machine) -> None:
    gpu01.order("no-sshd")
    send(lab, gpu01)
    wait_for(lambda: arp(lab, gpu01), 5, lambda: gpu01.log)
    time.sleep(QUIET_S)
    assert gpu01.power == "booting"
    assert not lab.call(wire.opens_port, gpu01.ip)


@pytest.mark.parametrize("sleep", ["suspend", "power_off"])
def test_a_wrong_host_key_is_shown_until_the_order_is_lifted(lab: FleetLab, gpu01: Machine, sleep: str) -> None:
    gpu01.press_button()
    gpu01.wait_until("on")
    gpu01.order("wrong-host-key")
    assert gpu01.ssh("true").returncode == 0

    orders: tuple[tuple[FaultName | None, int], ...] = (("wrong-host-key", 255), (None, 0))
    for fault, status in orders:
        gpu01.order(fault)
        getattr(gpu01, sleep)()
        send(lab, gpu01)
        gpu01.wait_until("on")
        tried = gpu01.ssh("true")
        assert tried.returncode == status
        assert ("Host key verification failed" in tried.stderr) == (status == 255)


def test_without_a_vulkan_device_everything_else_is_well(lab: FleetLab, gpu01: Machine) -> None:
    need("vulkan", "bwrap")
    gpu01.press_button()
    gpu01.wait_until("on")
    healthy = hello(gpu01)
    assert healthy.gpus and healthy.gpu_problem == ""
    assert (healthy.hostname, healthy.boot_id, healthy.sandbox_problem) == ("gpu01", gpu01.boot_id, "")

    gpu01.order("no-vulkan-device")
    gpu01.suspend()
    send(lab, gpu01)
    gpu01.wait_until("on")
    blind = hello(gpu01)
    assert blind.gpus == () and blind.gpu_problem
    assert (blind.boot_id, blind.sandbox_problem) == (gpu01.boot_id, "")

    gpu01.order(None)
    gpu01.power_off()
    send(lab, gpu01)
    gpu01.wait_until("on")
    assert hello(gpu01).gpus == healthy.gpus


def test_a_machine_that_dies_mid_wake_was_up_and_is_off_again(lab: FleetLab, gpu01: Machine) -> None:
    gpu01.order("dies-mid-wake", seconds=DIES_AFTER_S)
    send(lab, gpu01)
    gpu01.wait_until("on")
    wait_for(lambda: lab.call(wire.opens_port, gpu01.ip), 5, lambda: gpu01.log)
    gpu01.wait_until("off")
    assert not arp(lab, gpu01)

    gpu01.order(None)
    send(lab, gpu01)
    gpu01.wait_until("on")
    time.sleep(DIES_AFTER_S + QUIET_S)
    assert gpu01.power == "on"


@pytest.mark.parametrize("sleep", ["suspend", "power_off"])
def test_wake_on_lan_disarmed_by_sleep_hears_packets_and_does_nothing(
    lab: FleetLab, gpu01: Machine, sleep: str
) -> None:
    gpu01.order("wol-disarmed-after-sleep")
    send(lab, gpu01)
    gpu01.wait_until("on")
    assert "Wake-on: g" in gpu01.ssh("ethtool eth0").stdout

    getattr(gpu01, sleep)()
    send(lab, gpu01)
    assert gpu01.power in ("suspended", "off")
    gpu01.press_button()
    gpu01.wait_until("on")
    assert "Wake-on: d" in gpu01.ssh("ethtool eth0").stdout


def test_a_wrong_mac_in_the_books_wakes_nobody(lab: FleetLab, gpu01: Machine) -> None:
    gpu01.order("wrong-mac")
    send(lab, gpu01)
    assert gpu01.power == "off"

    gpu01.press_button()
    gpu01.wait_until("on")
    lab.run(["ip", "neigh", "flush", "all"])
    assert gpu01.mac not in gpu01.ssh("cat /sys/class/net/eth0/address").stdout
    gpu01.order(None)
    gpu01.power_off()
    send(lab, gpu01)
    gpu01.wait_until("on")
    lab.run(["ip", "neigh", "flush", "all"])
    assert gpu01.mac in gpu01.ssh("cat /sys/class/net/eth0/address").stdout


def test_every_fault_says_what_it_is_and_others_are_refused(gpu01: Machine) -> None:
    for name, fault in FAULTS.items():
        assert len(fault.says) > 20
        gpu01.order(name)
    with pytest.raises(LabError, match="takes no seconds"):
        gpu01.order("never-wakes", seconds=1)
    with pytest.raises(LabError, match="no-such-fault"):
        gpu01.order("no-such-fault")  # type: ignore[arg-type]
