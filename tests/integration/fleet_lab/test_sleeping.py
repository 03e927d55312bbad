"""Suspended, a machine stands still and goes on where it was; off, everything in it is dead and it boots anew."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from wakeonlan import wake

from tests.fleet_lab import FleetLab, Machine
from tests.orchestrator import wait_for

COUNTER = "setsid sh -c 'while :; do echo x >>/root/beats; sleep 0.02; done' >/dev/null 2>&1 </dev/null &"
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


@pytest.fixture
def counting(gpu01: Machine) -> Path:
    """gpu01 is on, and a process in it that left its session behind counts in this file."""
    gpu01.press_button()
    gpu01.wait_until("on")
    beats = gpu01.home / "beats"
    beats.unlink(missing_ok=True)
    assert gpu01.ssh(COUNTER).returncode == 0
    wait_for(lambda: beats.exists() and beats.stat().st_size > 4, 10, lambda: gpu01.log)
    return beats


def grows(path: Path, within_s: float) -> bool:
    size, deadline = path.stat().st_size, time.monotonic() + within_s
    while time.monotonic() < deadline:
        if path.stat().st_size > size:
            return True
        time.sleep(0.01)
    return False


def test_suspend_freezes_every_process_and_waking_goes_on_in_the_same_boot(
    lab: FleetLab, gpu01: Machine, counting: Path
) -> None:
    before = gpu01.ssh(BOOT_ID).stdout
    assert gpu01.ssh("systemctl suspend").returncode == 0
    gpu01.wait_until("suspended")
    assert not grows(counting, 0.3)

    lab.call(wake, gpu01.mac, host=lab.broadcast)
    gpu01.wait_until("on")
    assert grows(counting, 60)
    assert gpu01.ssh(BOOT_ID).stdout == before == f"{gpu01.boot_id}\n"


def test_power_off_kills_what_was_detached_and_the_next_boot_has_another_id(
    lab: FleetLab, gpu01: Machine, counting: Path
) -> None:
    before = gpu01.ssh(BOOT_ID).stdout
    assert gpu01.ssh("touch /tmp/gone /root/kept && systemctl poweroff").returncode == 0
    gpu01.wait_until("off")
    assert not grows(counting, 0.3)

    lab.call(wake, gpu01.mac, host=lab.broadcast)
    gpu01.wait_until("on")
    assert not grows(counting, 0.3)
    assert gpu01.ssh(BOOT_ID).stdout == f"{gpu01.boot_id}\n" != before
    assert gpu01.ssh("ls /tmp /root/kept").stdout == "/root/kept\n\n/tmp:\n"
    assert gpu01.ssh("pgrep -c sleep").stdout == "0\n"


def test_a_reboot_comes_back_by_itself_with_another_boot_id(gpu01: Machine) -> None:
    gpu01.press_button()
    gpu01.wait_until("on")
    before = gpu01.boot_id
    assert gpu01.ssh("systemctl reboot").returncode == 0
    wait_for(lambda: gpu01.power == "on" and gpu01.boot_id != before, 10, lambda: gpu01.log)


def test_a_session_outlives_a_short_suspend(lab: FleetLab, gpu01: Machine) -> None:
    gpu01.press_button()
    gpu01.wait_until("on")
    argv = gpu01.ssh_command("echo there; read line; echo got $line")
    with lab.spawn(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None and session.stdout.readline() == "there\n"
        gpu01.suspend()
        lab.call(wake, gpu01.mac, host=lab.broadcast)
        gpu01.wait_until("on")
        assert session.communicate("it\n", timeout=150)[0] == "got it\n"


def test_a_machine_whose_plug_is_pulled_says_no_farewell(lab: FleetLab, gpu01: Machine) -> None:
    gpu01.press_button()
    gpu01.wait_until("on")
    with lab.spawn(gpu01.ssh_command("echo there; sleep 60"), stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None and session.stdout.readline() == "there\n"
        gpu01.cut_power()
        assert gpu01.power == "off"
        with pytest.raises(subprocess.TimeoutExpired):
            session.wait(timeout=0.5)
        session.kill()


def test_machines_share_nothing_that_they_write(lab: FleetLab, gpu01: Machine) -> None:
    gpu02 = lab.machine("gpu02")
    for machine in (gpu01, gpu02):
        machine.press_button()
    for machine in (gpu01, gpu02):
        machine.wait_until("on")
    written = "/etc/only-here /usr/only-here /var/only-here /root/only-here /tmp/only-here /run/only-here"
    assert gpu01.ssh(f"touch {written}").returncode == 0
    for path in written.split():
        assert not Path(path).exists()
    assert gpu02.ssh(f"ls {written}").stdout == ""
    assert gpu01.ssh("sh -c 'echo 1 >/proc/sys/kernel/panic'").returncode != 0
