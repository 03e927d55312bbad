"""The device files of one GPU among several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner_agent.confinement import Role, plan_process
from runner_agent.control import Control, InfrastructureFault
from runner_agent.device_nodes import chosen, find, only
from runner_agent.process import Seam
from runner_agent.protocol import Gpu
from tests.unit.runner_agent.test_confinement import BOUNDS, MACHINE, WISH

AMD = ("/dev/dri/card1", "/dev/dri/renderD128")
NVIDIA = ("/dev/dri/card2", "/dev/dri/renderD129", "/dev/nvidia1")
ALL = ("/dev/dri", "/dev/kfd", "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl")


def machine(root: Path) -> Path:
    """An AMD card at renderD128, an NVIDIA card at renderD129 that NVIDIA's driver numbers 1."""
    for path in (*AMD, *NVIDIA, *ALL[1:]):
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).touch()
    for number, address in ((128, "0000:03:00.0"), (129, "0000:04:00.0")):
        (root / "sys/devices" / address).mkdir(parents=True)
        (root / f"sys/dev/char/226:{number}").mkdir(parents=True)
        (root / f"sys/dev/char/226:{number}/device").symlink_to(root / "sys/devices" / address)
    told = root / "proc/driver/nvidia/gpus/0000:04:00.0"
    told.mkdir(parents=True)
    (told / "information").write_text("Model: \t\t NVIDIA\nBus Location: \t 0000:04:00.0\nDevice Minor: \t 1\n")
    return root


def test_they_are_found_by_the_numbers_that_the_driver_tells(tmp_path: Path) -> None:
    root = machine(tmp_path)
    assert find((226, 1), (226, 128), root) == AMD
    assert find((226, 2), (226, 129), root) == NVIDIA
    assert find(None, (226, 128), root) == AMD[1:]


def test_a_device_of_software_has_none(tmp_path: Path) -> None:
    assert find(None, None, machine(tmp_path)) == ()
    assert find((226, 7), (226, 200), tmp_path) == ()


def gpu(vendor: str, nodes: tuple[str, ...], device_type: str = "discrete-gpu") -> Gpu:
    return Gpu(
        name="", vendor=vendor, device_type=device_type, driver="", vulkan_api="", device_uuid="u", vram_bytes=0,
        nodes=nodes,
    )  # fmt: skip


def test_only_one_gpu_is_shown_beside_what_all_share() -> None:
    both = gpu("NVIDIA", NVIDIA), gpu("AMD", AMD)
    assert only(ALL, both[0], both) == (*NVIDIA, "/dev/kfd", "/dev/nvidiactl")
    assert only(ALL, both[1], both) == (*AMD, "/dev/kfd", "/dev/nvidiactl")
    assert only(("/dev/dri",), gpu("Intel", AMD), ()) == AMD


def test_beside_a_device_of_software_no_other_is_shown() -> None:
    both = gpu("NVIDIA", NVIDIA), gpu("Mesa", (), "cpu")
    assert only(ALL, both[1], both) == ("/dev/kfd", "/dev/nvidia0", "/dev/nvidiactl")
    assert only(ALL, both[1], both[1:]) == ALL


def test_a_device_that_is_not_here_is_named_beside_those_that_are() -> None:
    here = gpu("AMD", AMD)
    assert chosen("u", (here,)) is here
    with pytest.raises(InfrastructureFault, match=r"device x is not here; the devices are u \(RX\)"):
        chosen("x", (replace(here, name="RX"),))
    with pytest.raises(InfrastructureFault, match="the devices are none"):
        chosen("x", ())


@pytest.mark.parametrize(("role", "holds"), [("agent", True), ("build", True), ("smoke", False), ("tool", True)])
def test_no_process_of_an_attempt_for_one_device_gets_the_files_of_another(
    tmp_path: Path, role: Role, holds: bool
) -> None:
    seam = Seam(
        machine=replace(MACHINE, devices=ALL),
        attempt_id="a",
        agent_file=tmp_path / "agent.pyz",
        bounds=BOUNDS,
        inits=tmp_path / "inits",
        control=Control(tmp_path / "cancel", 60),
        leaf=None,
    )
    own, other = gpu("AMD", AMD), replace(gpu("NVIDIA", NVIDIA), device_uuid="v")
    seam.show_only("u", (other, own))
    argv = plan_process(seam.machine, replace(WISH, role=role, gpu=holds), BOUNDS).argv
    bound = {argv[n + 1] for n, word in enumerate(argv) if word == "--dev-bind"}
    assert bound == {*AMD, "/dev/kfd", "/dev/nvidiactl"}


def test_where_its_own_files_are_not_known_nothing_is_hidden_that_may_be_one() -> None:
    unknown, unclear = gpu("Mesa", ()), gpu("NVIDIA", NVIDIA[:2])
    assert only(ALL, unknown, (gpu("AMD", AMD), unknown)) == ALL
    assert only(ALL, unclear, (gpu("AMD", AMD), unclear)) == (*NVIDIA[:2], *ALL[1:])
