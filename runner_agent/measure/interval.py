"""A confidence interval for the change between paired measurements.

The ratios of pairs are taken as log-normal: Student's t on their logarithms (Student 1908, "The probable error of a
mean"), as ratios are multiplicative and the interval should not depend on which side is called the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def log_interval(logs: Sequence[float], alpha: float) -> tuple[float, float, float] | None:
    """Mean, low and high of the interval at 1 - alpha for the mean of logarithms of ratios; None for fewer than 2."""
    samples = len(logs)
    if samples < 2:
        return None
    mean = math.fsum(logs) / samples
    variance = math.fsum((value - mean) ** 2 for value in logs) / (samples - 1)
    half = t_quantile(1 - alpha / 2, samples - 1) * math.sqrt(variance / samples)
    return mean, mean - half, mean + half


def t_quantile(p: float, freedom: int) -> float:
    """The p-quantile of Student's t, by bisection on its distribution to the last bit that a double holds."""
    if not 0 < p < 1 or freedom < 1:
        raise ValueError("p should lie between 0 and 1 and the degrees of freedom be at least 1")
    if p <= 0.5:
        return 0.0 if p == 0.5 else -t_quantile(1 - p, freedom)
    low, high = 0.0, 1.0
    while t_cdf(high, freedom) < p and high < 1e300:
        low, high = high, high * 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if t_cdf(middle, freedom) < p else (low, middle)
    return high


def t_cdf(t: float, freedom: int) -> float:
    """P(T ≤ t), from the regularised incomplete beta function (Abramowitz and Stegun 26.7.1)."""
    tail = beta_regularised(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2
    return 1 - tail if t > 0 else tail


def beta_regularised(a: float, b: float, x: float) -> float:
    """Iₓ(a, b) by its continued fraction (Abramowitz and Stegun 26.5.8; modified Lentz, Thompson and Barnett 1986)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_regularised(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x) - math.log(a)
    )
    return front / _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d₁/(1 + d₂/(1 + …)), converging for x below (a + 1)/(a + b + 2)."""
    value, c, d = 1.0, 1.0, 0.0
    for n in range(1, 10_000):
        m = n // 2
        step = (
            m * (b - m) * x / ((a + n - 1) * (a + n))
            if n % 2 == 0
            else -(a + m) * (a + b + m) * x / ((a + n - 1) * (a + n))
        )
        d = 1 / _away_from_zero(1 + step * d)
        c = _away_from_zero(1 + step / c)
        value *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300
