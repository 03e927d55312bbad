"""Is the fleet awake, is the queue moving, which machine is out of it and why?"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.src.frame import Section, dashboard, runners
from grafana.src.panels import About, Query, bars, lines, number, of, rows, spread, states
from grafana.src.words import AWAKE, RUNNER, STATES, state_number


def made() -> Dashboard:
    return dashboard(
        "Fleet",
        "Is the fleet awake, is the queue moving, which machine is out of it and why?",
        (_now(), _machines(), _queue(), _wakes()),
        runners(),
    )


def _now() -> Section:
    wide = {"width": 4, "height": 4}
    return Section(
        title="Now",
        panels=(
            number(
                About(title="Queued", says="Episodes that wait for a runner, of every kind.", unit="short", **wide),
                Query(expr=f"sum({of('matins_episodes_queued')})", legend="queued"),
            ),
            number(
                About(title="Oldest in the queue", says="How long the oldest of them has waited.", unit="s", **wide),
                Query(expr=f"max({of('matins_queue_oldest_age_seconds')})", legend="oldest"),
            ),
            number(
                About(title="Running", says="Episodes that run on a machine.", unit="short", **wide),
                Query(expr=f"sum({of('matins_episodes_running', RUNNER)})", legend="running"),
            ),
            number(
                About(title="Awake", says="Machines that are idle, busy or draining.", unit="short", **wide),
                Query(expr=f"sum({of('matins_runner_state', RUNNER, AWAKE)})", legend="awake"),
            ),
            number(
                About(title="Unreachable", says="Machines that should answer and do not.", unit="short", **wide),
                Query(expr=f"sum({of('matins_runner_state', RUNNER, state='unreachable')})", legend="unreachable"),
                good=False,
            ),
            number(
                About(title="Quarantined", says="Machines that get no work: see below for why.", unit="short", **wide),
                Query(expr=f"sum({of('matins_runner_state', RUNNER, state='quarantined')})", legend="quarantined"),
                good=False,
            ),
        ),
    )


def _machines() -> Section:
    return Section(
        title="Machines",
        panels=(
            states(
                About(
                    title="State of each runner",
                    says="The state that is shown of each machine, over time. Every change of it is in its events.",
                    unit="none",
                    width=24,
                    height=10,
                ),
                Query(expr=state_number(RUNNER), legend="{{runner}}"),
                STATES,
            ),
            bars(
                About(
                    title="Where machine time went",
                    says="Share of the machines' time in each state, over the chosen range.",
                    unit="percentunit",
                    width=8,
                ),
                Query(
                    expr=f"sum by (state) (increase({of('matins_runner_state_seconds_total', RUNNER)}[$__range]))"
                    f" / scalar(sum(increase({of('matins_runner_state_seconds_total', RUNNER)}[$__range])))",
                    legend="{{state}}",
                ),
            ),
            lines(
                About(
                    title="Health",
                    says="Machines by what is judged of them: good, unknown, suspect, quarantined.",
                    unit="short",
                    width=8,
                ),
                Query(expr=f"sum by (health) ({of('matins_runner_health', RUNNER)})", legend="{{health}}"),
                stacked=True,
            ),
            bars(
                About(
                    title="Silence",
                    says="How long ago each machine last answered. One that sleeps is silent, and may be.",
                    unit="s",
                    width=8,
                ),
                Query(
                    expr=f"time() - max by (runner) ({of('matins_runner_last_seen_timestamp_seconds', RUNNER)})",
                    legend="{{runner}}",
                ),
            ),
            rows(
                About(
                    title="Quarantined, and why",
                    says="Each machine that gets no work, with the reason. `matins runner show NAME` has the evidence.",
                    unit="short",
                ),
                Query(
                    expr=f"max by (runner, reason) ({of('matins_runner_quarantined', RUNNER)}) == 1",
                    legend="{{runner}}: {{reason}}",
                ),
                "Value",
            ),
            lines(
                About(title="Quarantines", says="Quarantined machines by reason, over time.", unit="short"),
                Query(expr=f"sum by (reason) ({of('matins_runner_quarantined', RUNNER)})", legend="{{reason}}"),
                stacked=True,
            ),
        ),
    )


def _queue() -> Section:
    return Section(
        title="Queue",
        panels=(
            lines(
                About(
                    title="Queued",
                    says="Episodes without a runner: those of users, preflights of campaigns, canaries of machines.",
                    unit="short",
                    width=8,
                ),
                Query(expr=f"max by (queue) ({of('matins_episodes_queued')})", legend="{{queue}}"),
                stacked=True,
            ),
            lines(
                About(
                    title="Age of the oldest",
                    says="A queue that moves has a short tail. `matins episode explain ID` says what one waits for.",
                    unit="s",
                    width=8,
                ),
                Query(expr=f"max by (queue) ({of('matins_queue_oldest_age_seconds')})", legend="{{queue}}"),
            ),
            lines(
                About(
                    title="Running, and room for more",
                    says="Episodes that run, beside the agent slots of the machines that were chosen.",
                    unit="short",
                    width=8,
                ),
                Query(expr=f"sum({of('matins_episodes_running', RUNNER)})", legend="running"),
                Query(expr=f"sum({of('matins_runner_slots', RUNNER, kind='agent')})", legend="agent slots"),
            ),
        ),
    )


def _wakes() -> Section:
    took = of("matins_wake_duration_seconds_bucket", RUNNER)
    total, count = of("matins_wake_duration_seconds_sum", RUNNER), of("matins_wake_duration_seconds_count", RUNNER)
    return Section(
        title="Wakes",
        panels=(
            bars(
                About(
                    title="Stages of a wake",
                    says="Mean time from the stage before until each came, over the chosen range.",
                    unit="s",
                    width=8,
                ),
                Query(
                    expr=f"sum by (stage) (increase({total}[$__range]))"
                    f" / (sum by (stage) (increase({count}[$__range])) > 0)",
                    legend="{{stage}}",
                ),
            ),
            lines(
                About(
                    title="Wakes in the last hour",
                    says="Wakes that ended, by machine and result. Three failed ones in a row are a quarantine.",
                    unit="short",
                    width=8,
                ),
                Query(
                    expr=f"sum by (runner, result) (increase({of('matins_wake_attempts_total', RUNNER)}[1h]))",
                    legend="{{runner}} {{result}}",
                ),
            ),
            spread(
                About(
                    title="Time of a wake's stages",
                    says="How long stages took, of all wakes that ended then.",
                    unit="s",
                    width=8,
                ),
                Query(expr=f"sum by (le) (increase({took}[$__rate_interval]))", legend="{{le}}"),
            ),
        ),
    )
