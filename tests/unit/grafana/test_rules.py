"""What Prometheus records and alerts on: each rule is tested for both outcomes, and each alert has its runbook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.unit.grafana.reading import GRAFANA, PROMETHEUS, rules

RECORDED = (
    "matins:cost_usd_per_signal:1d",
    "matins:signals_per_gpu_day:1d",
    "matins:tokens_per_second:5m",
    "matins:gpu_busy_ratio:1h",
)
ALERTS = {name: rule for name, rule in rules().items() if "alert" in rule}
RUNBOOKS = (GRAFANA.parent / "docs" / "runbooks.md").read_text(encoding="utf-8")


def asked_of_promtool() -> Iterator[tuple[str, bool]]:
    """Each rule that a test of promtool evaluates, and whether something comes of it there."""
    for path in PROMETHEUS.glob("tests/*.yml"):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            yield from ((each["alertname"], bool(each["exp_alerts"])) for each in test.get("alert_rule_test", ()))
            yield from ((each["expr"], bool(each["exp_samples"])) for each in test.get("promql_expr_test", ()))


def test_what_is_recorded_is_what_dashboards_and_users_are_promised() -> None:
    assert sorted(name for name, rule in rules().items() if "record" in rule) == sorted(RECORDED)


def test_each_rule_is_tested_where_something_comes_of_it_and_where_nothing_does() -> None:
    asked = set(asked_of_promtool())

    assert asked == {(name, outcome) for name in rules() for outcome in (True, False)}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_grave_it_is_what_happened_to_whom_and_where_to_read_on(alert: str) -> None:
    rule: dict[str, Any] = ALERTS[alert]
    says = rule["annotations"]

    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(says) == {"summary", "description", "runbook_url"}
    assert says["description"].endswith(".")
    assert says["runbook_url"] == "{{ $externalLabels.matins_docs }}/runbooks.md#" + alert.lower()


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert sorted(re.findall(r"^## (\w+)$", RUNBOOKS, flags=re.M)) == sorted(ALERTS)


def test_each_runbook_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    for section in re.split(r"^## ", RUNBOOKS, flags=re.M)[1:]:
        name = section.splitlines()[0]
        assert re.findall(r"^\*\*(\w+)\.\*\*", section, flags=re.M) == ["Means", "Look", "Do"], name


def test_the_label_that_completes_the_address_of_a_runbook_is_set() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))

    assert config["global"]["external_labels"]["matins_docs"]
