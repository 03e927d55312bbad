"""Ansible's YAML inventories, and the JSON of `ansible-inventory --list`."""

from __future__ import annotations

import json
import re
from typing import Any

from orchestrator.cli.errors import WrongInput
from orchestrator.cli.inventory.ini import HOSTS_MOST, expand
from orchestrator.cli.inventory.tree import ALL, DEPTH_MOST, UNGROUPED, Inventory

META = "_meta"


def parse_listed(text: str) -> Inventory:
    """The JSON of `ansible-inventory --list`. Raises ValueError where it is no JSON object."""
    read = json.loads(text)
    if not isinstance(read, dict):
        raise ValueError("it is no JSON object")
    found = Inventory()
    for name, group in read.items():
        if name == META or not isinstance(group, dict):
            continue
        found.group(name).children += [str(child) for child in _list(group.get("children"))]
        found.group(name).variables |= _dict(group.get("vars"))
        for host in _list(group.get("hosts")):
            found.add_host(name, str(host), {}, _line_of(text, str(host)))
    for host, variables in _dict(_dict(read.get(META)).get("hostvars")).items():
        found.add_host(UNGROUPED if host not in found.lines else ALL, host, _dict(variables), _line_of(text, host))
    return found


def parse_yaml(text: str) -> Inventory:
    """Raises WrongInput where there is no YAML in it, or no parser for YAML here."""
    try:
        import yaml
    except ImportError:
        raise WrongInput(
            "Reading YAML needs the package PyYAML, which is not installed.",
            "Or: ansible-inventory -i FILE --list | matins runner import -",
        ) from None
    try:
        read = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        found = Inventory()
        found.problem(mark.line + 1 if mark else 0, f"no YAML: {getattr(error, 'problem', None) or error}")
        return found
    found = Inventory()
    if not isinstance(read, dict):
        found.problem(1, "this is no inventory", "write groups with `hosts:` below `all:`")
        return found
    for name, group in read.items():
        _group(found, str(name), group, text, DEPTH_MOST)
    return found


def _group(found: Inventory, name: str, group: Any, text: str, bound: int) -> None:
    own = found.group(name)
    if group is None:
        return
    line = _line_of(text, name)
    if not isinstance(group, dict) or not bound:
        found.problem(line, "is no group", "write hosts:, vars: and children: below it", where=name)
        return
    for key in group:
        if key not in ("hosts", "vars", "children"):
            found.problem(_line_of(text, str(key)), f"{key!r} is no part of a group", "hosts, vars, children", name)

    def mapping(key: str, value: Any, where: str) -> dict[str, Any]:
        if value is not None and not isinstance(value, dict):
            said = f"below {key!r} is {str(value)[:80]!r}"
            found.problem(_line_of(text, key, after=line), said, "write NAME: with a colon, one a line", where)
        return _dict(value)

    own.variables |= mapping("vars", group.get("vars"), name)
    hosts = group.get("hosts")
    for host, variables in ({hosts: None} if isinstance(hosts, str) else mapping("hosts", hosts, name)).items():
        given = mapping(str(host), variables, str(host))
        place = _line_of(text, str(host), after=line)
        names = expand(str(host))
        if not names or len(names) > HOSTS_MOST:
            found.problem(place, "names no hosts, or too many", "write a range as [01:12] or [a:f]", str(host))
        for one in names[:HOSTS_MOST]:
            found.add_host(name, one, given, place)
    for child, inner in mapping("children", group.get("children"), name).items():
        own.children.append(str(child))
        _group(found, str(child), inner, text, bound - 1)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _line_of(text: str, name: str, after: int = 0) -> int:
    """The first line, below the line `after`, that names it as a key or an entry, else the first of all; 0 if its
    spelling there is another one."""
    place = re.compile(rf"""[\s\-"']*{re.escape(name)}["']?\s*(:|,|$)""")
    found = [number for number, line in enumerate(text.splitlines(), 1) if place.match(line)]
    return next((number for number in found if number > after), found[0] if found else 0)
