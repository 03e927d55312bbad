"""Dashboards and rules name series that exist, with the labels that these have."""

from __future__ import annotations

import re

from orchestrator.accounting.families import FAMILIES
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import SHOWN_STATES
from tests.unit.grafana.reading import Selector, expressions, family, rules, selectors

KNOWN = {made.shown: made for made in FAMILIES.values()}
OF_PROMETHEUS = {"job", "instance", "le"}
OF_RULES = {"runner"}
# Of Prometheus itself; of node_exporter 1.5.0 with --collector.drm; of danihodovic's celery-exporter.
FOREIGN = {
    *("up", "scrape_duration_seconds", "scrape_samples_scraped"),
    *(f"node_drm_{name}" for name in ("gpu_busy_percent", "memory_vram_used_bytes", "memory_vram_size_bytes")),
    *(f"node_hwmon_{name}" for name in ("chip_names", "temp_celsius", "power_average_watt")),
    *(f"node_{name}" for name in ("cpu_seconds_total", "memory_MemTotal_bytes", "memory_MemAvailable_bytes")),
    *(f"node_filesystem_{name}" for name in ("avail_bytes", "size_bytes")),
    *(f"node_disk_{name}_total" for name in ("read_bytes", "written_bytes")),
    *(f"celery_task_{name}_total" for name in ("sent", "received", "failed")),
    *("celery_task_runtime_bucket", "celery_worker_up", "celery_worker_tasks_active", "celery_queue_length"),
}


def used() -> list[Selector]:
    return [selector for expr in expressions() for selector in selectors(expr)]


def test_each_series_is_one_of_matins_of_the_rules_or_of_an_exporter_beside_it() -> None:
    own = {each.metric for each in used() if each.metric.startswith("matins_")}

    assert {family(metric) for metric in own} <= set(KNOWN)
    assert {each.metric for each in used()} - own - set(rules()) == FOREIGN


def test_each_series_that_matins_makes_is_shown_or_alerted_on() -> None:
    assert {family(each.metric) for each in used()} >= set(KNOWN)


def test_a_histogram_is_asked_by_its_parts_and_nothing_else_is() -> None:
    for each in used():
        if made := KNOWN.get(family(each.metric)):
            assert (family(each.metric) != each.metric) == (made.kind == "histogram"), each.metric


def test_each_label_that_is_matched_is_one_of_the_series() -> None:
    for each in used():
        labels = KNOWN[family(each.metric)].labels if family(each.metric) in KNOWN else OF_RULES
        if each.metric not in FOREIGN:
            assert set(each.matchers) <= {*labels, *OF_PROMETHEUS}, each.metric


def test_each_label_that_is_summed_by_or_named_in_a_legend_is_one_of_the_series() -> None:
    for expr in expressions():
        found = [KNOWN[family(each.metric)] for each in selectors(expr) if family(each.metric) in KNOWN]
        known = {label for made in found for label in made.labels} | OF_PROMETHEUS | OF_RULES
        kept = [label for names in re.findall(r" by \(([^)]*)\)", expr) for label in names.split(", ")]
        assert not found or set(kept) <= known, expr


def test_each_state_and_each_reason_that_is_matched_exists() -> None:
    known = {"state": set(SHOWN_STATES), "reason": {str(reason) for reason in EndReason}}
    asked = {
        (label, value)
        for each in used()
        for label, values in known.items()
        for value in each.matchers.get(label, ("", ""))[1].split("|")
        if value and value not in values
    }

    assert not asked
