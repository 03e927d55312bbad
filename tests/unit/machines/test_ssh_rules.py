"""What may stand in the address of a runner over SSH, and what is sent to it."""

from __future__ import annotations

import ast
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.domain.runner import Address
from orchestrator.errors import LINK_ERRORS, BadInput
from orchestrator.machines import door, host_keys, ssh
from runner_agent import protocol

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG8+v+oyplBbSeUkAVIqAT2ZOJ77Ww7R22gJmAWn6TTc"
GOOD = Address(
    runner="gpu1", kind="ssh", host="gpu1.lan", user="matins", key_path="/k", host_key=ED25519, home=".matins-runner"
)


@pytest.mark.parametrize("host", ["gpu1", "10.0.0.2", "fe80::1%eth0", "::1", "a-b.example"])
@pytest.mark.parametrize("home", ["/srv/matins", ".matins-runner", "a/b_c.d"])
def test_plain_addresses_are_taken(host: str, home: str) -> None:
    ssh.check(replace(GOOD, host=host, home=home))


@pytest.mark.parametrize(
    "change",
    [
        {"host": ""},
        {"host": "-oProxyCommand=x"},
        {"host": "a b"},
        {"host": "a\nb"},
        {"host": "a;b"},
        {"user": ""},
        {"user": "-l"},
        {"user": "a b"},
        {"user": "$(id)"},
        {"home": ""},
        {"home": "~/x"},
        {"home": "-x"},
        {"home": "/a/../b"},
        {"home": ".."},
        {"home": "/a b"},
        {"home": "/a'b"},
        {"home": "/a\n"},
        {"home": "/$HOME"},
        {"port": 0},
        {"port": 65536},
        {"host_key": ""},
        {"host_key": "ssh-ed25519"},
        {"host_key": "ssh-dss AAAAB3NzaC1kc3M="},
        {"host_key": "ssh-ed25519 nonsense!"},
        {"host_key": f"ssh-rsa {ED25519.split()[1]}"},
        {"host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"},
    ],
    ids=str,
)
def test_anything_odd_in_an_address_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        ssh.check(replace(GOOD, **change))  # pyright: ignore[reportArgumentType]


def test_a_host_key_reads_as_openssh_shows_it() -> None:
    key = host_keys.read(f"{ED25519} root@gpu1")
    assert key.text == ED25519
    # As `ssh-keygen -lf` says.
    assert key.fingerprint == "SHA256:f4FT1waam8JMnXwzMHYA4lCk41wFV5wIo1fe2HjbrXo"


def test_the_command_is_one_program_with_the_home_as_its_only_word() -> None:
    words = shlex.split(ssh.command("/srv/matins"))
    assert words[:4] == ["python3", "-I", "-S", "-c"]
    assert words[5:] == ["/srv/matins"]
    assert words[4] == Path(door.__file__).read_text()


def test_the_door_knows_the_protocol_and_can_be_read_by_an_old_python() -> None:
    assert (door.VERBS, door.SCHEMA) == (protocol.VERBS, protocol.SCHEMA)
    ast.parse(Path(door.__file__).read_text(), feature_version=(3, 7))
    imported = {
        alias.name
        for node in ast.walk(ast.parse(Path(door.__file__).read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert imported <= sys.stdlib_module_names


def test_each_kind_of_link_error_is_described() -> None:
    page = (Path(__file__).parents[3] / "docs" / "runners.md").read_text("utf-8")
    lines = page.split("## Errors of the link")[1].splitlines()
    described = dict(line.strip("| ").split(" | ") for line in lines if line.startswith("| `"))
    assert {name.strip("`"): means for name, means in described.items()} == LINK_ERRORS
