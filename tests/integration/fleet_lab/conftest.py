from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet_lab import Blueprint, FleetLab, Machine, Timing

PASSWORD = "0a:1b:2c:3d:4e:5f"


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
