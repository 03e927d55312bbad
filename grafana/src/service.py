"""Matins itself: ticks, acts, links, the exporter, and Celery as danihodovic's celery-exporter shows it."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.src.frame import Section, choice, dashboard
from grafana.src.panels import About, Query, lines, number, of, rows, series

BUILD = of("matins_build_info")
CELERY = 'job=~"$celery_job"'


def celery(metric: str) -> str:
    return series(metric, CELERY)


def made() -> Dashboard:
    return dashboard(
        "Service",
        "Matins itself: ticks, acts, links, the exporter, and Celery where it is scaled out.",
        (_now(), _ticks(), _world(), _exporter(), _celery()),
        choice("celery_job", "Celery job", "label_values(celery_worker_up, job)"),
        since="now-6h",
    )


def _now() -> Section:
    wide = {"width": 6, "height": 4}
    return Section(
        title="Now",
        panels=(
            number(
                About(
                    title="Scraped",
                    says="Addresses of Matins that answer Prometheus. More than one counts all twice.",
                    unit="short",
                    **wide,
                ),
                Query(expr=f"count({BUILD})", legend="scraped"),
            ),
            number(
                About(
                    title="Database read", says="1 if the last scrape could read the database.", unit="short", **wide
                ),
                Query(expr=f"min({of('matins_exporter_refresh_success')})", legend="read"),
            ),
            number(
                About(title="Last tick", says="Time since the queue was last looked at.", unit="s", **wide),
                Query(expr=f"time() - max({of('matins_last_tick_timestamp_seconds')})", legend="last tick"),
            ),
            rows(
                About(title="Version", says="Of each address that is scraped.", unit="short", **wide),
                Query(
                    expr=f"max by (instance, version) ({of('matins_build_info')})", legend="{{instance}} {{version}}"
                ),
                "Value",
            ),
        ),
    )


def _ticks() -> Section:
    return Section(
        title="Ticks and acts",
        panels=(
            lines(
                About(title="Ticks", says="How often the queue is looked at, per second.", unit="ops", width=8),
                Query(expr=f"max(rate({of('matins_ticks_total')}[$__rate_interval]))", legend="ticks"),
            ),
            lines(
                About(
                    title="Acts to do", says="Acts that were decided and are not done, by kind.", unit="short", width=8
                ),
                Query(expr=f"max by (kind) ({of('matins_acts_pending')})", legend="{{kind}}"),
                stacked=True,
            ),
            lines(
                About(title="Oldest act", says="How long the oldest of them has waited.", unit="s", width=8),
                Query(expr=f"max by (kind) ({of('matins_act_oldest_age_seconds')})", legend="{{kind}}"),
            ),
        ),
    )


def _world() -> Section:
    return Section(
        title="Links, artifacts and notifications",
        panels=(
            lines(
                About(
                    title="Failed calls in the last hour",
                    says="Calls to runners that failed, by machine and kind.",
                    unit="short",
                    width=6,
                ),
                Query(
                    expr=f"sum by (runner, kind) (increase({of('matins_link_errors_total')}[1h]))",
                    legend="{{runner}} {{kind}}",
                ),
            ),
            lines(
                About(
                    title="Pulls in the last hour", says="Collections of artifacts, by result.", unit="short", width=6
                ),
                Query(expr=f"sum by (result) (increase({of('matins_artifact_pulls_total')}[1h]))", legend="{{result}}"),
                stacked=True,
            ),
            lines(
                About(
                    title="Artifacts in the last hour",
                    says="Bytes of artifacts that were taken in. Nothing of them goes by itself.",
                    unit="bytes",
                    width=6,
                ),
                Query(expr=f"sum(increase({of('matins_artifact_bytes_total')}[1h]))", legend="artifacts"),
            ),
            lines(
                About(
                    title="Notifications in the last hour",
                    says="Messages by condition, and what became of them.",
                    unit="short",
                    width=6,
                ),
                Query(
                    expr=f"sum by (condition, result) (increase({of('matins_notifications_total')}[1h]))",
                    legend="{{condition}} {{result}}",
                ),
            ),
        ),
    )


def _exporter() -> Section:
    return Section(
        title="Exporter and disk",
        panels=(
            lines(
                About(title="Time of a scrape", says="That Prometheus waited for /metrics.", unit="s", width=8),
                Query(
                    expr=f"max by (instance) ({of('scrape_duration_seconds')} and on (job, instance) {BUILD})",
                    legend="{{instance}}",
                ),
            ),
            lines(
                About(
                    title="Series",
                    says="In one scrape. It grows with machines and campaigns, not with episodes.",
                    unit="short",
                    width=8,
                ),
                Query(
                    expr=f"max by (instance) ({of('scrape_samples_scraped')} and on (job, instance) {BUILD})",
                    legend="{{instance}}",
                ),
            ),
            lines(
                About(
                    title="Disk of the orchestrator",
                    says="Free, and size, where MATINS_HOME is.",
                    unit="bytes",
                    width=8,
                ),
                Query(expr=f"max({of('matins_home_free_bytes')})", legend="free"),
                Query(expr=f"max({of('matins_home_size_bytes')})", legend="size"),
            ),
        ),
    )


def _celery() -> Section:
    runtime = celery("celery_task_runtime_bucket")
    return Section(
        title="Celery, where Matins is scaled out",
        panels=(
            lines(
                About(
                    title="Workers", says="1 for a host whose worker sent a heartbeat lately.", unit="short", width=8
                ),
                Query(expr=f"max by (hostname) ({celery('celery_worker_up')})", legend="{{hostname}}"),
            ),
            lines(
                About(title="Tasks under way", says="Of each worker.", unit="short", width=8),
                Query(expr=f"max by (hostname) ({celery('celery_worker_tasks_active')})", legend="{{hostname}}"),
            ),
            lines(
                About(
                    title="Messages in the queue",
                    says="They are doorbells: many that are not heard mean too few workers, and none is lost work.",
                    unit="short",
                    width=8,
                ),
                Query(expr=f"max by (queue_name) ({celery('celery_queue_length')})", legend="{{queue_name}}"),
            ),
            lines(
                About(
                    title="Tasks sent", says="Messages that were published, by task, per second.", unit="ops", width=6
                ),
                Query(
                    expr=f"sum by (name) (rate({celery('celery_task_sent_total')}[$__rate_interval]))",
                    legend="{{name}}",
                ),
            ),
            lines(
                About(
                    title="Tasks received",
                    says="Messages that a worker took, by task, per second.",
                    unit="ops",
                    width=6,
                ),
                Query(
                    expr=f"sum by (name) (rate({celery('celery_task_received_total')}[$__rate_interval]))",
                    legend="{{name}}",
                ),
            ),
            lines(
                About(
                    title="Tasks failed in the last hour",
                    says="By task and exception. An act that fails is no failed task: it is tried again, and says why.",
                    unit="short",
                    width=6,
                ),
                Query(
                    expr=f"sum by (name, exception) (increase({celery('celery_task_failed_total')}[1h]))",
                    legend="{{name}} {{exception}}",
                ),
            ),
            lines(
                About(
                    title="Time of a task",
                    says="Nine in ten tasks took less, by its buckets.",
                    unit="s",
                    width=6,
                ),
                Query(
                    expr=f"histogram_quantile(0.9, sum by (le, name) (rate({runtime}[$__rate_interval])))",
                    legend="{{name}}",
                ),
            ),
        ),
    )
