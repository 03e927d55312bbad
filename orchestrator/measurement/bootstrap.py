"""Bootstrap intervals, bias-corrected and accelerated, with the expansion that small samples need.

BCa: Efron 1987, "Better bootstrap confidence intervals", JASA 82; several samples: Davison and Hinkley 1997, "Bootstrap
Methods and their Application", 5.3. Expansion: Hesterberg 2015, "What teachers should know about the bootstrap", The
American Statistician 69, 3.3: without it the interval of a mean of few is too short by the square root of (n - 1) / n
and by the difference of Student's t from the normal distribution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from orchestrator.measurement.dice import Dice
from runner_agent.measure.interval import t_quantile

RESAMPLES = 2000

Samples = Sequence[Sequence[float]]
Statistic = Callable[[Samples], float]
_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """The statistic of the samples, and of `replicates`, sorted. `bias` is z0, `acceleration` a (Efron 1987)."""

    estimate: float
    replicates: tuple[float, ...]
    bias: float
    acceleration: float
    smallest: int

    def interval(self, alpha: float, *, expanded: bool = True) -> Interval | None:
        """At 1 - alpha, widened for small samples if `expanded`. None where a sample is too small for any: all of n
        values lie on one side of a median with probability 2^(1 - n), and no resample reaches beyond them."""
        if 2.0 ** (1 - self.smallest) > alpha:
            return None
        z = _NORMAL.inv_cdf(1 - alpha / 2)
        if expanded:
            n = self.smallest
            z = math.sqrt(n / (n - 1)) * t_quantile(1 - alpha / 2, n - 1)
        return Interval(low=self._quantile(-z), high=self._quantile(z))

    def _quantile(self, z: float) -> float:
        moved = self.bias + z
        # Where the correction turns back on itself it says nothing more: stay at the outermost replicate.
        slack = 1 - self.acceleration * moved
        place = _NORMAL.cdf(self.bias + moved / slack) if slack > 0 else float(moved > 0)
        at = place * (len(self.replicates) + 1) - 1
        low = min(max(math.floor(at), 0), len(self.replicates) - 1)
        high = min(low + 1, len(self.replicates) - 1)
        part = min(max(at - low, 0.0), 1.0)
        return self.replicates[low] + part * (self.replicates[high] - self.replicates[low])


def bootstrap(samples: Samples, statistic: Statistic, dice: Dice, resamples: int = RESAMPLES) -> Bootstrap | None:
    """Each sample is drawn from by itself. None where a sample has less than two values, or all replicates are alike:
    values without any spread say nothing of what the next one will be."""
    if min(map(len, samples)) < 2:
        return None
    estimate = statistic(samples)
    replicates = sorted(
        statistic([dice.choices(sample, k=len(sample)) for sample in samples]) for _ in range(resamples)
    )
    if replicates[0] == replicates[-1]:
        return None
    below = sum(value < estimate for value in replicates) + sum(value == estimate for value in replicates) / 2
    share = min(max(below / resamples, 1 / (resamples + 1)), resamples / (resamples + 1))
    return Bootstrap(
        estimate=estimate,
        replicates=tuple(replicates),
        bias=_NORMAL.inv_cdf(share),
        acceleration=_acceleration(samples, statistic),
        smallest=min(map(len, samples)),
    )


def mean(samples: Samples) -> float:
    """Of the first sample."""
    return math.fsum(samples[0]) / len(samples[0])


def difference(samples: Samples) -> float:
    """The mean of the first sample less that of the second."""
    first, second = samples
    return math.fsum(first) / len(first) - math.fsum(second) / len(second)


def _acceleration(samples: Samples, statistic: Statistic) -> float:
    """From the jackknife (Davison and Hinkley 1997, 5.3.2)."""
    cubes = squares = 0.0
    for place, sample in enumerate(samples):
        n = len(sample)
        without = [statistic(_leaving_out(samples, place, left)) for left in range(n)]
        middle = math.fsum(without) / n
        influences = [(n - 1) * (middle - value) for value in without]
        cubes += math.fsum(value**3 for value in influences) / n**3
        squares += math.fsum(value**2 for value in influences) / n**2
    return cubes / (6 * squares**1.5) if squares > 0 else 0.0


def _leaving_out(samples: Samples, place: int, left: int) -> list[Sequence[float]]:
    changed = [*samples]
    changed[place] = [value for n, value in enumerate(samples[place]) if n != left]
    return changed
