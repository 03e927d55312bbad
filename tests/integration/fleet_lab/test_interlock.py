"""The interlock on machines over SSH: what keeps one awake, that one which said yes really sleeps, and that a launch
and a suspend at once never both win."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from wakeonlan import wake

from orchestrator.domain.runner import Address
from orchestrator.errors import LinkRefused
from orchestrator.machines.ssh import SshLink
from runner_agent.protocol import AttemptRequest, DoctorRequest, LaunchSpec, ReportRequest, SuspendRequest
from tests.components import need
from tests.fleet_lab import FleetLab, Machine
from tests.integration.runner_agent.rig import Rig
from tests.orchestrator import wait_for

RACES = 4
LIMIT_S = 8.0
"""A sleeping machine of the lab does not stop CLOCK_MONOTONIC, so only its age makes a mark void there."""


@pytest.fixture(scope="module")
def own_lab() -> Iterator[FleetLab]:
    need("bwrap", "git")
    with FleetLab(1) as lab:
        yield lab


@pytest.fixture
def gpu01(own_lab: FleetLab) -> Machine:
    machine = own_lab.machines[0]
    machine.set_wol("g")
    if machine.power == "off":
        machine.press_button()
    machine.wait_until("on")
    return machine


def connect(lab: FleetLab, machine: Machine) -> SshLink:
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
    return SshLink(address)


def wish(token: str, how: Literal["suspend", "power-off"] = "suspend") -> SuspendRequest:
    return SuspendRequest(how=how, token=token, limit_s=LIMIT_S)


def spec(folder: Path, name: str) -> LaunchSpec:
    """An attempt that begins and soon ends: there is no repository."""
    return Rig(root=folder, link=None, commit="0" * 40).spec(name)  # type: ignore[arg-type]  it only makes the spec


def settle(lab: FleetLab, link: SshLink, launched: LaunchSpec) -> None:
    """The attempt is over, collected and forgotten."""
    asked = AttemptRequest(attempt_id=launched.attempt_id, episode_id=launched.episode_id, fence=launched.fence)

    def phase() -> str:
        attempts = lab.call(link.report, ReportRequest(cursors={})).attempts
        return next(each.phase for each in attempts if each.attempt_id == launched.attempt_id)

    wait_for(lambda: phase() in ("exited", "dead"), 30, phase)
    lab.call(link.acknowledge, asked)


def launches(lab: FleetLab, link: SshLink, wanted: LaunchSpec) -> str:
    try:
        return lab.call(link.launch, wanted).phase
    except LinkRefused as refused:
        return refused.refusal


def test_an_open_login_and_a_disarmed_card_keep_a_machine_awake(own_lab: FleetLab, gpu01: Machine) -> None:
    ours, another = connect(own_lab, gpu01), connect(own_lab, gpu01)
    assert own_lab.call(another.hello).wake_on_lan == "armed"
    with own_lab.spawn(gpu01.ssh_command("echo there; sleep 60"), stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None and session.stdout.readline() == "there\n"
        answer = own_lab.call(ours.suspend, wish("one"))
        session.kill()
    assert answer.refusals == ("operator-login",)
    assert "root over ssh, running" in answer.why[0]
    gpu01.ssh("pkill sleep")

    gpu01.set_wol("d")
    assert own_lab.call(another.hello).wake_on_lan == "disarmed: eth0 has `Wake-on: d`"
    assert own_lab.call(ours.suspend, wish("two")).refusals == ("wake-not-armed",)
    rows = {row.name: row for row in own_lab.call(ours.doctor, DoctorRequest()).prerequisites}
    assert rows["Wake-on-LAN armed"].result == "fail"
    assert rows["Wake-on-LAN armed"].remedy == "as root: ethtool -s eth0 wol g"
    assert gpu01.power == "on"
    another.close()
    ours.close()


def test_a_machine_that_said_yes_is_off_and_takes_attempts_at_once_in_its_next_boot(
    own_lab: FleetLab, gpu01: Machine, tmp_path: Path
) -> None:
    link, idle = connect(own_lab, gpu01), connect(own_lab, gpu01)
    before = own_lab.call(idle.hello).boot_id
    # The other link's connection stays open, and is nobody's login.
    long = replace(wish("off", "power-off"), limit_s=600.0)
    assert own_lab.call(link.suspend, long).accepted
    assert launches(own_lab, link, spec(tmp_path, "too-late")) == "suspending"
    gpu01.wait_until("off")
    link.close()
    idle.close()

    own_lab.call(wake, gpu01.mac, host=own_lab.broadcast)
    gpu01.wait_until("on")
    anew = connect(own_lab, gpu01)
    assert own_lab.call(anew.hello).boot_id != before
    assert launches(own_lab, anew, spec(tmp_path, "next-boot")) == "running"
    settle(own_lab, anew, spec(tmp_path, "next-boot"))
    anew.close()


@pytest.mark.fault(24)
def test_of_a_launch_and_a_suspend_at_once_over_ssh_exactly_one_wins(
    own_lab: FleetLab, gpu01: Machine, tmp_path: Path
) -> None:
    chance = random.Random(24)
    for run in range(RACES):
        wanted, first = spec(tmp_path, f"race-{run}"), chance.choice(("launch", "suspend"))
        links = connect(own_lab, gpu01), connect(own_lab, gpu01)
        for link in links:
            own_lab.call(link.report, ReportRequest(cursors={}))
        acts = {
            "launch": lambda link=links[0], wanted=wanted: launches(own_lab, link, wanted),
            "suspend": lambda link=links[1], run=run: own_lab.call(link.suspend, wish(f"race-{run}")),
        }
        with ThreadPoolExecutor(2) as pool:
            going = {name: pool.submit(acts[name]) for name in sorted(acts, key=lambda name: name != first)}
            launched, answer = going["launch"].result(), going["suspend"].result()
        for link in links:
            link.close()
        if answer.accepted:
            assert launched == "suspending"
            gpu01.wait_until("suspended")
            own_lab.call(wake, gpu01.mac, host=own_lab.broadcast)
            gpu01.wait_until("on")
        else:
            assert (launched, gpu01.power) == ("running", "on")
            assert set(answer.refusals) <= {"live-attempt", "launch-in-progress", "unacknowledged-result"}
        after = connect(own_lab, gpu01)
        wait_for(lambda after=after, wanted=wanted: launches(own_lab, after, wanted) != "suspending", 20, lambda: "")
        settle(own_lab, after, wanted)
        after.close()
