"""Panels with everything that each must have: title, description, unit, data source and numbered targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as style
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

AnyPanel = bargauge.Panel | heatmap.Panel | stat.Panel | statetimeline.Panel | table.Panel | timeseries.Panel
Kind = TypeVar("Kind", bargauge.Panel, heatmap.Panel, stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel)

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
SERVICE = 'job=~"$job", instance=~"$instance"'
HEIGHT = 8


@dataclass(frozen=True, kw_only=True)
class About:
    """What a reader sees of a panel before its data. `unit` is Grafana's; `width` of 24 columns."""

    title: str
    says: str
    unit: str
    width: int = 12
    height: int = HEIGHT


@dataclass(frozen=True, kw_only=True)
class Query:
    expr: str
    legend: str


def series(metric: str, *matchers: str, **labels: str) -> str:
    """The series of a metric that match, and whose labels are as given."""
    equal = (f'{name}="{value}"' for name, value in labels.items())
    return f"{metric}{{{', '.join((*matchers, *equal))}}}"


def of(metric: str, *matchers: str, **labels: str) -> str:
    """The series of a metric of the service that is chosen above."""
    return series(metric, SERVICE, *matchers, **labels)


def lines(about: About, *queries: Query, stacked: bool = False, least: float | None = 0) -> timeseries.Panel:
    """Values over time; `stacked`: parts of a sum."""
    panel = _dress(timeseries.Panel(), about, queries)
    panel.line_width(1).fill_opacity(40 if stacked else 8).show_points(style.VisibilityMode.NEVER)
    panel.legend(
        common.VizLegendOptions()
        .display_mode(style.LegendDisplayMode.TABLE)
        .placement(style.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    panel.tooltip(common.VizTooltipOptions().mode(style.TooltipDisplayMode.MULTI).sort(style.SortOrder.DESCENDING))
    if stacked:
        panel.stacking(common.StackingConfig().mode(style.StackingMode.NORMAL).group("A"))
    return panel if least is None else panel.min(least)


def number(about: About, query: Query, *, good: bool = True) -> stat.Panel:
    """One value, large. `good`: more than 0 is nothing to look after."""
    panel = _dress(stat.Panel(), about, (query,), instant=True)
    steps = [model.Threshold(value=None, color="green")]
    steps += [] if good else [model.Threshold(value=1, color="red")]
    panel.thresholds(build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
    panel.graph_mode(style.BigValueGraphMode.NONE).no_value("none")
    return panel.reduce_options(_newest())


def bars(about: About, *queries: Query) -> bargauge.Panel:
    """One bar for each series, of its newest value."""
    panel = _dress(bargauge.Panel(), about, queries, instant=True)
    panel.display_mode(style.BarGaugeDisplayMode.BASIC).orientation(style.VizOrientation.HORIZONTAL).no_value("none")
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    return panel.min(0).reduce_options(_newest())


def rows(about: About, query: Query, *hidden: str) -> table.Panel:
    """One row for each series; `hidden` are columns that say nothing."""
    panel = _dress(table.Panel(), about, (query,), instant=True, form=PromQueryFormat.TABLE)
    drop = dict.fromkeys(("Time", *hidden), True)
    return panel.with_transformation(
        model.DataTransformerConfig(id_val="organize", options={"excludeByName": drop})
    ).no_value("none")


def spread(about: About, query: Query) -> heatmap.Panel:
    """Buckets of a histogram over time; the unit is that of what was observed. The legend is the bucket's bound.
    Exemplars name an episode of it."""
    panel = _dress(heatmap.Panel(), about, (query,), form=PromQueryFormat.HEATMAP, exemplars=True)
    colours = heatmap.HeatmapColorOptions().mode(heat.HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    panel.color(colours.scale(heat.HeatmapColorScale.EXPONENTIAL).exponent(0.5))
    panel.y_axis(heatmap.YAxisConfig().unit(about.unit).axis_placement(style.AxisPlacement.LEFT))
    return panel.show_legend().filter_values(heatmap.FilterValueRange().le(1e-9))


def states(about: About, query: Query, names: Mapping[int, tuple[str, str]]) -> statetimeline.Panel:
    """A band for each series; `names` has word and colour of each value."""
    panel = _dress(statetimeline.Panel(), about, (query,))
    shown = {
        str(value): model.ValueMappingResult(text=word, color=colour, index=value)
        for value, (word, colour) in names.items()
    }
    panel.mappings([model.ValueMap(options=shown)])
    panel.show_value(style.VisibilityMode.NEVER).merge_values(True).row_height(0.8).fill_opacity(80).line_width(0)
    return panel.legend(
        common.VizLegendOptions()
        .display_mode(style.LegendDisplayMode.LIST)
        .placement(style.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def _dress(
    panel: Kind,
    about: About,
    queries: tuple[Query, ...],
    *,
    instant: bool = False,
    form: PromQueryFormat = PromQueryFormat.TIME_SERIES,
    exemplars: bool = False,
) -> Kind:
    panel.title(about.title).description(about.says).unit(about.unit).datasource(SOURCE)
    panel.span(about.width).height(about.height)
    for letter, query in zip(ascii_uppercase, queries, strict=False):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).format(form).datasource(SOURCE)
        if exemplars:
            target.exemplar(True)
        panel.with_target((target.instant() if instant else target.range()).ref_id(letter))
    return panel


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
