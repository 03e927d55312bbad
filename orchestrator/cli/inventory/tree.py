"""An inventory as groups and hosts, and what each host's variables come to. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import Problem

ALL, UNGROUPED = "all", "ungrouped"
DEPTH_MOST = 50


@dataclass(kw_only=True)
class Group:
    """`children`: the names of its groups."""

    hosts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    children: list[str] = field(default_factory=list[str])


@dataclass(kw_only=True)
class Inventory:
    """`lines`: where a host was first named, from 1; `problems`: what could not be read."""

    groups: dict[str, Group] = field(default_factory=lambda: {ALL: Group()})
    lines: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[Problem] = field(default_factory=list[Problem])

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group())

    def add_host(self, group: str, name: str, variables: dict[str, Any], line: int) -> None:
        self.group(group).hosts.setdefault(name, {}).update(variables)
        self.lines.setdefault(name, line)

    def problem(self, line: int, message: str, remedy: str = "", where: str = "") -> None:
        self.problems.append(Problem(line=line, where=where, message=message, remedy=remedy))

    def hosts(self, group: str = ALL) -> list[str]:
        """The hosts of a group and its groups, in the order of the file."""
        if group == ALL:
            return list(self.lines)
        if group == UNGROUPED:
            grouped = self._within(set(self.groups) - {ALL, UNGROUPED})
            return [host for host in self.lines if host not in grouped]
        found = self._within(set(self._below(group)))
        return [host for host in self.lines if host in found]

    def variables(self, host: str) -> dict[str, Any]:
        """As Ansible has them: those of `all`, of its groups from the outermost in, by name within one depth, then its
        own."""
        depths = {ALL: 0} | {
            name: self._depth(name) for name in self.groups if name != ALL and host in self.hosts(name)
        }
        merged: dict[str, Any] = {}
        for name in sorted(depths, key=lambda name: (depths[name], name)):
            merged |= self.groups[name].variables
        for group in self.groups.values():
            merged |= group.hosts.get(host, {})
        return merged

    def _within(self, groups: set[str]) -> set[str]:
        return {host for name in groups if name in self.groups for host in self.groups[name].hosts}

    def _below(self, name: str) -> Iterator[str]:
        seen, waiting = set[str](), [name]
        while waiting:
            if (one := waiting.pop()) not in seen:
                seen.add(one)
                yield one
                waiting += self.groups[one].children if one in self.groups else []

    def _depth(self, name: str, bound: int = DEPTH_MOST) -> int:
        """1 for a group that only `all` has. A circle of groups is cut where the bound is."""
        parents = [other for other, group in self.groups.items() if other != ALL and name in group.children]
        return 1 + max((self._depth(parent, bound - 1) for parent in parents if bound), default=0)
