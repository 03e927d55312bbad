"""The device files of one GPU among several."""

from __future__ import annotations

from pathlib import Path

from runner_agent.device_nodes import find, only
from runner_agent.protocol import Gpu

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


def gpu(vendor: str, nodes: tuple[str, ...]) -> Gpu:
    return Gpu(
        name="", vendor=vendor, device_type="discrete-gpu", driver="", vulkan_api="", device_uuid="u", vram_bytes=0,
        nodes=nodes,
    )  # fmt: skip


def test_only_one_gpu_is_shown_beside_what_all_share() -> None:
    assert only(ALL, gpu("NVIDIA", NVIDIA)) == (*NVIDIA, "/dev/kfd", "/dev/nvidiactl")
    assert only(ALL, gpu("AMD", AMD)) == (*AMD, "/dev/kfd", "/dev/nvidiactl")
    assert only(("/dev/dri",), gpu("Intel", AMD)) == AMD


def test_where_its_own_files_are_not_known_nothing_is_hidden_that_may_be_one() -> None:
    assert only(ALL, gpu("Mesa", ())) == ALL
    assert only(ALL, gpu("NVIDIA", NVIDIA[:2])) == (*NVIDIA[:2], *ALL[1:])
