"""An interval for the middle of paired differences that asks for symmetry alone.

Wilcoxon's signed ranks (1945), the paired form of Mann and Whitney's test, inverted as Hodges and Lehmann (1963) do it:
exact for any symmetric distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate


@dataclass(frozen=True, kw_only=True)
class Middle:
    """`middle` is the Hodges-Lehmann estimate, `low` and `high` the ends of its interval."""

    middle: float
    low: float
    high: float


def middle(values: Sequence[float], alpha: float) -> Middle | None:
    """The interval at 1 - alpha; None for so few values that none has that confidence (5 or fewer at alpha = 0.05)."""
    left_out = _left_out(len(values), alpha)
    if left_out is None:
        return None
    means = sorted((values[i] + values[j]) / 2 for i in range(len(values)) for j in range(i + 1))
    half = len(means) // 2
    centre = means[half] if len(means) % 2 else (means[half - 1] + means[half]) / 2
    return Middle(middle=centre, low=means[left_out], high=means[-1 - left_out])


@lru_cache(maxsize=256)
def _left_out(count: int, alpha: float) -> int | None:
    """How many of the sorted pairwise means lie outside at each end: the most with P(rank sum below it) <= alpha/2."""
    sums = [1]
    for rank in range(1, count + 1):
        sums = [
            (sums[total] if total < len(sums) else 0) + (sums[total - rank] if total >= rank else 0)
            for total in range(len(sums) + rank)
        ]
    allowed = alpha / 2 * 2**count
    within = [below for below, ways in enumerate(accumulate(sums)) if ways <= allowed]
    return within[-1] if within else None
