"""The runners of an inventory as the API takes them. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cli.errors import WrongInput
from orchestrator.cli.gpus import FORM, gpu
from orchestrator.cli.inventory.tree import Inventory
from orchestrator.cli.runners import WATTS, pairs, whole
from orchestrator.errors import Problem

FOR_ROLES = frozenset({"matins_control_key", "matins_install_packages"})
"""What only the roles in ansible/ ask for."""


def _text(value: Any) -> str:
    return str(value).strip()


def _port(value: Any) -> int:
    port = int(str(value))
    if not 1 <= port <= 65535:
        raise ValueError
    return port


def _number(value: Any) -> float:
    number = float(str(value))
    if not 0 <= number < float("inf"):
        raise ValueError
    return number


def _words(value: Any) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else re.split(r"[,\s]+", _text(value).strip(", "))


def _key(value: Any) -> str:
    return str(Path(_text(value)).expanduser().absolute())


def _pairs(*known: str) -> Callable[[Any], dict[str, float]]:
    def read(value: Any) -> dict[str, float]:
        if isinstance(value, dict):
            value = ",".join(f"{name}={amount}" for name, amount in value.items())
        return pairs(str(value), "this", known)

    return read


def _slots(value: Any) -> dict[str, int]:
    return {name: whole(name, amount) for name, amount in _pairs("agent", "build", "buffer")(value).items()}


def _gpus(value: Any) -> list[dict[str, Any]]:
    return [gpu(str(part)) for part in (value if isinstance(value, list) else _text(value).split(";"))]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """`names`: the first that is set counts. `form` completes "write …"."""

    field: str
    names: tuple[str, ...]
    form: str
    read: Callable[[Any], Any] = _text


VARIABLES = (
    Variable(field="name", names=("matins_name",), form="a-z, 0-9 and -"),
    Variable(field="host", names=("ansible_host", "ansible_ssh_host"), form="a name or an address"),
    Variable(field="port", names=("ansible_port", "ansible_ssh_port"), form="1 to 65535", read=_port),
    Variable(field="user", names=("matins_user", "ansible_user", "ansible_ssh_user"), form="an account"),
    Variable(
        field="key_path",
        names=("matins_key_file", "ansible_ssh_private_key_file"),
        form="a private key file of this machine",
        read=_key,
    ),
    Variable(field="host_key", names=("matins_host_key",), form='"TYPE BASE64"'),
    Variable(field="home", names=("matins_home",), form="a folder"),
    Variable(field="mac", names=("matins_mac",), form="aa:bb:cc:dd:ee:ff"),
    Variable(field="broadcast", names=("matins_broadcast",), form="an IPv4 address"),
    Variable(field="interface", names=("matins_interface",), form="an interface of the orchestrator's machine"),
    Variable(field="secureon", names=("matins_secureon",), form="aa:bb:cc:dd:ee:ff"),
    Variable(field="sleeps", names=("matins_sleeps",), form="suspend or power-off"),
    Variable(field="tags", names=("matins_tags",), form="a list, or words", read=_words),
    Variable(field="slots", names=("matins_slots",), form="agent=N,build=N,buffer=N", read=_slots),
    Variable(field="price_per_hour", names=("matins_price_per_hour",), form="a number", read=_number),
    Variable(field="watts", names=("matins_watts",), form="asleep=W,idle=W,busy=W,rest=W", read=_pairs(*WATTS)),
    Variable(field="price_per_kwh", names=("matins_price_per_kwh",), form="a number", read=_number),
    Variable(field="gpus", names=("matins_gpus",), form=f"a list of {FORM}, or these with ; between them", read=_gpus),
)

KNOWN = frozenset(name for variable in VARIABLES for name in variable.names) | FOR_ROLES


def runners_of(inventory: Inventory, group: str) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The API's form of each host of the group, and all that is wrong with any; a host with problems is among them
    still, so that the API can say what else is."""
    bodies: list[dict[str, Any]] = []
    problems = list(inventory.problems)
    for host in inventory.hosts(group):
        body, wrong = _runner(host, inventory.variables(host), inventory.lines[host])
        bodies.append(body)
        problems += wrong
    return bodies, problems + list(_doubles(bodies))


def _runner(host: str, variables: dict[str, Any], line: int) -> tuple[dict[str, Any], list[Problem]]:
    local = variables.get("ansible_connection") == "local"
    body: dict[str, Any] = {"name": host.partition(".")[0], "kind": "local" if local else "ssh", "line": line}
    problems: list[Problem] = []

    def wrong(message: str, remedy: str) -> None:
        problems.append(Problem(line=line, where=host, message=message, remedy=remedy))

    for name in variables:
        if name.startswith("matins_") and name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, 1)
            wrong(f"{name} is no variable of Matins", f"did you mean {near[0]}?" if near else "leave it out")
    for variable in VARIABLES:
        name = next((name for name in variable.names if variables.get(name) not in (None, "")), None)
        if name is None or (local and name.startswith("ansible_")):
            continue
        value = variables[name]
        if isinstance(value, str) and "{{" in value:
            wrong(f"{name} is a template, which only Ansible can fill in", "ansible-inventory -i FILE --list prints it")
            continue
        try:
            body[variable.field] = variable.read(value)
        except (ValueError, WrongInput):
            wrong(f"{name} is {str(value)[:80]!r}", f"write {variable.form}")
    if not local:
        body.setdefault("host", host)
        if "user" not in body:
            wrong("nobody can log in: there is no account", "set matins_user or ansible_user")
        if "key_path" not in body:
            wrong("nobody can log in: there is no key", "set matins_key_file or ansible_ssh_private_key_file")
    return body, problems


def _doubles(bodies: list[dict[str, Any]]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for body in bodies:
        name = body["name"]
        if name in seen:
            message = f"line {seen[name]} names a runner {name!r} already"
            yield Problem(line=body["line"], where=name, message=message, remedy="set matins_name to tell them apart")
        seen.setdefault(name, body["line"])
