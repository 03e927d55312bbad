"""The metrics of CONTRACTS: the roll-ups, a few queries of how things stand, and what is known to be 0."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from sqlalchemy.exc import SQLAlchemyError

import orchestrator
from orchestrator.accounting.families import FAMILIES, Family
from orchestrator.accounting.histogram import Histogram
from orchestrator.errors import Unavailable
from orchestrator.service.services import Services
from orchestrator.store.scrape import Memory, Present, changed_since, newest_change, present
from orchestrator.web.known import Census, known_counters, known_histograms
from orchestrator.web.rollups import Counts, Key, RollUps
from orchestrator.web.standing import open_seconds, standing

log = structlog.get_logger()

SHOWN_FOR = timedelta(days=7)
"""A runner's speed in a campaign is shown for so long after the last episode that told it: campaigns come and go."""

SWEEP_EVERY = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What one scrape shows: by family and key, gauges and counters in `values`, histograms in `counts`."""

    values: Mapping[str, Mapping[Key, float]]
    counts: Mapping[str, Mapping[Key, Counts]]


class DatabaseCollector(Collector):
    """Reads the database; one that fails shows as `matins_exporter_refresh_success 0`. It remembers the roll-ups, which
    are many, and asks for those that changed. Not for two threads at once."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._memory = Memory()
        self._rollups = RollUps()
        self._census: Census | None = None
        self._swept_at: datetime | None = None
        self._shown: dict[str, Mapping[Key, float]] = {}

    def look(self) -> Picture:
        try:
            seen = self._read()
        except (SQLAlchemyError, Unavailable) as error:
            log.error("metrics-refresh-failed", error=str(error))
            return Picture(values={"matins_exporter_refresh_success": {(): 0}}, counts={})
        self._make_known(seen)
        now = self._services.now()
        values: dict[str, Mapping[Key, float]] = {
            "matins_exporter_refresh_success": {(): 1},
            "matins_exporter_refresh_timestamp_seconds": {(): now.timestamp()},
            "matins_build_info": {(orchestrator.__version__,): 1},
            **{name: kept for name, kept in self._rollups.totals.items() if FAMILIES[name].kind == "counter"},
            **_disk(self._services.settings.home),
        }
        if self._swept_at is None or now - self._swept_at > SWEEP_EVERY:
            self._rollups.forget(now - SHOWN_FOR)
            self._swept_at = now
        values |= {name: gauges for name, gauges in self._rollups.gauges.items() if gauges}
        for name, told in standing(seen, now):
            values[name] = self._same(name, {**values[name], **told} if name in values else told)
        over = self._rollups.totals["matins_runner_state_seconds"]
        still = {key: over.get(key, 0.0) + lasted_s for key, lasted_s in open_seconds(seen).items()}
        values["matins_runner_state_seconds"] = {**over, **still}
        counts = {name: kept for name, kept in self._rollups.histograms.items() if FAMILIES[name].kind == "histogram"}
        return Picture(values=values, counts=counts)

    def collect(self) -> Iterator[Metric]:
        return families_of(self.look())

    def _read(self) -> Present:
        with self._services.store.reading() as session:
            if newest_change(session) < self._rollups.number:
                # Another database: one that was brought back from a copy.
                self._rollups, self._census = RollUps(), None
            changed = changed_since(session, self._rollups.number)
            seen = present(session, self._memory)
        self._rollups.learn(changed)
        return seen

    def _same(self, name: str, values: Mapping[Key, float]) -> Mapping[Key, float]:
        """What was shown last, if it is the same: then it need not be written again."""
        if self._shown.get(name) != values:
            self._shown[name] = values
        return self._shown[name]

    def _make_known(self, seen: Present) -> None:
        census = self._take_census(seen)
        if census == self._census:
            return
        self._census = census
        self._rollups.make_known(known_counters(census), known_histograms(census))

    def _take_census(self, seen: Present) -> Census:
        ended = {(campaign, agent) for campaign, agent, _ in self._rollups.totals["matins_episodes"]}
        live = {(group.campaign, group.agent) for group in seen.episodes if group.kind == "episode"}
        return Census(
            runners=tuple(each.runner.name for each in seen.runners),
            sleepers=tuple(each.runner.name for each in seen.runners if each.sleeps),
            entered=frozenset(ended | live),
            models=frozenset((agent, model) for agent, model, _ in self._rollups.totals["matins_agent_tokens"]),
        )


def families_of(picture: Picture) -> Iterator[Metric]:
    """For prometheus-client."""
    for name, family in FAMILIES.items():
        if name in picture.values:
            yield _samples(family, picture.values[name])
        elif name in picture.counts:
            yield _histograms(family, picture.counts[name])


def _disk(home: Path) -> dict[str, Mapping[Key, float]]:
    """Where the orchestrator keeps its state; nothing where that cannot be looked at."""
    try:
        told = os.statvfs(home)
    except OSError:
        return {}
    return {
        "matins_home_free_bytes": {(): told.f_bavail * told.f_frsize},
        "matins_home_size_bytes": {(): told.f_blocks * told.f_frsize},
    }


def _samples(family: Family, values: Mapping[Key, float]) -> Metric:
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    made = make(family.name, family.says, labels=family.labels)
    for key, value in values.items():
        made.add_metric(key, value)
    return made


def _histograms(family: Family, values: Mapping[Key, Counts]) -> Metric:
    made = HistogramMetricFamily(family.name, family.says, labels=family.labels)
    for key, value in values.items():
        buckets = Histogram(family.bounds, list(value.counts)).buckets()
        told = [
            (bound, count, _exemplar(value, bucket)) if str(bucket) in value.exemplars else (bound, count)
            for bucket, (bound, count) in enumerate(buckets)
        ]
        made.add_metric(key, told, value.total)
    return made


def _exemplar(value: Counts, bucket: int) -> Exemplar:
    episode_id, seen, moment = value.exemplars[str(bucket)]
    return Exemplar({"episode_id": episode_id}, seen, moment)
