"""What all dashboards have: variables, links, and panels laid out in rows of 24 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

from grafana.src.panels import SOURCE, AnyPanel

ALL = model.VariableOption(text="All", value="$__all")


@dataclass(frozen=True, kw_only=True)
class Section:
    """Panels under one heading, in the order in which they are read."""

    title: str
    panels: Sequence[AnyPanel]


def choice(name: str, label: str, query: str) -> build.QueryVariable:
    """Values of a label, several at once or all of them; `query` is Grafana's `label_values(…)`."""
    return one_of(name, label, query).multi(True).include_all(True).all_value(".+").current(ALL)


def one_of(name: str, label: str, query: str) -> build.QueryVariable:
    """One value of a label."""
    return (
        build.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(SOURCE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def runners() -> build.QueryVariable:
    return choice("runner", "Runner", 'label_values(matins_runner_info{job=~"$job", instance=~"$instance"}, runner)')


def campaigns() -> build.QueryVariable:
    return choice(
        "campaign", "Campaign", 'label_values(matins_signals_total{job=~"$job", instance=~"$instance"}, campaign)'
    )


def dashboard(
    name: str, description: str, sections: Sequence[Section], *variables: build.QueryVariable, since: str = "now-24h"
) -> build.Dashboard:
    """A dashboard `Matins / <name>`, that is changed here and not in Grafana."""
    made = (
        build.Dashboard(f"Matins / {name}")
        .uid(f"matins-{name.lower()}")
        .description(description)
        .tags(["matins"])
        .readonly()
        .timezone("utc")
        .time(since, "now")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            build.DashboardLink("Matins")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["matins"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(build.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(choice("job", "Job", "label_values(matins_build_info, job)"))
        .with_variable(choice("instance", "Instance", 'label_values(matins_build_info{job=~"$job"}, instance)'))
    )
    for variable in variables:
        made.with_variable(variable)
    number = 0
    for section in sections:
        number += 1
        made.with_row(build.Row(section.title).id(number))
        for panel in section.panels:
            number += 1
            made.with_panel(panel.id(number))
    return made
