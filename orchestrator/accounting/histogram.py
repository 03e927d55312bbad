"""Classic histograms from plain values. The roll-ups in the database hold counts by these bounds: other bounds need a
migration."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

SECONDS = (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800)
"""Upper bounds for stages and episodes."""

WAKE_SECONDS = (0.5, 1, 3, 10, 20, 30, 60, 120, 300, 600)
"""Upper bounds for the stages of a wake. There is a histogram for each stage and machine, so few of them."""

DISPATCH_SECONDS = (1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 0.1, 1.0)
"""Upper bounds for what one GPU dispatch takes."""


@dataclass
class Histogram:
    """Counts per bucket (not cumulative, one more than bounds, the last for everything above) and the sum."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list[int])
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, values: Iterable[float]) -> Histogram:
        for value in values:
            self.counts[bisect_left(self.bounds, value)] += 1
            self.total += value
        return self

    def add(self, counts: Sequence[int], total: float) -> None:
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, counts, strict=True)]
        self.total += total

    def buckets(self) -> list[tuple[str, float]]:
        """As prometheus-client wants them: (upper bound, cumulative count), ending in +Inf."""
        labels = [*(str(float(bound)) for bound in self.bounds), "+Inf"]
        return list(zip(labels, accumulate(self.counts), strict=True))
