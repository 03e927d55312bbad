"""The metrics of CONTRACTS that already have a source, from one read of the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, func, select

import orchestrator
from orchestrator.accounting.histogram import DISPATCH_SECONDS, SECONDS, Histogram
from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.runner import SHOWN_STATES, shown_state
from orchestrator.store.engine import Store
from orchestrator.store.fleet import load_fleet
from orchestrator.store.queries import EpisodeFilter, list_episodes, list_runners
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, OutboxRow, RunnerRow, WakeRow

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What one scrape is made from."""

    fleet: FleetState
    runners: list[RunnerRow]
    episodes: list[tuple[EpisodeRow, CampaignRow]]
    retries: list[str]
    pulls: dict[str, int]
    wakes: Sequence[WakeRow]
    now: datetime


class DatabaseCollector(Collector):
    """Reads the database at each scrape; a database that fails shows as `matins_exporter_refresh_success 0`."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def collect(self) -> Iterator[Metric]:
        try:
            picture = self._look()
        except SQLAlchemyError as error:
            log.error("metrics-refresh-failed", error=str(error))
            yield _gauge("matins_exporter_refresh_success", "Whether the database could be read.", (), {(): 0})
            return
        yield _gauge("matins_exporter_refresh_success", "Whether the database could be read.", (), {(): 1})
        version = {(orchestrator.__version__,): 1}
        yield _gauge("matins_build_info", "Version of the orchestrator.", ("version",), version)
        yield from _runners(picture)
        yield from _wakes(picture)
        yield from _queue(picture)
        yield from _outcomes(picture)
        yield from _gpu(picture)
        yield from _spending(picture)

    def _look(self) -> Picture:
        with self._store.reading() as session:
            retried = select(AttemptRow.ended).where(AttemptRow.episode_id == EpisodeRow.id)
            retried = retried.where(AttemptRow.fence < EpisodeRow.fence)
            done = select(func.count()).where(OutboxRow.kind == "collect", col(OutboxRow.done_at).is_not(None))
            tries = select(func.coalesce(func.sum(OutboxRow.tries), 0)).where(OutboxRow.kind == "collect")
            pulled, tried = int(session.exec(done).one()), int(session.exec(tries).one())
            return Picture(
                fleet=load_fleet(session),
                runners=list(list_runners(session)),
                episodes=list(list_episodes(session, EpisodeFilter(kind="", limit=1_000_000))),
                retries=[reason for reason in session.exec(retried).all() if reason],
                pulls={"ok": pulled, "failed": max(0, tried - pulled)},
                wakes=session.exec(select(WakeRow)).all(),
                now=self._now(),
            )


def _runners(picture: Picture) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "matins_runner_info",
        "What a runner reported of itself.",
        labels=("runner", "gpu", "vendor", "driver", "vulkan_api", "os"),
    )
    for runner in picture.fleet.runners:
        gpu = next(iter(runner.hello.gpus), None) if runner.hello else None
        said = (gpu.name, gpu.vendor, gpu.driver, gpu.vulkan_api) if gpu else ("", "", "", "")
        info.add_metric((runner.name, *said, runner.hello.os if runner.hello else ""), 1)
    yield info
    states: dict[tuple[str, ...], float] = {}
    running: dict[tuple[str, ...], float] = {}
    for runner in picture.fleet.runners:
        leases = picture.fleet.leases.get(runner.name, ())
        shown = shown_state(runner, len(leases))
        states |= {(runner.name, state): float(state == shown) for state in SHOWN_STATES}
        running[(runner.name,)] = sum(episode.phase is Phase.RUNNING for episode in leases)
    yield _gauge("matins_runner_state", "1 for the state that is shown.", ("runner", "state"), states)
    yield _gauge("matins_episodes_running", "Episodes on a runner.", ("runner",), running)
    seen = {(row.name,): row.last_seen.timestamp() for row in picture.runners if row.last_seen}
    yield _gauge("matins_runner_last_seen_timestamp_seconds", "When a runner last answered.", ("runner",), seen)
    errors = {(row.name, kind): count for row in picture.runners for kind, count in row.link_errors.items()}
    errors = {**{(row.name, "unreachable"): 0 for row in picture.runners}, **errors}
    yield _counter("matins_link_errors", "Calls to a runner that failed.", ("runner", "kind"), errors)


def _wakes(picture: Picture) -> Iterator[Metric]:
    sleepers = [row.name for row in picture.runners if row.mac]
    ends: Counter[tuple[str, ...]] = Counter({(name, result): 0 for name in sleepers for result in ("ready", "failed")})
    took: dict[tuple[str, ...], Histogram] = {}
    for wake in picture.wakes:
        ends[wake.runner, "failed" if wake.failed_stage else "ready"] += 1
        for time in wake.stages:
            took.setdefault((wake.runner, time["stage"]), Histogram(SECONDS)).observe([time["seconds"]])
    yield _counter("matins_wake_attempts", "Wakes that ended.", ("runner", "result"), ends)
    yield _histogram("matins_wake_duration_seconds", "Time until a stage of a wake came.", ("runner", "stage"), took)


def _queue(picture: Picture) -> Iterator[Metric]:
    queued: Counter[tuple[str, ...]] = Counter({(str(kind),): 0 for kind in EpisodeKind})
    oldest: dict[tuple[str, ...], float] = {(str(kind),): 0.0 for kind in EpisodeKind}
    for episode in picture.fleet.queued:
        queue = (str(episode.kind),)
        queued[queue] += 1
        oldest[queue] = max(oldest[queue], (picture.now - episode.submitted_at).total_seconds())
    yield _gauge("matins_episodes_queued", "Episodes without a runner.", ("queue",), queued)
    yield _gauge("matins_queue_oldest_age_seconds", "Age of the oldest queued episode.", ("queue",), oldest)


def _outcomes(picture: Picture) -> Iterator[Metric]:
    results: Counter[tuple[str, ...]] = Counter()
    signals: Counter[tuple[str, ...]] = Counter()
    invalid: Counter[tuple[str, ...]] = Counter()
    items: Counter[tuple[str, ...]] = Counter()
    waits, lasts = Histogram(SECONDS), Histogram(SECONDS)
    phases: dict[tuple[str, ...], Histogram] = {}
    for row, campaign in picture.episodes:
        if row.kind != EpisodeKind.EPISODE:
            continue
        who = (campaign.name, row.agent)
        for outcome in ("valid", "invalid", "failed", "cancelled"):
            results[*who, outcome] += outcome == _outcome(row)
        signals[who] += _outcome(row) == "valid" and _result(row).get("reused_from") is None
        if _outcome(row) == "invalid":
            invalid[campaign.name, str(row.end_reason)] += 1
        if row.started_at:
            waits.observe([(row.started_at - row.submitted_at).total_seconds()])
        if row.started_at and row.ended_at:
            lasts.observe([(row.ended_at - row.started_at).total_seconds()])
        for status, count in _result(row).get("items", {}).items():
            items[*who, status] += count
        for stage in _result(row).get("stages", []):
            phases.setdefault((stage["stage"],), Histogram(SECONDS)).observe([stage["seconds"]])
    who_labels = ("campaign", "agent")
    yield _counter("matins_episodes", "Episodes that ended.", (*who_labels, "result"), results)
    yield _counter(
        "matins_episode_retries", "Attempts after the first.", ("reason",), Counter((r,) for r in picture.retries)
    )
    yield _counter("matins_signals", "Valid verdicts, each measurement once.", who_labels, signals)
    yield _counter("matins_invalid", "Episodes that are no signal.", ("campaign", "reason"), invalid)
    yield _counter("matins_items", "Items of judged episodes.", (*who_labels, "status"), items)
    yield _histogram("matins_episode_queue_duration_seconds", "From submission to first launch.", (), {(): waits})
    yield _histogram("matins_episode_duration_seconds", "From first launch to the end.", (), {(): lasts})
    yield _histogram("matins_episode_phase_duration_seconds", "Time in a stage.", ("phase",), phases)


def _gpu(picture: Picture) -> Iterator[Metric]:
    busy: Counter[tuple[str, ...]] = Counter({(row.name,): 0 for row in picture.runners})
    tokens, seconds = Counter(busy), Counter(busy)
    runs: Counter[tuple[str, ...]] = Counter()
    gate_waits = Histogram(SECONDS)
    dispatches: dict[tuple[str, ...], Histogram] = {}
    last: dict[tuple[str, ...], tuple[datetime, float]] = {}
    for row, campaign in picture.episodes:
        smoke = _result(row).get("smoke")
        if not smoke or row.runner is None or row.ended_at is None:
            continue
        busy[(row.runner,)] += smoke["gate_held_s"]
        gate_waits.observe(smoke["gate_waits_s"])
        tokens[(row.runner,)] += smoke["tokens"]
        seconds[(row.runner,)] += smoke["seconds"]
        runs[row.runner, smoke["result"]] += 1
        for kind, (counts, total) in smoke["dispatches"].items():
            dispatches.setdefault((row.runner, kind), Histogram(DISPATCH_SECONDS)).add(counts, total)
        where = (row.runner, campaign.name)
        if (tok_s := _result(row).get("tok_s")) and (where not in last or last[where][0] < row.ended_at):
            last[where] = (row.ended_at, tok_s)
    yield _counter("matins_gpu_busy_seconds", "Time in which a GPU gate was held.", ("runner",), busy)
    yield _histogram("matins_gpu_gate_wait_seconds", "Waits for a GPU gate.", (), {(): gate_waits})
    yield _counter("matins_smoke_runs", "Smoke stages.", ("runner", "result"), runs)
    yield _histogram("matins_gpu_dispatch_duration_seconds", "Parts of a dispatch.", ("runner", "kind"), dispatches)
    yield _counter("matins_generated_tokens", "Tokens generated by smoke runs.", ("runner",), tokens)
    yield _counter("matins_generation_seconds", "Time that smoke runs generated for.", ("runner",), seconds)
    speeds = {where: tok_s for where, (_, tok_s) in last.items()}
    yield _gauge("matins_smoke_last_tokens_per_second", "Of the newest episode.", ("runner", "campaign"), speeds)


def _spending(picture: Picture) -> Iterator[Metric]:
    tokens: Counter[tuple[str, ...]] = Counter()
    usd: Counter[tuple[str, ...]] = Counter()
    size = 0
    for row, _ in picture.episodes:
        result = _result(row)
        size += result.get("artifact_bytes", 0)
        for kind, count in result.get("agent_tokens", {}).items():
            tokens[row.agent, row.model or "", kind] += count
        if row.kind == EpisodeKind.EPISODE:
            usd["tokens", row.agent] += result.get("agent_usd", 0.0)
    yield _counter("matins_agent_tokens", "Tokens that agents used.", ("agent", "model", "type"), tokens)
    yield _counter("matins_cost_usd", "What was spent.", ("kind", "agent"), usd)
    yield _counter("matins_artifact_bytes", "Bytes of artifacts kept.", (), {(): size})
    pulls = {(result,): count for result, count in picture.pulls.items()}
    yield _counter("matins_artifact_pulls", "Pulls of artifacts.", ("result",), pulls)


def _result(row: EpisodeRow) -> dict[str, Any]:
    return row.result or {}


def _outcome(row: EpisodeRow) -> str:
    if row.phase == Phase.DONE:
        return "valid" if _result(row).get("valid") else "invalid"
    return {Phase.FAILED: "failed", Phase.CANCELLED: "cancelled"}.get(Phase(row.phase), "")


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Any) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], values: Any) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, labels: tuple[str, ...], values: dict[tuple[str, ...], Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value.buckets(), value.total)
    return family
