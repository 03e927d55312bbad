"""What a signal cost, what the money went to, and what of it was waste."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.src.frame import Section, dashboard, runners
from grafana.src.panels import About, Query, bars, lines, number, of
from grafana.src.words import RUNNER

USD = of("matins_cost_usd_total")
WASTE = of("matins_waste_usd_total")
SIGNALS = of("matins_signals_total")
TOKENS = of("matins_agent_tokens_total")
JOULES = of("matins_runner_energy_joules_total", RUNNER)
SECONDS = of("matins_runner_state_seconds_total", RUNNER)
IDLE_SECONDS = of("matins_runner_state_seconds_total", RUNNER, state="idle")


def made() -> Dashboard:
    return dashboard(
        "Cost",
        "What a signal cost, what the money went to, and what of it was waste. `matins cost report` has the ledger.",
        (_sums(), _signal(), _waste(), _energy()),
        runners(),
        since="now-7d",
    )


def _sums() -> Section:
    wide = {"width": 4, "height": 4}
    return Section(
        title="In the chosen range",
        panels=(
            number(
                About(title="Spent", says="Hardware, energy, idle, wakes and tokens.", unit="currencyUSD", **wide),
                Query(expr=f"sum(increase({USD}[$__range]))", legend="spent"),
            ),
            number(
                About(
                    title="Per signal",
                    says="All that was spent by the valid signals, over the chosen range.",
                    unit="currencyUSD",
                    **wide,
                ),
                Query(
                    expr=f"sum(increase({USD}[$__range])) / (sum(increase({SIGNALS}[$__range])) > 0)",
                    legend="per signal",
                ),
            ),
            number(
                About(title="Signals", says="Valid verdicts, each measurement once.", unit="short", **wide),
                Query(expr=f"round(sum(increase({SIGNALS}[$__range])))", legend="signals"),
            ),
            number(
                About(
                    title="Signals per GPU-day",
                    says="In the last day, by the time in which the GPUs' machines were awake.",
                    unit="short",
                    **wide,
                ),
                Query(expr=f"max({of('matins:signals_per_gpu_day:1d')})", legend="signals"),
            ),
            number(
                About(
                    title="Waste",
                    says="Share of the money that went to failed wakes and to what ended without a signal.",
                    unit="percentunit",
                    **wide,
                ),
                Query(expr=f"sum(increase({WASTE}[$__range])) / (sum(increase({USD}[$__range])) > 0)", legend="waste"),
            ),
            number(
                About(title="Energy", says="That the chosen machines drew.", unit="joule", **wide),
                Query(expr=f"sum(increase({JOULES}[$__range]))", legend="energy"),
            ),
        ),
    )


def _signal() -> Section:
    return Section(
        title="Cost of a signal",
        panels=(
            lines(
                About(
                    title="Cost per signal",
                    says="All that the last day cost by its valid signals. No line: no signal in a whole day.",
                    unit="currencyUSD",
                ),
                Query(expr=f"max({of('matins:cost_usd_per_signal:1d')})", legend="per signal"),
            ),
            lines(
                About(
                    title="Cost per signal, by kind",
                    says="What a signal of the last day is made of: hardware and energy of machines that somebody held,"
                    " idle machines, wakes, tokens.",
                    unit="currencyUSD",
                ),
                Query(
                    expr=f"sum by (kind) (increase({USD}[1d]))"
                    f" / on () group_left () (sum(increase({SIGNALS}[1d])) > 0)",
                    legend="{{kind}}",
                ),
                stacked=True,
            ),
            lines(
                About(title="Spent in the last hour", says="By what it went to.", unit="currencyUSD"),
                Query(expr=f"sum by (kind) (increase({USD}[1h]))", legend="{{kind}}"),
                stacked=True,
            ),
            bars(
                About(
                    title="By agent and kind",
                    says="Over the chosen range. What no agent is charged with, like idle machines, has no agent.",
                    unit="currencyUSD",
                ),
                Query(expr=f"sum by (agent, kind) (increase({USD}[$__range]))", legend="{{agent}} {{kind}}"),
            ),
        ),
    )


def _waste() -> Section:
    return Section(
        title="Waste, idle time and tokens",
        panels=(
            bars(
                About(
                    title="Waste by reason",
                    says="Money for what ended without a signal and for failed wakes, over the chosen range.",
                    unit="currencyUSD",
                    width=8,
                ),
                Query(expr=f"sum by (reason) (increase({WASTE}[$__range])) > 0", legend="{{reason}}"),
            ),
            lines(
                About(
                    title="Idle money",
                    says="Money in the last hour for machines that nobody held, asleep or awake. It is no waste: sleep"
                    " rules say how much of it there is.",
                    unit="currencyUSD",
                    width=8,
                ),
                Query(expr=f"sum(increase({of('matins_cost_usd_total', kind='idle')}[1h]))", legend="idle"),
            ),
            lines(
                About(
                    title="Idle time",
                    says="Share of the last hour in which machines were awake and nobody held them.",
                    unit="percentunit",
                    width=8,
                ),
                Query(
                    expr=f"sum by (runner) (increase({IDLE_SECONDS}[1h]))"
                    f" / (sum by (runner) (increase({SECONDS}[1h])) > 0)",
                    legend="{{runner}}",
                ),
            ),
            lines(
                About(
                    title="Tokens in the last hour",
                    says="As agents reported them, by agent, model and type.",
                    unit="short",
                ),
                Query(
                    expr=f"sum by (agent, model, type) (increase({TOKENS}[1h]))", legend="{{agent}} {{model}} {{type}}"
                ),
                stacked=True,
            ),
            bars(
                About(
                    title="Money for tokens",
                    says="By agent, over the chosen range. Once machines share their time well, this is most of it.",
                    unit="currencyUSD",
                ),
                Query(
                    expr=f"sum by (agent) (increase({of('matins_cost_usd_total', kind='tokens')}[$__range]))",
                    legend="{{agent}}",
                ),
            ),
        ),
    )


def _energy() -> Section:
    return Section(
        title="Energy, and how far the books are kept",
        panels=(
            lines(
                About(
                    title="Power by source",
                    says="What the machines drew, in settled steps: measured by instruments, or estimated from watts"
                    " that an operator set.",
                    unit="watt",
                    width=8,
                ),
                Query(expr=f"sum by (source) (rate({JOULES}[$__rate_interval]))", legend="{{source}}"),
                stacked=True,
            ),
            lines(
                About(title="Power by machine", says="The same, of each machine.", unit="watt", width=8),
                Query(expr=f"sum by (runner) (rate({JOULES}[$__rate_interval]))", legend="{{runner}}"),
                stacked=True,
            ),
            lines(
                About(
                    title="Time not settled yet",
                    says="How far behind now the books of each machine are. An unreachable one with live"
                    " attempts waits.",
                    unit="s",
                    width=8,
                ),
                Query(
                    expr=f"time() - max by (runner) ({of('matins_settled_timestamp_seconds', RUNNER)})",
                    legend="{{runner}}",
                ),
            ),
        ),
    )
