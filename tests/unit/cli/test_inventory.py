"""Ansible inventories as runners: what they come to, and that every problem is said with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.errors import WrongInput
from orchestrator.cli.imports import read_inventory
from orchestrator.cli.inventory.ini import expand, parse_ini
from orchestrator.cli.inventory.runners import runners_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG8+v+oyplBbSeUkAVIqAT2ZOJ77Ww7R22gJmAWn6TTc"
EXPECTED: dict[str, Any] = {
    "name": "gpu01",
    "kind": "ssh",
    "host": "10.0.0.2",
    "port": 2222,
    "user": "matins",
    "key_path": "/keys/matins",
    "host_key": KEY,
    "mac": "aa:bb:cc:dd:ee:01",
    "tags": ["rdna3", "vulkan"],
    "slots": {"agent": 2, "build": 1, "buffer": 3},
    "watts": {"asleep": 2.0, "idle": 60.0, "busy": 350.0, "rest": 40.0},
}

INI = f"""
; the desks
[matins_runners]
gpu01.lab ansible_host=10.0.0.2 ansible_port=2222 matins_mac=aa:bb:cc:dd:ee:01 matins_host_key="{KEY}"  # first

[others]
web ansible_host=10.0.0.9

[matins_runners:vars]
matins_tags=['rdna3', 'vulkan']
matins_slots=agent=2,build=1,buffer=3
matins_watts=asleep=2,idle=60,busy=350,rest=40
ansible_user=admin
matins_user=matins

[machines:children]
matins_runners
others

[machines:vars]
ansible_user=root
matins_key_file=/keys/matins
"""

YAML = f"""
all:
  children:
    machines:
      vars: {{ansible_user: root, matins_key_file: /keys/matins}}
      children:
        matins_runners:
          hosts:
            gpu01.lab:
              ansible_host: 10.0.0.2
              ansible_port: 2222
              matins_mac: "aa:bb:cc:dd:ee:01"
              matins_host_key: {KEY}
          vars:
            matins_tags: [rdna3, vulkan]
            matins_slots: {{agent: 2, build: 1, buffer: 3}}
            matins_watts: {{asleep: 2, idle: 60, busy: 350, rest: 40}}
            ansible_user: admin
            matins_user: matins
        others:
          hosts:
            web: {{ansible_host: 10.0.0.9}}
"""

VARIABLES = {
    "ansible_host": "10.0.0.2",
    "ansible_port": 2222,
    "ansible_user": "admin",
    "matins_user": "matins",
    "matins_key_file": "/keys/matins",
    "matins_mac": "aa:bb:cc:dd:ee:01",
    "matins_host_key": KEY,
    "matins_tags": ["rdna3", "vulkan"],
    "matins_slots": "agent=2,build=1,buffer=3",
    "matins_watts": "asleep=2,idle=60,busy=350,rest=40",
}
LISTED = json.dumps(
    {
        "_meta": {"hostvars": {"gpu01.lab": VARIABLES, "web": {"ansible_host": "10.0.0.9"}}},
        "all": {"children": ["ungrouped", "matins_runners", "others"]},
        "matins_runners": {"hosts": ["gpu01.lab"]},
        "others": {"hosts": ["web"]},
    },
    indent=2,
)


@pytest.mark.parametrize(("name", "text"), [("hosts", INI), ("hosts.yml", YAML), ("hosts.json", LISTED)])
def test_each_form_of_an_inventory_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    inventory = read_inventory(str(file))
    bodies, problems = runners_of(inventory, "matins_runners")
    assert problems == []
    (body,) = bodies
    line = body.pop("line")
    assert body == EXPECTED
    assert "gpu01.lab" in text.splitlines()[line - 1]
    assert inventory.hosts() == ["gpu01.lab", "web"]


def test_every_problem_of_every_host_is_said_with_its_line() -> None:
    text = """gpu01 matins_macc=1 ansible_port=ssh
