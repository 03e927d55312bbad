"""What a runner says of itself."""

import dataclasses
import os
from pathlib import Path

import pytest

from runner_agent import boot, hello, protocol

CPU = protocol.Gpu(
    name="llvmpipe",
    vendor="Mesa",
    device_type="cpu",
    driver="llvmpipe Mesa 22.3.6",
    vulkan_api="1.3.230",
    device_uuid="6d657361-3232-2e33-2e36-000000000000",
    vram_bytes=2 << 30,
)
RADEON = dataclasses.replace(CPU, vendor="AMD", device_type="discrete-gpu", driver="radv Mesa 24.1.0")


def test_a_machine_without_a_device_has_no_vulkan_tag():
    assert hello.tags((), {"git": "2.39.5"}, "x86_64") == ("git", "linux", "x86_64")


def test_a_software_device_is_vulkan_but_no_gpu():
    found = hello.tags((CPU,), {}, "x86_64")
    assert {"vulkan", "llvmpipe"} <= set(found)
    assert not {"gpu", "mesa", "cpu"} & set(found)


def test_a_real_device_is_a_gpu_of_its_vendor():
    assert {"vulkan", "gpu", "discrete-gpu", "amd", "radv"} <= set(hello.tags((CPU, RADEON), {}, "x86_64"))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("git version 2.39.5", "2.39.5"),
        ("cargo 1.97.0-nightly (4d1f98451 2026-05-15)", "1.97.0-nightly"),
        ("bubblewrap 0.8.0\n", "0.8.0"),
        ("Glslang Version: 11:12.0.0\nESSL Version: …", "12.0.0"),
        ("no idea\n", "no idea"),
        ("", ""),
    ],
)
def test_versions_are_found_in_what_tools_tell(text: str, version: str):
    assert hello.first_version(text) == version


def test_a_tool_that_is_not_there_tells_nothing():
    assert hello.tool_version("no-such-tool", os.defpath) == ""


def test_a_tool_is_looked_for_where_commands_of_an_episode_find_it(tmp_path: Path):
    cargo = tmp_path / "cargo"
    cargo.write_text("#!/bin/sh\necho cargo 1.90.0\n")
    cargo.chmod(0o755)
    assert hello.tool_version("cargo", f"/usr/bin:{tmp_path}") == "1.90.0"


def test_the_system_is_named_by_its_distribution_and_kernel():
    release = 'NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
    assert hello.os_name(release, "6.1.0") == "Debian GNU/Linux 12 (bookworm), kernel 6.1.0"
    assert hello.os_name("", "6.1.0") == "Linux, kernel 6.1.0"


def test_hello_is_whole_even_where_the_driver_cannot_be_asked(tmp_path: Path):
    told = hello.hello(tmp_path, "/nowhere.pyz", "0.1.0", ("a",), "bwrap", "", "process-scan", os.defpath, {})
    assert told.gpus == ()
    assert told.gpu_problem.startswith("asking the Vulkan driver ended with exit status 2")
    assert told.memory_bytes > 0 and told.disk_free_bytes > 0 and told.cpus > 0
    assert told.boot_id == boot.boot_id() != ""
    assert told.tools["git"]
    assert told.wake_on_lan.split(":")[0] in ("armed", "disarmed", "unknown")
    assert protocol.from_json(protocol.Hello, protocol.to_json(told)) == told
