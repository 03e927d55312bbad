"""The roles against a machine of the lab over its SSH: what they set, and that setting it again changes nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from orchestrator.domain.runner import Address
from orchestrator.machines.ssh import SshLink
from runner_agent.protocol import DoctorRequest
from tests.fleet_lab import Machine
from tests.integration.ansible.conftest import Playbook

HOME = ".matins-runner"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The orchestrator's key for control accounts."""
    path = tmp_path / "control"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def test_a_machine_set_up_twice_changes_once_and_takes_one_key_for_one_command(
    gpu01: Machine, playbook: Playbook, key: Path
) -> None:
    gpu01.set_wol("d")
    hook = key.with_name("power-hook")
    hook.write_text("#!/bin/sh\necho watts=40\n")
    variables: dict[str, object] = {"matins_install_packages": False, "runner_power_hook": str(hook)}
    variables["matins_control_key"] = key.with_suffix(".pub").read_text()

    first = playbook.run(gpu01, **variables)
    assert (first["failed"], first["changed"] > 5) == (0, True)
    second = playbook.run(gpu01, **variables)
    assert (second["failed"], second["changed"]) == (0, 0)

    assert gpu01.wol == "g"
    link = gpu01.ssh("cat", "/etc/systemd/network/50-matins-wake-on-lan.link").stdout
    assert f"MACAddress={gpu01.mac}\n" in link and "WakeOnLan=magic\n" in link and "NamePolicy=" in link
    rules = gpu01.ssh("grep", "-v", "^#", "/etc/sudoers.d/matins-runner").stdout
    assert rules == "matins ALL=(root) NOPASSWD: /usr/bin/systemctl suspend, /usr/bin/systemctl poweroff\n"
    asks = gpu01.ssh("grep", "-v", "^#", "/etc/sudoers.d/matins-wake-on-lan").stdout
    assert asks == "matins ALL=(root) NOPASSWD: /usr/sbin/ethtool eth0\n"
    assert gpu01.ssh("stat", "-c", "%U:%a", f"/home/matins/{HOME}/power-hook").stdout == "root:755\n"

    as_matins = [part.replace("root@", "matins@") for part in gpu01.ssh_command("id")]
    as_matins[as_matins.index("-i") + 1] = str(key)
    answer = playbook.lab.run(as_matins, input="id\n", stdin=None)
    assert "the door does not know ['id']" in json.loads(answer.stdout)["error"]["message"], answer
    place = {"host": gpu01.ip, "user": "matins", "key_path": str(key), "host_key": gpu01.host_key}
    link_to_it = SshLink(Address(runner="gpu01", kind="ssh", home=HOME, **place))
    hello = playbook.lab.call(link_to_it.hello)
    assert hello.hostname == "gpu01"
    examined = playbook.lab.call(link_to_it.doctor, DoctorRequest(mac=gpu01.mac))
    results = {each.name: each for each in examined.prerequisites}
    for name in ("Wake-on-LAN armed", "Wake-on-LAN kept"):
        assert results[name].result == "pass", results[name]
    link_to_it.close()


def test_a_card_that_is_not_there_and_a_key_that_is_none_are_said_to_be_so(
    gpu01: Machine, playbook: Playbook, key: Path
) -> None:
    no_key = playbook.try_(gpu01, matins_install_packages=False, matins_control_key="ssh-ed25519 x\nssh-rsa y")
    assert no_key.returncode != 0
    assert "Set matins_control_key to the orchestrator's public key" in no_key.stdout
    variables = {"matins_install_packages": False, "matins_control_key": key.with_suffix(".pub").read_text()}
    no_card = playbook.try_(gpu01, matins_mac="02:00:00:00:00:99", **variables)
    assert no_card.returncode != 0
    assert "0 wired interfaces have the MAC 02:00:00:00:00:99" in no_card.stdout
