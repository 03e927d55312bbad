"""The dashboards that are committed are those of the code, and keep the rules of Grafana's dashboard-linter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from grafana.src.all import rendered
from tests.unit.grafana.reading import DASHBOARDS, GRAFANA, RATE_S, panels, selectors

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Of grafana-data's value formats, those that panels here use.
UNITS = {"none", "short", "percent", "percentunit", "s", "hertz", "watt", "joule", "celsius", "bytes", "Bps", "ops"}
UNITS |= {"currencyUSD"}
LABELS = {"job": "Job", "instance": "Instance", "datasource": "Data source"}

each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def targets(dashboard: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each with the title of its panel."""
    for panel in panels(dashboard):
        yield from ((panel["title"], target) for target in panel["targets"])


def test_the_committed_dashboards_are_what_the_code_makes() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in GRAFANA.glob("dashboards/*")}

    assert sorted(committed) == ["cost.json", "episodes.json", "fleet.json", "gpu.json", "runner.json", "service.json"]
    for name, text in rendered().items():
        assert committed[name] == text, f"{name} is not what grafana/src makes: run `make dashboards`"


@each_dashboard
def test_a_dashboard_is_known_by_its_name_and_is_not_changed_in_grafana(dashboard: dict[str, Any]) -> None:
    assert re.fullmatch(r"matins-[a-z]+", dashboard["uid"])
    assert re.fullmatch(r"Matins / \w+", dashboard["title"])
    assert dashboard["description"]
    assert dashboard["editable"] is False
    assert dashboard["timezone"] == "utc"


def test_no_two_dashboards_share_a_name_and_no_two_panels_a_number() -> None:
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS)
    for dashboard in DASHBOARDS.values():
        numbers = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(numbers)) == len(numbers)


@each_dashboard
def test_data_source_job_and_instance_are_chosen_on_the_dashboard(dashboard: dict[str, Any]) -> None:
    known = variables(dashboard)

    assert {name: known[name]["label"] for name in LABELS} == LABELS
    assert (known["datasource"]["type"], known["datasource"]["query"]) == ("datasource", "prometheus")
    for name in ("job", "instance"):
        assert known[name]["type"] == "query"
        assert known[name]["multi"] and known[name]["includeAll"]
        assert known[name]["allValue"] == ".+"


@each_dashboard
def test_values_to_choose_from_are_looked_up_in_the_chosen_source_for_the_chosen_time(
    dashboard: dict[str, Any],
) -> None:
    asked = [variable for variable in variables(dashboard).values() if variable["type"] == "query"]

    for variable in asked:
        assert variable["datasource"] == SOURCE
        assert variable["refresh"] == 2
        call = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        assert call, variable["query"]
        assert promql_parser.parse(call[1])


@each_dashboard
def test_a_panel_says_what_it_shows_in_which_unit_and_has_something_to_show(dashboard: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in panels(dashboard)]

    assert len(titles) > 8
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["datasource"] == SOURCE, panel["title"]
        assert panel["targets"], panel["title"]


@each_dashboard
def test_panels_lie_side_by_side_and_not_on_each_other(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


@each_dashboard
def test_each_target_has_a_letter_a_legend_and_the_chosen_source(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == list("ABCDEFGH"[: len(letters)]), panel["title"]
    for title, target in targets(dashboard):
        assert target["legendFormat"], title
        assert target["datasource"] == SOURCE, title
        assert target["instant"] != target["range"], title


@each_dashboard
def test_each_expression_parses_and_rates_are_over_the_interval_that_grafana_finds_right(
    dashboard: dict[str, Any],
) -> None:
    for title, target in targets(dashboard):
        found = selectors(target["expr"])
        assert found, title
        for each in found:
            if each.call in ("rate", "irate"):
                assert each.range_s == RATE_S, f"{title}: {each.metric}"


@each_dashboard
def test_a_counter_is_shown_by_how_it_grows(dashboard: dict[str, Any]) -> None:
    for title, target in targets(dashboard):
        for each in selectors(target["expr"]):
            if re.search(r"_(total|bucket|count|sum)$", each.metric):
                assert each.call in ("rate", "irate", "increase"), f"{title}: {each.metric}"


@each_dashboard
def test_each_series_is_that_of_the_chosen_service(dashboard: dict[str, Any]) -> None:
    for title, target in targets(dashboard):
        for each in selectors(target["expr"]):
            how, what = each.matchers["job"]
            assert how == "Re" and re.fullmatch(r"\$(\w+_)?job", what), f"{title}: {each.metric}"
            if what == "$job":
                assert each.matchers["instance"] == ("Re", "$instance"), f"{title}: {each.metric}"


@each_dashboard
def test_what_can_be_chosen_is_used_and_what_is_used_can_be_chosen(dashboard: dict[str, Any]) -> None:
    shown = " ".join(target["expr"] for _, target in targets(dashboard)) + " ${datasource}"
    asked = " ".join(str(variable["query"]) for variable in variables(dashboard).values())
    used = set(re.findall(r"\$\{?(\w+)", shown)) - {"__rate_interval", "__range"}

    assert used == set(variables(dashboard))
    assert set(re.findall(r"\$(\w+)", asked)) <= set(variables(dashboard))
