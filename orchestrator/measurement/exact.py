"""Tests and intervals that hold at any number of episodes, the smallest too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

from orchestrator.measurement.bootstrap import Interval
from orchestrator.measurement.dice import Dice
from runner_agent.measure.interval import beta_regularised

EXACT_MOST = 20_000
DRAWS = 9_999
ENOUGH_HITS = 100
_TIE = 1e-9


@dataclass(frozen=True, kw_only=True)
class P:
    """`exact`: over all arrangements, and not over drawn ones."""

    value: float
    exact: bool


def permutation_p(
    first: Sequence[float], second: Sequence[float], dice: Dice, exact_most: int = EXACT_MOST, draws: int = DRAWS
) -> P:
    """Two-sided p of the difference in means, if it is chance who got which value (Fisher 1935, "The Design of
    Experiments"; Pitman 1937). Beyond `exact_most` arrangements up to `draws` of them are drawn, the one that happened
    being one more (Phipson and Smyth 2010, "Permutation p-values should never be zero"), and no more once ENOUGH_HITS
    were as far apart (Besag and Clifford 1991, "Sequential Monte Carlo p-values")."""
    values = [*first, *second]
    if not first or not second or max(values) == min(values):
        return P(value=1.0, exact=True)
    total, n = math.fsum(values), min(len(first), len(second))
    fewer = first if len(first) == n else second
    # The difference in means goes with the distance of one sum from its expectation.
    expected = total * n / len(values)
    reached = abs(math.fsum(fewer) - expected) - _TIE * (abs(total) + max(values) - min(values))
    count = math.comb(len(values), n)
    if count <= exact_most:
        hits = sum(abs(math.fsum(part) - expected) >= reached for part in combinations(values, n))
        return P(value=hits / count, exact=True)
    hits = 0
    for drawn in range(1, draws + 1):
        hits += abs(math.fsum(dice.sample(values, n)) - expected) >= reached
        if hits >= ENOUGH_HITS:
            return P(value=hits / drawn, exact=False)
    return P(value=(hits + 1) / (draws + 1), exact=False)


def fisher_p(first: tuple[int, int], second: tuple[int, int]) -> P:
    """Two-sided p of two (hits, number), summed over all tables that are no more likely (Fisher 1935)."""
    (a, n), (b, m) = first, second
    hits, tables = a + b, math.comb(n + m, a + b)
    weights = {x: math.comb(n, x) * math.comb(m, hits - x) for x in range(max(0, hits - m), min(n, hits) + 1)}
    return P(value=sum(weight for weight in weights.values() if weight <= weights[a]) / tables, exact=True)


def least_p(n: int, m: int) -> float:
    """The smallest two-sided p that either test can give so many episodes, whatever they show."""
    return min(1.0, 2 / math.comb(n + m, n))


def clopper_pearson(hits: int, number: int, alpha: float) -> Interval:
    """The interval of a share (Clopper and Pearson 1934, Biometrika 26); its coverage is never below 1 - alpha."""
    low = 0.0 if hits == 0 else _beta_quantile(alpha / 2, hits, number - hits + 1)
    high = 1.0 if hits == number else _beta_quantile(1 - alpha / 2, hits + 1, number - hits)
    return Interval(low=low, high=high)


def newcombe(first: tuple[int, int], second: tuple[int, int], alpha: float) -> Interval:
    """The interval of the difference of two shares (Newcombe 1998, "Interval estimation for the difference between
    independent proportions", Statistics in Medicine 17, method 10)."""
    (a, n), (b, m) = first, second
    p, q = a / n, b / m
    one, two = _wilson(a, n, alpha), _wilson(b, m, alpha)
    low = p - q - math.hypot(p - one.low, two.high - q)
    high = p - q + math.hypot(one.high - p, q - two.low)
    return Interval(low=low, high=high)


def _wilson(hits: int, number: int, alpha: float) -> Interval:
    z = NormalDist().inv_cdf(1 - alpha / 2)
    middle = 2 * hits + z * z
    half = z * math.sqrt(z * z + 4 * hits * (1 - hits / number))
    return Interval(low=(middle - half) / (2 * (number + z * z)), high=(middle + half) / (2 * (number + z * z)))


def _beta_quantile(p: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if beta_regularised(a, b, middle) < p else (low, middle)
    return high
