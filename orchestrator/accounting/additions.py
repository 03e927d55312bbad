"""What a batch of ended things adds to the roll-ups, summed before anything is written. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.accounting.histogram import Histogram

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A metric, without `_total`, and its labels in the order of their names."""

Exemplar = tuple[str, float, float]
"""The episode that an observation is of, what was observed, and seconds since the epoch."""


def series(metric: str, labels: Mapping[str, str]) -> Series:
    return metric, tuple(sorted(labels.items()))


@dataclass
class Observed:
    """What is added to a histogram, and the newest exemplar of each bucket."""

    histogram: Histogram
    exemplars: dict[int, Exemplar] = field(default_factory=dict[int, Exemplar])


@dataclass
class Additions:
    """By series: what counters and histograms rise by, and the newest values of gauges with their moments."""

    totals: dict[Series, float] = field(default_factory=dict[Series, float])
    histograms: dict[Series, Observed] = field(default_factory=dict[Series, Observed])
    gauges: dict[Series, tuple[float, datetime]] = field(default_factory=dict[Series, tuple[float, datetime]])

    def add(self, metric: str, labels: Mapping[str, str], amount: float) -> None:
        """`amount` is not negative; 0 makes a counter known. Raises ValueError."""
        if not amount >= 0:
            raise ValueError(f"{metric} is a counter and cannot change by {amount}")
        of = series(metric, labels)
        self.totals[of] = self.totals.get(of, 0.0) + amount

    def observe(
        self,
        metric: str,
        labels: Mapping[str, str],
        bounds: Sequence[float],
        value: float,
        *,
        episode_id: str = "",
        at: datetime | None = None,
    ) -> None:
        """One observation; with `episode_id` and `at`, as an exemplar too."""
        seen = Histogram(bounds).observe([value])
        exemplar = (episode_id, value, at.timestamp()) if episode_id and at is not None else None
        self.count(metric, labels, bounds, seen.counts, value, exemplar=exemplar)

    def count(
        self,
        metric: str,
        labels: Mapping[str, str],
        bounds: Sequence[float],
        counts: Sequence[int],
        total: float,
        *,
        exemplar: Exemplar | None = None,
    ) -> None:
        """Many observations at once. Raises ValueError where `counts` is no histogram of these bounds."""
        seen = self.histograms.setdefault(series(metric, labels), Observed(Histogram(bounds)))
        seen.histogram.add(counts, total)
        if exemplar is not None:
            seen.exemplars[bisect_left(bounds, exemplar[1])] = exemplar

    def set(self, metric: str, labels: Mapping[str, str], value: float, at: datetime) -> None:
        """The newest word counts, in whatever order they come."""
        of = series(metric, labels)
        if of not in self.gauges or self.gauges[of][1] <= at:
            self.gauges[of] = (value, at)
