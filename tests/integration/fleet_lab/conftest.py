"""One lab for the whole folder, and how a packet is sent so that a test can go on once its machine has heard it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from wakeonlan import wake

from tests.fleet_lab import Blueprint, FleetLab, Machine, Timing
from tests.orchestrator import wait_for

PASSWORD = "0a:1b:2c:3d:4e:5f"
NOBODY = "02:4d:41:54:00:99"


def heard(machine: Machine, send: Callable[[], object]) -> None:
    """Sends, and returns once the machine's card has heard it, so that whatever it does to the machine is done."""
    before = machine.heard
    send()
    wait_for(lambda: machine.heard > before, 10, lambda: f"{machine.name} heard nothing, and is {machine.power}")


def after_all_that_was_sent(lab: FleetLab, machine: Machine) -> None:
    """Returns once a packet that wakes nobody has come by the machine: what was sent before it has come, or never
    will."""
    heard(machine, lambda: lab.call(wake, NOBODY, host=lab.broadcast))


@pytest.fixture(scope="package")
def shared_lab() -> Iterator[FleetLab]:
    """gpu02 takes its time to fall asleep, gpu03 wants the SecureOn password."""
    blueprints = [
        Blueprint(name="gpu01", mac="02:4d:41:54:00:01", ip="10.77.0.11"),
        Blueprint(name="gpu02", mac="02:4d:41:54:00:02", ip="10.77.0.12", timing=Timing(suspend_s=1.0)),
        Blueprint(name="gpu03", mac="02:4d:41:54:00:03", ip="10.77.0.13", secureon=PASSWORD),
    ]
    with FleetLab(blueprints, uplink=True) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: FleetLab) -> FleetLab:
    """Every machine is off and in order."""
    for machine in shared_lab.machines:
        machine.order(None)
        machine.set_wol("gs" if machine.blueprint.secureon else "g")
        if machine.power != "off":
            machine.cut_power()
    return shared_lab


@pytest.fixture
def gpu01(lab: FleetLab) -> Machine:
    return lab.machine("gpu01")