gpu02 matins_key_file=k matins_user=m matins_price_per_hour=-1 matins_name="{{ x }}" loose
[broken
[group:nonsense]
[g:vars]
loose
[h]
gpu02.lab matins_key_file=k matins_user=m matins_slots=agent=1.5
gpu[9:1] matins_user=m
"""
    _, problems = runners_of(parse_ini(text), "all")
    said = [(problem.line, problem.message) for problem in problems]
    for line, words in (
        (1, "matins_macc is no variable"),
        (1, "ansible_port is 'ssh'"),
        (1, "there is no account"),
        (1, "there is no key"),
        (2, "matins_price_per_hour is '-1'"),
        (2, "matins_name is a template"),
        (2, "'loose' sets nothing"),
        (3, "is no section"),
        (4, "is no section"),
        (6, "'loose' sets nothing"),
        (8, "matins_slots is 'agent=1.5'"),
        (8, "names a runner 'gpu02' already"),
        (9, "names no hosts"),
    ):
        assert any(at == line and words in message for at, message in said), (line, words, said)
    assert all(problem.remedy for problem in problems)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("gpu", ["gpu"]),
        ("gpu[01:03]", ["gpu01", "gpu02", "gpu03"]),
        ("[a:c]-[1:2].lab", ["a-1.lab", "a-2.lab", "b-1.lab", "b-2.lab", "c-1.lab", "c-2.lab"]),
        ("gpu[0:6:3]", ["gpu0", "gpu3", "gpu6"]),
        ("gpu[1:999999999]", []),
        ("gpu[ab:c]", []),
    ],
)
def test_ranges_are_as_ansible_has_them(pattern: str, names: list[str]) -> None:
    assert expand(pattern) == names


def test_a_machine_of_its_own_and_a_port_in_a_name_are_understood() -> None:
    bodies, problems = runners_of(
        parse_ini("here ansible_connection=local\ngpu:2200 matins_user=m matins_key_file=/k"), "all"
    )
    assert problems == []
    assert bodies[0] == {"name": "here", "kind": "local", "line": 1}
    assert (bodies[1]["name"], bodies[1]["host"], bodies[1]["port"]) == ("gpu", "gpu", 2200)


def test_a_circle_of_groups_comes_to_an_end() -> None:
    inventory = parse_ini("[a:children]\nb\n[b:children]\na\n[b]\ngpu\n[a:vars]\nx=1\n")
    assert inventory.hosts("a") == ["gpu"]
    assert inventory.variables("gpu") == {"x": "1"}


@pytest.mark.parametrize("text", ["all:\n  hosts: [", "- a\n- b\n---\n", "all: 3\n", "all:\n  hots:\n    a:\n"])
def test_yaml_that_is_no_inventory_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(text, encoding="utf-8")
    assert read_inventory(str(file)).problems


ODD = """all:
  vars: 3
  hosts:
    a:
    b: text
  children:
    gpus:
      hosts:
        - c
        - d
    more:
      children: 7
    range:
      hosts:
        gpu[3:1]:
"""


def test_each_part_of_yaml_that_has_the_wrong_form_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "hosts.yml"
    file.write_text(ODD, encoding="utf-8")
    inventory = read_inventory(str(file))
    told = [(problem.line, problem.where, problem.message) for problem in inventory.problems]
    assert told == [
        (2, "all", "below 'vars' is '3'"),
        (5, "b", "below 'b' is 'text'"),
        (8, "gpus", "below 'hosts' is \"['c', 'd']\""),
        (12, "more", "below 'children' is '7'"),
        (15, "gpu[3:1]", "names no hosts, or too many"),
    ]
    assert inventory.hosts() == ["a", "b"]


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_wrong_input(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "hosts"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WrongInput):
        read_inventory(str(file))


@given(st.text(max_size=200))
def test_whatever_stands_in_it_is_read_or_said_to_be_wrong(text: str) -> None:
    inventory = parse_ini(text)
    bodies, _ = runners_of(inventory, "all")
    assert len(bodies) == len(inventory.hosts())
