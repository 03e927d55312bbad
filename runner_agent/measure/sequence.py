"""An anytime-valid confidence sequence for the change between paired, interleaved measurements.

The t-mixture: the scale-invariant test martingale of Gaussian observations with unknown variance, under a normal prior
on the standardised effect (Lai 1976, "On confidence sequences", Annals of Statistics 4; Wang and Ramdas 2025,
"Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance", Sequential Analysis 44). By
Ville's inequality the interval may be looked at after every pair, and be stopped at whenever one likes: it misses the
truth at any time with a probability of alpha at most. What a smoke run adds to that model is met as follows, each
choice made by simulation (tests/bench/ab.py).

- The observation is the logarithm of a pair's ratio: what both sides share cancels. Who goes first alternates, so that
  a linear drift cancels too.
- Autocorrelation widens the interval: the variance is multiplied by (1 + r)/(1 - r), with r the lag-1 autocorrelation,
  corrected for its bias and raised by half a standard error, as small samples hide it.
- Outliers (a throttle dip) are clipped at CLIP deviations from the median: Huber's one-step estimate and its variance.
- What two equal trees may differ by and no sample shows is added to both ends: SYSTEMATIC of the smallest effect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LEAST = 6
"""Fewer pairs give no interval."""
PRIOR = 0.5
"""The variance of the prior on the effect in units of one pair's standard deviation."""
CLIP = 2.5
SYSTEMATIC = 0.1
_MAD_TO_SD = 1.4826
_RAISED_ERRORS = 0.5
_CORRELATION_MOST = 0.9


@dataclass(frozen=True, kw_only=True)
class Band:
    """An interval for the mean of logarithms. `high` and `low` are infinite while nothing can be said."""

    mean: float
    low: float
    high: float


def band(logs: Sequence[float], alpha: float, systematic: float = 0.0) -> Band | None:
    """The interval after `logs` (natural logarithms of ratios, in the order of measurement); None for fewer than LEAST.
    `systematic` is added to both ends."""
    samples = len(logs)
    if samples < LEAST:
        return None
    mean, variance = _clipped(logs)
    errors = radius(samples, alpha)
    half = errors * math.sqrt(variance / samples) if math.isfinite(errors) else math.inf
    return Band(mean=mean, low=mean - half - systematic, high=mean + half + systematic)


def radius(samples: int, alpha: float) -> float:
    """Half the interval in standard errors: the largest |t| at which the martingale is below 1/alpha.

    With g = PRIOR, t² = n·mean²/s² and f = n - 1 it is (1 + ng)^(-1/2) · ((1 + t²/f) / (1 + t²/(f(1 + ng))))^(n/2).
    """
    spread = 1 + samples * PRIOR
    ratio = math.exp((math.log(spread) - 2 * math.log(alpha)) / samples)
    return math.sqrt((samples - 1) * (ratio - 1) / (1 - ratio / spread)) if ratio < spread else math.inf


def _clipped(logs: Sequence[float]) -> tuple[float, float]:
    """Huber's one-step estimate of the middle, and the variance of one observation with its autocorrelation."""
    samples = len(logs)
    middle = _median(logs)
    bound = CLIP * _MAD_TO_SD * _median([abs(value - middle) for value in logs])
    if not bound:  # more than half are the very same: nothing to tell an outlier by
        bound = math.inf
    kept = sum(abs(value - middle) <= bound for value in logs) / samples
    parts = [max(-bound, min(bound, value - middle)) for value in logs]
    shift = math.fsum(parts) / samples
    rest = [part - shift for part in parts]
    squares = math.fsum(value * value for value in rest)
    if not squares:
        return middle + shift, 0.0
    together = math.fsum(before * after for before, after in pairwise(rest)) / squares
    correlation = max(0.0, min(_CORRELATION_MOST, together + 1 / samples + _RAISED_ERRORS / math.sqrt(samples)))
    inflation = (1 + correlation) / (1 - correlation)
    return middle + shift / kept, squares / (samples - 1) / kept**2 * inflation


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
