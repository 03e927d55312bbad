"""What the GPUs did: dispatches, tokens per second against the baseline, clocks, power, and who waited for a gate."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.src.frame import Section, campaigns, dashboard, runners
from grafana.src.panels import About, Query, lines, of, spread
from grafana.src.words import CAMPAIGN, RUNNER

LAST = "matins_smoke_last_tokens_per_second"
BASELINE = "matins_smoke_baseline_tokens_per_second"
GOOD, REFERENCE = "matins_known_good_tokens_per_second", "matins_known_good_reference_tokens_per_second"
BOTH = "max by (runner, campaign)"
DISPATCH = {
    "bubble": "Time in which the command processor had nothing to do before a dispatch.",
    "shader": "Time in which the shaders of a dispatch ran.",
    "submit": "Time that handing a dispatch over took.",
}


def made() -> Dashboard:
    return dashboard(
        "GPU",
        "What the GPUs did: dispatches, tokens per second against the baseline, clocks, power, and waits for a gate.",
        (_dispatches(), _speed(), _gate(), _device()),
        runners(),
        campaigns(),
    )


def _dispatches() -> Section:
    buckets = "matins_gpu_dispatch_duration_seconds_bucket"
    return Section(
        title="Dispatches",
        panels=[
            spread(
                About(title=f"Dispatches: {kind}", says=says, unit="s", width=8, height=9),
                Query(
                    expr=f"sum by (le) (increase({of(buckets, RUNNER, kind=kind)}[$__rate_interval]))",
                    legend="{{le}}",
                ),
            )
            for kind, says in DISPATCH.items()
        ],
    )


def _speed() -> Section:
    return Section(
        title="Tokens per second",
        panels=(
            lines(
                About(
                    title="Newest measurement against its baseline",
                    says="Of each machine and campaign: the tree judged last, and the untouched base beside it.",
                    unit="short",
                ),
                Query(expr=f"{BOTH} ({of(LAST, RUNNER, CAMPAIGN)})", legend="{{runner}} {{campaign}}"),
                Query(expr=f"{BOTH} ({of(BASELINE, RUNNER, CAMPAIGN)})", legend="{{runner}} {{campaign}} baseline"),
            ),
            lines(
                About(
                    title="Change from the baseline",
                    says="Of the newest episode. What it was decided to be, with its interval, is in the verdict.",
                    unit="percentunit",
                ),
                Query(
                    expr=f"{BOTH} ({of(LAST, RUNNER, CAMPAIGN)}) / ({BOTH} ({of(BASELINE, RUNNER, CAMPAIGN)}) > 0) - 1",
                    legend="{{runner}} {{campaign}}",
                ),
                least=None,
            ),
            lines(
                About(
                    title="Drift of the machine",
                    says="The newest known-good run against the median of its history on that device and driver: no"
                    " change of the code, so what moves here is the machine.",
                    unit="percentunit",
                ),
                Query(
                    expr=f"{BOTH} ({of(GOOD, RUNNER, CAMPAIGN)})"
                    f" / ({BOTH} ({of(REFERENCE, RUNNER, CAMPAIGN)}) > 0) - 1",
                    legend="{{runner}} {{campaign}}",
                ),
                least=None,
            ),
            lines(
                About(
                    title="Generated in the last five minutes",
                    says="Tokens of smoke runs that ended, by the time that they generated for. None ended: no line.",
                    unit="short",
                ),
                Query(expr=f"max by (runner) ({of('matins:tokens_per_second:5m', RUNNER)})", legend="{{runner}}"),
            ),
        ),
    )


def _gate() -> Section:
    waits = "matins_gpu_gate_wait_seconds"
    return Section(
        title="Gate",
        panels=(
            lines(
                About(
                    title="Busy in the last hour",
                    says="Share of the time in which a device's gate was held, counted when an episode ends.",
                    unit="percentunit",
                    width=6,
                ),
                Query(expr=f"max by (runner) ({of('matins:gpu_busy_ratio:1h', RUNNER)})", legend="{{runner}}"),
            ),
            spread(
                About(title="Waits for the gate", says="Of all episodes that ended then.", unit="s", width=6),
                Query(expr=f"sum by (le) (increase({of(f'{waits}_bucket')}[$__rate_interval]))", legend="{{le}}"),
            ),
            lines(
                About(
                    title="Mean wait for the gate",
                    says="Of the episodes that ended in the last hour. If it is long, more devices give more signals.",
                    unit="s",
                    width=6,
                ),
                Query(
                    expr=f"sum(increase({of(f'{waits}_sum')}[1h])) / (sum(increase({of(f'{waits}_count')}[1h])) > 0)",
                    legend="mean wait",
                ),
            ),
            lines(
                About(
                    title="Smoke runs in the last hour",
                    says="By result. What is not ok was not measured.",
                    unit="short",
                    width=6,
                ),
                Query(
                    expr=f"sum by (result) (increase({of('matins_smoke_runs_total', RUNNER)}[1h]))", legend="{{result}}"
                ),
                stacked=True,
            ),
        ),
    )


def _device() -> Section:
    gauges = (
        (
            "Clock",
            "matins_gpu_clock_hertz",
            "hertz",
            "Of the shaders. A clock that falls under load is a limit of power or heat.",
        ),
        ("Memory clock", "matins_gpu_memory_clock_hertz", "hertz", "Of the device's memory."),
        ("Power", "matins_gpu_power_watts", "watt", "What the device says that it draws."),
        ("Temperature", "matins_gpu_temperature_celsius", "celsius", "Of the device."),
        ("Utilization", "matins_gpu_utilization_ratio", "percentunit", "As the driver counts it."),
        ("Memory in use", "matins_gpu_memory_used_bytes", "bytes", "Of the device's own memory."),
    )
    return Section(
        title="Devices",
        panels=[
            lines(
                About(title=title, says=f"{says} Nothing is shown of a machine that sleeps.", unit=unit, width=8),
                Query(expr=f"max by (runner, gpu) ({of(metric, RUNNER)})", legend="{{runner}} {{gpu}}"),
            )
            for title, metric, unit, says in gauges
        ],
    )
