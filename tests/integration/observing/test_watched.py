"""Every expression of every panel, and of every rule, asked of a real Prometheus that scrapes the real service with a
history and a live episode, a node_exporter and a celery-exporter; and alerts that fire there and clear."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from orchestrator.domain.health import Finding
from orchestrator.store.health import move_health
from tests.integration.observing.boards import questions
from tests.integration.observing.history import AWAY
from tests.integration.observing.stage import LIVE, Stage
from tests.observers import Prometheus
from tests.orchestrator import wait_for
from tests.unit.grafana.reading import rules, selectors


def has_data(prometheus: Prometheus, expression: str) -> bool:
    """Whether it has a number now, in any series."""
    return any(math.isfinite(float(series["value"][1])) for series in prometheus.query(expression))


def unanswered(prometheus: Prometheus, asked: dict[str, str]) -> dict[str, str]:
    return {where: expression for where, expression in asked.items() if not has_data(prometheus, expression)}


def unknown(prometheus: Prometheus, expressions: Iterable[str]) -> set[str]:
    """Metrics that they name and nobody has."""
    return {one.metric for text in expressions for one in selectors(text)} - prometheus.metric_names()


def test_every_expression_of_every_panel_names_what_exists_and_returns_data(stage: Stage) -> None:
    prometheus = stage.prometheus
    (episode,) = stage.matins.submit(stage.campaign, "replay:doer")
    stage.matins.wait_until_ended([episode], 60)
    asked = {f"{one.where} [{number}]": one.expression for number, one in enumerate(questions(prometheus, prefer=LIVE))}
    assert len(asked) > 50
    silent = dict(asked)

    def all_answer() -> bool:
        nonlocal silent
        stage.go_on()
        silent = unanswered(prometheus, silent)
        return not silent

    wait_for(all_answer, 60, lambda: "\n".join(f"{where}: {text}" for where, text in silent.items()))
    assert unknown(prometheus, asked.values()) == set()


def test_every_rule_names_what_exists_and_what_is_recorded_has_values(stage: Stage) -> None:
    prometheus = stage.prometheus
    recorded = {name: name for name, rule in rules().items() if "record" in rule}
    assert recorded

    def all_recorded() -> bool:
        stage.go_on()
        return not unanswered(prometheus, recorded)

    wait_for(all_recorded, 60, lambda: str(unanswered(prometheus, recorded)))
    expressions = [rule["expr"] for rule in rules().values()]
    assert unknown(prometheus, expressions) == set()
    for expression in expressions:
        prometheus.query(expression)
    evaluated = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in evaluated} == set(rules())
    assert [rule for rule in evaluated if rule["health"] == "err"] == []


def fires(stage: Stage, alert: str, **labels: str) -> bool:
    """Whether it does for all of these labels."""
    return any(labels.items() <= one.items() for one in stage.prometheus.alerts().get(alert, ()))


def test_a_quarantine_fires_until_an_operator_takes_the_machine_back(stage: Stage) -> None:
    alert = {"alert": "MatinsRunnerQuarantined", "runner": AWAY, "reason": "drifted"}
    assert not fires(stage, **alert)
    with stage.store.writing() as session:
        move_health(session, AWAY, Finding.DRIFTED, "it is slower than it was", datetime.now(UTC))
    wait_for(lambda: fires(stage, **alert), 30, stage.tail)
    assert stage.matins.matins("runner", "resume", AWAY).returncode == 0
    wait_for(lambda: not fires(stage, **alert), 30, stage.tail)


def test_a_service_that_is_gone_fires_until_it_is_back(stage: Stage) -> None:
    stage.matins.api.stop()
    try:
        wait_for(lambda: fires(stage, "MatinsDown", job="matins"), 30, stage.tail)
    finally:
        stage.matins.api.start()
    wait_for(stage.matins.ready, 60, stage.tail)
    wait_for(lambda: not fires(stage, "MatinsDown"), 30, stage.tail)
