"""The collection as users get it, built and installed, and a machine of the lab for it to set up."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.components import need
from tests.fleet_lab import FleetLab, Machine

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / ".venv-ansible/bin"
RECAP = re.compile(r"^gpu01\s+: (.*)$", re.MULTILINE)


def tool(name: str) -> str:
    """One of Ansible's programs: that of `make ansible`, else whatever is on PATH."""
    own = TOOLS / name
    if not own.exists():
        need(name)
    return str(own) if own.exists() else str(shutil.which(name))


@dataclass(frozen=True, kw_only=True)
class Playbook:
    """Runs the collection's playbook against one machine, from the orchestrator's place in the lab."""

    lab: FleetLab
    folder: Path
    environment: dict[str, str]

    def run(self, machine: Machine, **variables: object) -> dict[str, int]:
        """What the recap counts. `variables` go before all others."""
        ended = self.try_(machine, **variables)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return self.counts(ended)

    def try_(self, machine: Machine, **variables: object) -> subprocess.CompletedProcess[str]:
        command = machine.ssh_command()
        options = shlex.join(command[1 : command.index(f"{machine.user}@{machine.ip}")])
        inventory = self.folder / "hosts.ini"
        inventory.write_text(
            "[matins_runners]\n"
            f"{machine.name} ansible_host={machine.ip} ansible_user={machine.user} matins_mac={machine.mac}\n"
        )
        argv = [tool("ansible-playbook"), "-i", str(inventory), "matins.fleet.runner"]
        argv += ["-e", json.dumps({"ansible_ssh_common_args": options, **variables})]
        return self.lab.run(argv, env=self.environment, cwd=self.folder, limit_s=600)

    @staticmethod
    def counts(ended: subprocess.CompletedProcess[str]) -> dict[str, int]:
        (recap,) = RECAP.findall(ended.stdout)
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", recap)}


@pytest.fixture(scope="package")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collections")
    environment = {**os.environ, "ANSIBLE_HOME": str(folder / "home")}
    galaxy = [tool("ansible-galaxy"), "collection"]
    build = [*galaxy, "build", str(ROOT / "ansible"), "--output-path", str(folder)]
    subprocess.run(build, check=True, env=environment, capture_output=True, timeout=300)
    (built,) = folder.glob("matins-fleet-*.tar.gz")
    install = [*galaxy, "install", "--offline", "-p", str(folder), str(built)]
    subprocess.run(install, check=True, env=environment, capture_output=True, timeout=300)
    return folder


@pytest.fixture
def lab() -> Iterator[FleetLab]:
    with FleetLab(1, power="on") as lab:
        yield lab


@pytest.fixture
def gpu01(lab: FleetLab) -> Machine:
    return lab.machine("gpu01")


@pytest.fixture
def playbook(lab: FleetLab, collections: Path, tmp_path: Path) -> Playbook:
    environment = {
        **os.environ,
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/local/bin/python3",
    }
    return Playbook(lab=lab, folder=tmp_path, environment=environment)
