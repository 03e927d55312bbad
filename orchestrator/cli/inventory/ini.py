"""Ansible's INI inventories. Not configparser's INI: a line of a group is a host with its variables, and hosts may be
ranges such as `gpu[01:12]`."""

from __future__ import annotations

import ast
import re
import shlex
from typing import Any

from orchestrator.cli.inventory.tree import UNGROUPED, Inventory

SECTION = re.compile(r"\[([^:\]]+)(?::(\w+))?\]\s*(?:[#;].*)?")
RANGE = re.compile(r"\[(\w+):(\w+)(?::(\d+))?\]")
PORT = re.compile(r"(.+):(\d+)")
HOSTS_MOST = 10_000


def parse_ini(text: str) -> Inventory:
    """What cannot be read is among its problems."""
    found = Inventory()
    group, kind = UNGROUPED, "hosts"
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if section := SECTION.fullmatch(line):
            group, kind = section[1].strip(), section[2] or "hosts"
            found.group(group)
            if kind not in ("hosts", "vars", "children"):
                found.problem(number, f"[{group}:{kind}] is no section", "write :vars, :children or nothing")
        elif line[0] == "[" and not RANGE.match(line):
            found.problem(number, f"{line[:80]!r} is no section", "write [GROUP], [GROUP:vars] or [GROUP:children]")
        elif kind == "children":
            found.group(group).children.append(line.split("#")[0].strip())
        elif kind == "vars":
            _variable(found, group, line, number)
        elif kind == "hosts":
            _host(found, group, line, number)
    return found


def _variable(found: Inventory, group: str, line: str, number: int) -> None:
    name, equals, value = line.partition("=")
    if not equals:
        found.problem(number, f"{line[:80]!r} sets nothing", "write NAME=VALUE")
        return
    found.group(group).variables[name.strip()] = _literal(value.strip())


def _host(found: Inventory, group: str, line: str, number: int) -> None:
    try:
        pattern, *given = shlex.split(line, comments=True)
    except ValueError as error:
        found.problem(number, f"{line[:80]!r} cannot be read: {error}", "close the quotes")
        return
    variables: dict[str, Any] = {}
    for part in given:
        name, equals, value = part.partition("=")
        if not equals:
            found.problem(number, f"{part!r} sets nothing", "write NAME=VALUE, with quotes around spaces")
        else:
            variables[name] = value
    if (port := PORT.fullmatch(pattern)) and not pattern.endswith("]"):
        pattern, variables = port[1], {"ansible_port": port[2]} | variables
    names = expand(pattern)
    if not names or len(names) > HOSTS_MOST:
        found.problem(number, f"{pattern!r} names no hosts, or too many", "write a range as [01:12] or [a:f]")
    for name in names[:HOSTS_MOST]:
        found.add_host(group, name, variables, number)


def expand(pattern: str) -> list[str]:
    """`gpu[01:03]` as gpu01, gpu02, gpu03; both ends count. Empty where a range makes no sense."""
    part = RANGE.search(pattern)
    if part is None:
        return [pattern]
    first, last, step = part[1], part[2], int(part[3] or 1)
    if first.isdecimal() and last.isdecimal() and step and int(last) - int(first) < HOSTS_MOST * step:
        middle = [f"{n:0{len(first)}}" for n in range(int(first), int(last) + 1, step)]
    elif len(first) == len(last) == 1 and first.isascii() and last.isascii() and step:
        middle = [chr(n) for n in range(ord(first), ord(last) + 1, step)]
    else:
        return []
    ends = expand(pattern[part.end() :])
    return [f"{pattern[: part.start()]}{one}{end}" for one in middle for end in ends]


def _literal(value: str) -> Any:
    """A value of a :vars section: quotes are taken off, lists are lists, and all else is text."""
    try:
        read = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    return read if isinstance(read, str | list) else value
