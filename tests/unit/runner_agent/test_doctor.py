"""Each prerequisite of a runner, judged by what was found."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from orchestrator.machines import agent_file
from orchestrator.machines.fake_parts import HELLO
from runner_agent import doctor, examination, locks
from runner_agent.detach import Surroundings
from runner_agent.doctor import Energy, Facts
from runner_agent.home import Home
from runner_agent.protocol import Gpu, Prerequisite, SuspendRefusal
from runner_agent.refusal import Refused

CARD = Gpu(
    name="AMD Radeon RX 7900 XTX", vendor="AMD", device_type="discrete-gpu", driver="radv Mesa 24.2",
    vulkan_api="1.3.289", device_uuid="00000000-0300-0000-0000-000000000000", vram_bytes=24 << 30,
)  # fmt: skip
TOOLS = {"git": "2.39.5", "cargo": "1.90.0", "rustc": "1.90.0"}
FORK = Surroundings(booted=True, systemd_run="/usr/bin/systemd-run", uid=1000, lingers=False, own_manager=True)
GOOD = Facts(
    hello=replace(HELLO, gpus=(CARD,), tools=TOOLS, disk_free_bytes=100 << 30),
    account="matins",
    no_power="",
    sleep_states="freeze mem disk\n",
    wake_on_lan="armed",
    kept_by="/etc/systemd/network/50-matins-wol.link",
    closed=(),
    interface="eth0",
    board="ASRock X670E",
    clock_offset_s=0.2,
    surroundings=replace(FORK, lingers=True),
    energy=Energy(counted=("package:package-0", "gpu:card0")),
    hook="/home/matins/.matins-runner/power-hook",
)


def told(facts: Facts, name: str) -> Prerequisite:
    return next(row for row in doctor.judge(facts) if row.name == name)


def hello(**changes: Any) -> Facts:
    return replace(GOOD, hello=replace(GOOD.hello, **changes))


def counts(**found: Any) -> Facts:
    return replace(GOOD, energy=Energy(**found))


def test_a_machine_in_order_passes_in_all_but_what_only_a_wake_can_prove() -> None:
    assert {row.name: row.result for row in doctor.judge(GOOD)} == {
        **dict.fromkeys(doctor.ROWS, "pass"),
        "firmware": "unknown",
    }


def test_whatever_does_not_pass_has_a_remedy_and_whatever_passes_has_none() -> None:
    for facts, *_ in FOUND:
        for row in doctor.judge(facts):
            assert bool(row.remedy) == (row.result != "pass"), row
            assert row.found


FOUND = [
    (replace(GOOD, no_power="there is no systemctl"), "power command", "fail", "there is no systemctl"),
    (replace(GOOD, sleep_states="freeze\n"), "suspend", "fail", "the kernel offers: freeze"),
    (replace(GOOD, sleep_states="\n"), "suspend", "fail", "the kernel offers: no sleep at all"),
    (replace(GOOD, sleep_states=None), "suspend", "unknown", "/sys/power/state cannot be read"),
    (replace(GOOD, wake_on_lan="disarmed: eth0 has `Wake-on: d`"), "Wake-on-LAN armed", "fail", "eth0 has"),
    (replace(GOOD, wake_on_lan="unknown: there is no ethtool to ask"), "Wake-on-LAN armed", "unknown", "no ethtool"),
    (replace(GOOD, kept_by=""), "Wake-on-LAN kept", "fail", "no file was found"),
    (replace(GOOD, kept_by="", closed=("/etc/x.nmconnection",)), "Wake-on-LAN kept", "unknown", "/etc/x.nmconnection"),
    (GOOD, "firmware", "unknown", "ASRock X670E does not say it"),
    (hello(gpus=(), gpu_problem="the Vulkan loader is not installed"), "Vulkan device", "fail", "loader"),
    (hello(gpus=(replace(CARD, device_type="cpu"),)), "Vulkan device", "unknown", "only a software device"),
    (hello(disk_free_bytes=(20 << 30) - 1), "disk", "fail", "20.0 GiB free"),
    (hello(disk_free_bytes=20 << 30), "disk", "pass", "20.0 GiB free"),
    (replace(GOOD, clock_offset_s=-5.0), "clock", "pass", "-5.0 s"),
    (replace(GOOD, clock_offset_s=-5.1), "clock", "fail", "-5.1 s"),
    (replace(GOOD, clock_offset_s=None), "clock", "unknown", "not compared"),
    (hello(tools={"cargo": "1"}), "toolchain", "fail", "cargo 1"),
    (hello(tools={"git": "2"}), "toolchain", "unknown", "no cargo and no rustc"),
    (hello(quiescence="process-scan"), "cgroups", "fail", "scan of processes"),
    (hello(sandbox="", sandbox_problem="bubblewrap is missing"), "sandbox", "fail", "bubblewrap is missing"),
    (replace(GOOD, surroundings=FORK), "detached", "fail", "systemd may end"),
    (replace(GOOD, surroundings=replace(FORK, uid=0)), "detached", "pass", "system unit"),
    (replace(GOOD, surroundings=replace(FORK, booted=False)), "detached", "pass", "without systemd"),
    (GOOD, "energy", "pass", "measured by package:package-0, gpu:card0; the rest is configured watts"),
    (counts(counted=("plug",), whole=True), "energy", "pass", "measured by plug; the whole machine"),
    (counts(), "energy", "unknown", "nothing here counts it"),
    (counts(counted=("gpu:card0",), closed=("package:package-0",)), "energy", "unknown", "only root may read package"),
    (counts(counted=("gpu:card0",), problem="power-hook: it printed 'x'"), "energy", "fail", "it printed 'x'"),
    (counts(silent="its instruments could not be asked"), "energy", "unknown", "could not be asked"),
]


@pytest.mark.parametrize(("facts", "name", "result", "found"), FOUND)
def test_each_prerequisite_is_judged_by_what_was_found(facts: Facts, name: str, result: str, found: str) -> None:
    row = told(facts, name)
    assert row.result == result
    assert found in row.found


def test_the_remedies_name_the_account_and_the_interface() -> None:
    assert "matins ALL=(root) NOPASSWD" in told(replace(GOOD, no_power="none"), "power command").remedy
    assert (
        told(replace(GOOD, wake_on_lan="disarmed: d"), "Wake-on-LAN armed").remedy == "as root: ethtool -s eth0 wol g"
    )


def test_the_remedies_of_energy_name_the_account_and_the_hook() -> None:
    assert "chown matins %S%p/energy_uj" in told(counts(closed=("package:package-0",)), "energy").remedy
    assert "/home/matins/.matins-runner/power-hook" in told(counts(), "energy").remedy
    assert "matins or root" in told(counts(problem="broken"), "energy").remedy


def test_the_instruments_are_asked_in_a_process_of_their_own(tmp_path: Path) -> None:
    hook = Home(tmp_path).power_hook
    hook.write_text("#!/bin/sh\necho watts=5\n")
    hook.chmod(0o755)
    agent = agent_file.place(agent_file.build(), tmp_path / "agent")
    found = examination.energy(Home(tmp_path), agent)
    assert (found.whole, found.silent) == (True, "")
    assert "could not be asked" in examination.energy(Home(tmp_path), tmp_path / "absent.pyz").silent


def test_a_sampler_that_hangs_is_named_and_nobody_else_is_sent_after_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.meter.touch()
    os.utime(home.meter, (1, 1))
    handle = locks.take(home.meter_lock)
    locks.sign(handle)
    assert f"process {os.getpid()}, which samples" in examination.energy(home, tmp_path / "absent.pyz").silent
    locks.release(handle)
    assert "could not be asked" in examination.energy(home, tmp_path / "absent.pyz").silent


def test_clocks_are_compared_where_the_asker_tells_its_time() -> None:
    assert examination.offset_s("", 1000.0) is None
    assert examination.offset_s("1970-01-01T00:16:37.500Z", 1000.0) == 2.5
    for wrong in ("noon", "1970-01-01T00:16:37.500"):
        with pytest.raises(Refused):
            examination.offset_s(wrong, 1000.0)


def test_the_page_names_each_prerequisite_and_each_refusal_of_sleep() -> None:
    page = (Path(__file__).parents[3] / "docs/doctor.md").read_text(encoding="utf-8")
    first = [line.split("|")[1].strip(" `") for line in page.splitlines() if line.startswith("| ")]
    named = [cell for cell in first if cell not in ("prerequisite", "refusal")]
    assert named == ["connection", *doctor.ROWS, *get_args(SuspendRefusal)]
