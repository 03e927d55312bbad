"""What Matins reads in an inventory is what Ansible reads in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.imports import read_inventory
from orchestrator.cli.inventory.runners import runners_of
from tests.integration.ansible.conftest import tool

INI = """# a comment
lonely ansible_host=10.0.0.1
[desks]
gpu[01:03].lab ansible_user=a matins_tags="one two"
gpu04:2200 matins_watts=asleep=2,idle=60,busy=350   # after it
'gpu05' matins_home='with space'

[racks]
rack[a:b] ansible_port=22

[desks:vars]
matins_mac=aa:bb:cc:dd:ee:01
matins_tags=['desk', 'vulkan']
matins_price_per_hour=0.12

[z_outer:children]
desks
[a_outer:children]
desks
racks

[z_outer:vars]
matins_user=z
matins_key_file=/keys/z
[a_outer:vars]
matins_user=a
matins_key_file=/keys/a
matins_mac=aa:bb:cc:dd:ee:02
[all:vars]
matins_user=everyone
matins_key_file="/keys/all"
matins_sleeps=power-off
"""

YAML = """
all:
  vars: {matins_user: everyone, matins_key_file: /keys/all}
  hosts:
    lonely: {ansible_host: 10.0.0.1}
  children:
    z_outer:
      vars: {matins_user: z}
      children:
        desks:
    a_outer:
      vars: {matins_user: a, matins_mac: "aa:bb:cc:dd:ee:02"}
      children:
        desks:
          hosts:
            gpu[01:03].lab: {matins_slots: {agent: 2}}
            gpu04: {ansible_port: 2200}
          vars: {matins_tags: [desk, vulkan], matins_mac: "aa:bb:cc:dd:ee:01"}
        racks: {hosts: {racka: , rackb: }}
"""


def _bodies(file: Path, group: str) -> dict[str, dict[str, Any]]:
    bodies, problems = runners_of(read_inventory(str(file)), group)
    assert problems == []
    return {body["name"]: {key: value for key, value in body.items() if key != "line"} for body in bodies}


@pytest.mark.parametrize("group", ["all", "desks", "a_outer", "z_outer", "racks", "ungrouped"])
@pytest.mark.parametrize(("name", "text"), [("hosts.ini", INI), ("hosts.yml", YAML)])
def test_groups_variables_and_ranges_come_to_the_same(tmp_path: Path, name: str, text: str, group: str) -> None:
    file, listed = tmp_path / name, tmp_path / "listed.json"
    file.write_text(text, encoding="utf-8")
    argv = [tool("ansible-inventory"), "-i", str(file), "--list"]
    environment = {**os.environ, "ANSIBLE_HOME": str(tmp_path), "ANSIBLE_NOCOLOR": "1"}
    told = subprocess.run(argv, check=True, capture_output=True, text=True, env=environment, timeout=300)
    listed.write_text(told.stdout, encoding="utf-8")

    expected = _bodies(listed, group)
    assert expected
    assert _bodies(file, group) == expected
