"""What the devices of a machine are told apart by."""

from dataclasses import replace

from runner_agent.device_tags import drivers_fingerprint
from runner_agent.protocol import Gpu

RADEON = Gpu(
    name="AMD Radeon RX 7900 XTX",
    vendor="AMD",
    device_type="discrete-gpu",
    driver="radv Mesa 24.1.0",
    vulkan_api="1.3.278",
    device_uuid="00000000-0300-0000-0000-000000000000",
    vram_bytes=24 << 30,
)
OTHER = replace(RADEON, device_uuid="00000000-0400-0000-0000-000000000000")


def test_the_drivers_of_a_machine_are_named_with_their_devices():
    assert drivers_fingerprint([RADEON]) == "radv Mesa 24.1.0 on 00000000-0300-0000-0000-000000000000"


def test_the_order_in_which_devices_are_told_does_not_matter():
    assert drivers_fingerprint([RADEON, OTHER]) == drivers_fingerprint([OTHER, RADEON])


def test_another_driver_or_another_device_is_another_fingerprint():
    newer = replace(RADEON, driver="radv Mesa 24.1.1")
    found = [drivers_fingerprint(gpus) for gpus in ([RADEON], [newer], [OTHER], [RADEON, OTHER], [])]
    assert len(set(found)) == len(found)


def test_what_a_driver_does_not_decide_leaves_it_alone():
    moved = replace(RADEON, nodes=("/dev/dri/renderD129",), vram_bytes=1)
    assert drivers_fingerprint([moved]) == drivers_fingerprint([RADEON])


def test_a_machine_without_a_device_has_an_empty_one():
    assert drivers_fingerprint([]) == ""
