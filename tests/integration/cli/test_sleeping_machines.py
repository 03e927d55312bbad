"""An operator's day with a machine that sleeps: the command line, a real orchestrator, and the lab's machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet_lab import FleetLab, Machine
from tests.fleet_lab.orchestrator import LabOrchestrator
from tests.orchestrator import wait_for

STAGES = ["packet", "link", "tcp", "ssh", "boot-id", "hello"]


@pytest.fixture
def lab() -> Iterator[FleetLab]:
    with FleetLab(2) as made:
        yield made


@pytest.fixture
def matins(tmp_path: Path, lab: FleetLab) -> Iterator[LabOrchestrator]:
    running = LabOrchestrator(lab, tmp_path / "home", tick_s="0.3", observe_s="0.3")
    try:
        yield running.start()
    finally:
        running.stop()


def _inventory(lab: FleetLab) -> str:
    hosts = [
        f'{each.name} ansible_host={each.ip} matins_mac={each.mac} matins_host_key="{each.host_key}"'
        for each in lab.machines
    ]
    shared = [
        f"matins_user={Machine.user}",
        f"matins_key_file={lab.key}",
        f"matins_broadcast={lab.broadcast}",
        f"matins_interface={lab.interface}",
        "matins_sleeps=power-off",
    ]
    return "\n".join(["[matins_runners]", *hosts, "[matins_runners:vars]", *shared, ""])


def test_imported_woken_examined_and_put_to_sleep_again(tmp_path: Path, lab: FleetLab, matins: LabOrchestrator) -> None:
    gpu01, gpu02 = lab.machines
    hosts = tmp_path / "hosts.ini"
    hosts.write_text(_inventory(lab), encoding="utf-8")
    imported = matins.matins("runner", "import", str(hosts), "--json")
    assert imported.returncode == 0, imported.stderr
    assert [each["import"] for each in json.loads(imported.stdout)] == ["added", "added"]

    woken = matins.matins("runner", "wake", "gpu01", "--wait", "60", "--json")
    assert woken.returncode == 0, woken.stderr + matins.tail()
    assert [stage["name"] for stage in json.loads(woken.stdout)["stages"]] == STAGES
    assert gpu01.power == "on" and gpu01.packets[0].woke

    examined = matins.matins("runner", "doctor", "gpu01", "--json")
    results = {each["name"]: each["result"] for each in json.loads(examined.stdout)["prerequisites"]}
    assert (results["connection"], results["Wake-on-LAN armed"]) == ("pass", "pass")

    gpu02.order("no-sshd")
    mute = matins.matins("runner", "wake", "gpu02", "--wait", "5")
    assert mute.returncode == 1
    assert mute.stdout == "gpu02  waking: it waits for its SSH port\n"
    top = matins.matins("top").stdout
    (line,) = [line for line in top.splitlines() if line.startswith("gpu02")]
    assert "it waits for its SSH port" in line

    asked = matins.matins("runner", "sleep", "gpu01")
    assert (asked.returncode, asked.stdout) == (0, "gpu01  suspending\n"), asked.stderr
    wait_for(lambda: matins.get("runners/gpu01")["state"] == "asleep", 60, matins.tail)
    gpu01.wait_until("off")
    removed = matins.matins("runner", "remove", "gpu01")
    assert removed.stdout == "gpu01  retired\n", removed.stderr
