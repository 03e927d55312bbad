"""What the files below grafana/ hold, read for the tests: panels, and the selectors of an expression."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

GRAFANA = Path(__file__).resolve().parents[3] / "grafana"
PROMETHEUS = GRAFANA / "prometheus"
DASHBOARDS = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in GRAFANA.glob("dashboards/*.json")}
SPANS = {"$__rate_interval": "4m", "$__range": "6h"}
"""What Grafana puts in place of its own variables: here, something that can be told from what is written out."""
RATE_S = 4 * 60


@dataclass(frozen=True, kw_only=True)
class Selector:
    """`matchers`: of each label, how and what. `call`: the function right around a range, empty without one."""

    metric: str
    matchers: dict[str, tuple[str, str]]
    range_s: float
    call: str


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Those with data."""
    every = [inner for panel in dashboard["panels"] for inner in (panel, *panel.get("panels", ()))]
    return [panel for panel in every if panel["type"] != "row"]


def selectors(expr: str) -> list[Selector]:
    """Of a PromQL expression, with Grafana's own variables filled in. ValueError: it does not parse."""
    for name, value in SPANS.items():
        expr = expr.replace(name, value)
    found: list[Selector] = []
    ranged: list[Any] = []
    calls: list[str] = []

    def enter(node: Any) -> None:
        if isinstance(node, promql_parser.Call):
            calls.append(node.func.name)
        elif isinstance(node, promql_parser.MatrixSelector):
            ranged.append(node)
            found.append(_selector(node.vector_selector, node.range.total_seconds(), calls[-1] if calls else ""))
        elif isinstance(node, promql_parser.VectorSelector) and not ranged:
            found.append(_selector(node, 0.0, ""))

    def leave(node: Any) -> None:
        if isinstance(node, promql_parser.Call):
            calls.pop()
        elif isinstance(node, promql_parser.MatrixSelector):
            ranged.pop()

    promql_parser.walk(promql_parser.parse(expr), enter, leave)
    return found


def _selector(node: Any, range_s: float, call: str) -> Selector:
    matchers = {each.name: (str(each.op).removeprefix("MatchOp."), each.value) for each in node.matchers.matchers}
    return Selector(metric=node.name, matchers=matchers, range_s=range_s, call=call)


def rules() -> dict[str, dict[str, Any]]:
    """Each rule by the name of what it records, or of its alert."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(PROMETHEUS.glob("rules/*.yml"))]
    every = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return {rule.get("record") or rule["alert"]: rule for rule in every}


def expressions() -> Iterator[str]:
    """Of all panels, and of all rules."""
    for dashboard in DASHBOARDS.values():
        yield from (target["expr"] for panel in panels(dashboard) for target in panel["targets"])
    yield from (rule["expr"] for rule in rules().values())


def family(metric: str) -> str:
    """The metric that a series of a histogram belongs to."""
    return re.sub(r"_(bucket|sum|count)$", "", metric)
