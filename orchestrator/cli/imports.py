"""`matins runner import`"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from orchestrator.cli import terminal
from orchestrator.cli.answers import Runner, listed
from orchestrator.cli.client import Client
from orchestrator.cli.connection import connection
from orchestrator.cli.errors import Failed, WrongInput
from orchestrator.cli.inventory.ini import parse_ini
from orchestrator.cli.inventory.runners import runners_of
from orchestrator.cli.inventory.structured import parse_listed, parse_yaml
from orchestrator.cli.inventory.tree import ALL, UNGROUPED, Inventory
from orchestrator.cli.render import values
from orchestrator.cli.render.tables import Column, show_table
from orchestrator.cli.runners import RUNNERS, offered_key
from orchestrator.errors import Problem

FILE_BYTES_MOST = 8 << 20
COLUMNS = (Column(title="NAME"), Column(title="IMPORT"), Column(title="STATE"), Column(title="HOST", cut=True))


def import_runners(file: str, group: str, *, as_json: bool) -> None:
    """Adds all of them, or says all that is wrong and adds none. Raises WrongInput and Failed."""
    inventory = read_inventory(file)
    if group not in (ALL, UNGROUPED, *inventory.groups):
        known = ", ".join(sorted(set(inventory.groups) - {ALL})) or "none"
        raise WrongInput(f"{file} has no group {group!r}.", f"It has: {known}.", file=file)
    bodies, problems = runners_of(inventory, group)
    if not bodies and not problems:
        raise WrongInput(f"{file} names no hosts.", "Write one a line, or name another group.", file=file)
    with Client(connection()) as client:
        problems += _checked(client, bodies)
        keyless = [body for body in bodies if body["kind"] == "ssh" and "host_key" not in body]
        if problems:
            raise WrongInput(f"{file} has problems.", "", _sorted(problems), file)
        _confirm(client, keyless, file)
        answer = client.post(f"{RUNNERS}/import", {"runners": bodies}, file=file)
    added = zip(listed(Runner, answer, "runners"), answer["runners"], strict=True)
    if as_json:
        terminal.data_json(answer["runners"])
    else:
        rows = [[each.name, str(raw.get("import")), each.state, values.text(each.host)] for each, raw in added]
        show_table(COLUMNS, rows)


def read_inventory(file: str) -> Inventory:
    """By what it looks like: JSON begins with a brace, YAML ends in .yml or .yaml or has `all:`. Raises WrongInput."""
    text = _text(file)
    first = next((line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    if first.startswith("{"):
        try:
            return parse_listed(text)
        except ValueError as error:
            raise WrongInput(f"{file}: no JSON: {error}", "Give what `ansible-inventory --list` prints.") from None
    looks_like_yaml = first == "---" or first.endswith(":")
    return parse_yaml(text) if looks_like_yaml or file.endswith((".yml", ".yaml")) else parse_ini(text)


def _text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read(FILE_BYTES_MOST + 1) if file == "-" else _bytes(Path(file))
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WrongInput(f"{file}: not UTF-8 text (byte {error.start})", "Save the file as UTF-8.") from None
    except (OSError, ValueError) as error:
        raise WrongInput(f"{file} cannot be read: {error}", "Name an Ansible inventory.") from None
    if len(content) > FILE_BYTES_MOST:
        raise WrongInput(f"{file} is larger than {FILE_BYTES_MOST >> 20} MiB", "Name an Ansible inventory.")
    return text


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise OSError("there is no such file" if not path.exists() else "it is no file; name one inventory file")
    with path.open("rb") as opened:
        return opened.read(FILE_BYTES_MOST + 1)


def _checked(client: Client, bodies: list[dict[str, Any]]) -> list[Problem]:
    """What the orchestrator finds wrong. What the file lacks was said already, so it is not asked about."""
    complete = [body for body in bodies if body["kind"] == "local" or {"user", "key_path"} <= body.keys()]
    try:
        client.post(f"{RUNNERS}/import", {"runners": complete, "check": True})
    except WrongInput as error:
        if not error.problems:
            raise
        return list(error.problems)
    return []


def _confirm(client: Client, keyless: list[dict[str, Any]], file: str) -> None:
    """Fills in the host keys that hosts offer and somebody at a terminal confirms; all that cannot be is said."""
    problems: list[Problem] = []
    for body in keyless:
        place = {"line": body["line"], "where": body["name"]}
        try:
            key = offered_key(client, body["host"], body.get("port", 22))
        except Failed as error:
            problems.append(Problem(**place, message=error.message, remedy="set matins_host_key"))
            continue
        if not sys.stdin.isatty():
            message = "its host key was not given, and nobody is there to confirm it"
            problems.append(Problem(**place, message=message, remedy=f'if it is right: matins_host_key="{key}"'))
        elif terminal.confirm(f"Is this the key of {body['name']}, to be pinned?"):
            body["host_key"] = key
        else:
            problems.append(Problem(**place, message="its host key was not confirmed", remedy="nothing was added"))
    if problems:
        raise WrongInput(f"{file} has problems.", "", _sorted(problems), file)


def _sorted(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.line))
