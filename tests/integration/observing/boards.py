"""The expressions of the dashboards as Grafana would send them: its variables filled in by what Prometheus knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.observers import Prometheus
from tests.unit.grafana.reading import DASHBOARDS, panels

OF_GRAFANA = {"$__rate_interval": "30s", "$__range": "1h", "$__interval": "5s"}
"""For scrapes every second, and of one exporter every five."""

LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One expression of a panel. `kind` and `unit` are Grafana's words; `states`: word and colour of a value."""

    dashboard: str
    panel: str
    kind: str
    unit: str
    legend: str
    expression: str
    states: dict[float, tuple[str, str]]

    @property
    def where(self) -> str:
        return f"{self.dashboard}: {self.panel}"


def questions(prometheus: Prometheus, prefer: str) -> Iterator[Question]:
    """Of all panels. Where one value of a variable is chosen it is `prefer`, if that is among them."""
    for dashboard in DASHBOARDS.values():
        values = _values(prometheus, dashboard, prefer)
        for panel in panels(dashboard):
            defaults = panel.get("fieldConfig", {}).get("defaults", {})
            for target in panel["targets"]:
                yield Question(
                    dashboard=dashboard["title"],
                    panel=panel["title"],
                    kind=panel["type"],
                    unit=defaults.get("unit", ""),
                    legend=target.get("legendFormat", ""),
                    expression=filled_in(target["expr"], values),
                    states=_states(defaults),
                )


def _states(defaults: dict[str, Any]) -> dict[float, tuple[str, str]]:
    options = [mapping["options"] for mapping in defaults.get("mappings", ()) if mapping["type"] == "value"]
    return {float(value): (to["text"], to.get("color", "")) for each in options for value, to in each.items()}


def filled_in(text: str, values: dict[str, str]) -> str:
    for name, value in {**OF_GRAFANA, **values}.items():
        text = re.sub(rf"\{name}\b", lambda _, value=value: value, text)
    return text


def _values(prometheus: Prometheus, dashboard: dict[str, Any], prefer: str) -> dict[str, str]:
    """By variable with its $, in the order in which they depend on each other."""
    values: dict[str, str] = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found = _found(prometheus, filled_in(variable["query"], values))
            assert found, f"{dashboard['title']}: ${variable['name']} has no values: {variable['query']}"
            one = prefer if prefer in found else found[0]
            every = variable.get("allValue") or f"({'|'.join(map(re.escape, found))})"
            values[f"${variable['name']}"] = every if variable.get("includeAll") else one
    return values


def _found(prometheus: Prometheus, query: str) -> list[str]:
    asked = LABEL_VALUES.fullmatch(query)
    assert asked, query
    series = prometheus.query(f"group by ({asked['label']}) ({asked['selector']})")
    return sorted(one["metric"].get(asked["label"], "") for one in series)
