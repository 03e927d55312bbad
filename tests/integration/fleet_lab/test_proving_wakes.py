"""What Matins says of a wake, for each fault that can be ordered. All machines are woken at once, so that the test
takes as long as the slowest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestrator.domain.runner import Address
from orchestrator.domain.wake import ORDER, GpuNeed, SleepKind, WakeAttempt, WakeRecord, WakeStage
from orchestrator.machines.ssh import SshLink
from orchestrator.machines.ssh_connect import connect, shut
from orchestrator.machines.wake_probe import MachineSenses, prove
from orchestrator.machines.wol import WakeTarget
from tests.components import need
from tests.fleet_lab import FAULTS, FaultName, FleetLab, Machine

SLICE_S = 1.0
DEADLINE_S = 120.0
PATIENCE_S = 6.0

# Where each wake has to fail, and words of the reason; None: it succeeds. What dies may be missed at any step.
ANYWHERE = (WakeStage.LINK, WakeStage.TCP, WakeStage.SSH, WakeStage.BOOT_ID, WakeStage.HELLO)
ENDS: dict[FaultName | None, tuple[tuple[WakeStage, ...], str] | None] = {
    None: None,
    "wakes-on-third-packet": None,
    "sshd-late": None,
    "wol-disarmed-after-sleep": ((WakeStage.LINK,), "no answer to ARP"),
    "never-wakes": ((WakeStage.LINK,), "no answer to ARP"),
    "wrong-mac": ((WakeStage.LINK,), "no answer to ARP"),
    "no-sshd": ((WakeStage.TCP,), "the SSH port does not answer"),
    "wrong-host-key": ((WakeStage.SSH,), "was pinned"),
    "dies-mid-wake": (ANYWHERE, ""),
    "no-vulkan-device": ((WakeStage.VULKAN,), "no Vulkan device"),
}


@pytest.fixture(scope="module")
def records() -> Iterator[dict[FaultName | None, tuple[WakeRecord, Machine]]]:
    need("vulkan", "bwrap")
    with FleetLab(len(ENDS)) as lab, ThreadPoolExecutor(len(ENDS)) as pool:
        machines = dict(zip(ENDS, lab.machines, strict=True))
        disarmed = machines["wol-disarmed-after-sleep"]
        disarmed.press_button()
        disarmed.wait_until("on")
        for fault, machine in machines.items():
            machine.order(fault, seconds=2.0 if fault == "sshd-late" else None)
        disarmed.power_off()
        wakes = {fault: pool.submit(lab.call, wake, lab, machine, fault) for fault, machine in machines.items()}
        yield {fault: (wakes[fault].result(), machine) for fault, machine in machines.items()}


def wake(lab: FleetLab, machine: Machine, fault: FaultName | None) -> WakeRecord:
    address = Address(
        runner=machine.name,
        kind="ssh",
        host=machine.ip,
        port=machine.ssh_port,
        user=machine.user,
        key_path=str(lab.key),
        host_key=machine.host_key,
        home=".matins-runner",
    )
    senses = MachineSenses(
        address,
        WakeTarget(mac=machine.mac, broadcast=lab.broadcast, interface=lab.interface),
        SshLink(address),
        lambda limit_s: shut(connect(address, limit_s)),
        GpuNeed.ANY,
    )
    left: WakeAttempt | WakeRecord = WakeAttempt(
        runner=machine.name,
        slept=SleepKind.POWER_OFF,
        started_at=datetime.now(UTC),
        deadline_s=DEADLINE_S,
        gpu=GpuNeed.ANY,
    )
    while isinstance(left, WakeAttempt):
        left = prove(left, senses, lambda: datetime.now(UTC), time.sleep, SLICE_S)
        if isinstance(left, WakeAttempt) and hangs(left, fault):
            left = replace(left, deadline_s=0.0)
    return left


def hangs(wake: WakeAttempt, fault: FaultName | None) -> bool:
    """Whether it waits for what will not come: a busy machine is given time for all that will."""
    end = ENDS[fault]
    awaited = ORDER[len(wake.came)]
    age_s = (datetime.now(UTC) - wake.started_at).total_seconds()
    return end is not None and awaited in end[0] and bool(wake.missing) and age_s > PATIENCE_S


def test_every_fault_is_woken_here() -> None:
    assert {fault for fault in ENDS if fault} == set(FAULTS)


@pytest.mark.parametrize("fault", list(ENDS), ids=[fault or "in order" for fault in ENDS])
def test_a_wake_ends_where_its_fault_lies(
    records: dict[FaultName | None, tuple[WakeRecord, Machine]], fault: FaultName | None
) -> None:
    record, machine = records[fault]
    end = ENDS[fault]
    if end is None:
        assert (record.failed_stage, record.reason) == (None, "")
        assert [time.stage for time in record.stages] == list(WakeStage)
        assert record.boot_id == machine.boot_id
    else:
        stages, words = end
        assert record.failed_stage in stages
        assert words in record.reason
    assert len(machine.packets) == record.packets
    assert {packet.port for packet in machine.packets} == {7, 9}
