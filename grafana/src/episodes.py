"""How many episodes end, as what, how long they take, and how much of the specification they get done."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.src.frame import Section, campaigns, dashboard
from grafana.src.panels import About, Query, bars, lines, number, of, spread
from grafana.src.words import CAMPAIGN

ENDED = of("matins_episodes_total", CAMPAIGN)
SIGNALS = of("matins_signals_total", CAMPAIGN)
INVALID = of("matins_invalid_total", CAMPAIGN)
ITEMS = of("matins_items_total", CAMPAIGN)


def made() -> Dashboard:
    return dashboard(
        "Episodes",
        "How many episodes end, as what, how long they take, and how much of the specification they get done.",
        (_sums(), _throughput(), _validity(), _time()),
        campaigns(),
    )


def _sums() -> Section:
    wide = {"width": 6, "height": 4}
    return Section(
        title="In the chosen range",
        panels=(
            number(
                About(title="Ended", says="Episodes that ended, whatever came of them.", unit="short", **wide),
                Query(expr=f"round(sum(increase({ENDED}[$__range])))", legend="ended"),
            ),
            number(
                About(title="Signals", says="Valid verdicts, each measurement once.", unit="short", **wide),
                Query(expr=f"round(sum(increase({SIGNALS}[$__range])))", legend="signals"),
            ),
            number(
                About(
                    title="Valid",
                    says="Share of the episodes that ended with a valid verdict.",
                    unit="percentunit",
                    **wide,
                ),
                Query(
                    expr=f"sum(increase({of('matins_episodes_total', CAMPAIGN, result='valid')}[$__range]))"
                    f" / (sum(increase({ENDED}[$__range])) > 0)",
                    legend="valid",
                ),
            ),
            number(
                About(
                    title="Items done",
                    says="Share of all items of judged episodes that are done.",
                    unit="percentunit",
                    **wide,
                ),
                Query(
                    expr=f"sum(increase({of('matins_items_total', CAMPAIGN, status='done')}[$__range]))"
                    f" / (sum(increase({ITEMS}[$__range])) > 0)",
                    legend="done",
                ),
            ),
        ),
    )


def _throughput() -> Section:
    return Section(
        title="Throughput",
        panels=(
            lines(
                About(
                    title="Ended in the last hour",
                    says="Episodes by result: valid, invalid (no signal), failed (no verdict), cancelled.",
                    unit="short",
                ),
                Query(expr=f"sum by (result) (increase({ENDED}[1h]))", legend="{{result}}"),
                stacked=True,
            ),
            lines(
                About(title="Signals in the last day", says="Valid verdicts by campaign and agent.", unit="short"),
                Query(expr=f"sum by (campaign, agent) (increase({SIGNALS}[1d]))", legend="{{campaign}} {{agent}}"),
                stacked=True,
            ),
            bars(
                About(
                    title="Results by agent",
                    says="Episodes that ended in the chosen range, by agent and result.",
                    unit="short",
                ),
                Query(expr=f"sum by (agent, result) (increase({ENDED}[$__range]))", legend="{{agent}} {{result}}"),
            ),
            bars(
                About(
                    title="Items by agent",
                    says="Items of judged episodes in the chosen range: done, failed, untouched, invalid.",
                    unit="short",
                ),
                Query(expr=f"sum by (agent, status) (increase({ITEMS}[$__range]))", legend="{{agent}} {{status}}"),
            ),
        ),
    )


def _validity() -> Section:
    return Section(
        title="Validity",
        panels=(
            lines(
                About(
                    title="No signal, and why",
                    says="Verdicts that are not valid in the last hour, by reason. Here is an instrument that did not"
                    " fire.",
                    unit="short",
                ),
                Query(expr=f"sum by (reason) (increase({INVALID}[1h]))", legend="{{reason}}"),
                stacked=True,
            ),
            lines(
                About(
                    title="Attempts made again",
                    says="Attempts after the first in the last hour, by why the one before ended.",
                    unit="short",
                ),
                Query(
                    expr=f"sum by (reason) (increase({of('matins_episode_retries_total')}[1h]))", legend="{{reason}}"
                ),
                stacked=True,
            ),
        ),
    )


def _time() -> Section:
    phase = "matins_episode_phase_duration_seconds"
    waited, lasted = "matins_episode_queue_duration_seconds", "matins_episode_duration_seconds"
    return Section(
        title="Time",
        panels=(
            bars(
                About(
                    title="Phases of an episode",
                    says="Mean time in each stage, over the chosen range, in the order of their length.",
                    unit="s",
                ),
                Query(
                    expr=f"sort_desc(sum by (phase) (increase({of(f'{phase}_sum')}[$__range]))"
                    f" / (sum by (phase) (increase({of(f'{phase}_count')}[$__range])) > 0))",
                    legend="{{phase}}",
                ),
            ),
            bars(
                About(
                    title="Nine in ten are shorter",
                    says="The 90th percentile of the time in each stage, over the chosen range, by its buckets.",
                    unit="s",
                ),
                Query(
                    expr=f"histogram_quantile(0.9, sum by (le, phase) (increase({of(f'{phase}_bucket')}[$__range])))",
                    legend="{{phase}}",
                ),
            ),
            spread(
                About(title="Wait in the queue", says="From submission to the first launch.", unit="s"),
                Query(expr=f"sum by (le) (increase({of(f'{waited}_bucket')}[$__rate_interval]))", legend="{{le}}"),
            ),
            spread(
                About(title="Length of an episode", says="From the first launch to the end.", unit="s"),
                Query(expr=f"sum by (le) (increase({of(f'{lasted}_bucket')}[$__rate_interval]))", legend="{{le}}"),
            ),
        ),
    )
