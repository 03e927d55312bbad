"""The interval of a paired change, against printed tables and by simulation."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent.measure.interval import beta_regularised, log_interval, t_cdf, t_quantile

# Student's t, two-sided 0.05 and 0.001, one-sided 0.005: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
TABLE = [
    (0.975, 1, 12.706),
    (0.975, 2, 4.303),
    (0.975, 4, 2.776),
    (0.975, 9, 2.262),
    (0.975, 30, 2.042),
    (0.975, 100, 1.984),
    (0.995, 1, 63.657),
    (0.995, 5, 4.032),
    (0.999, 10, 4.144),
    (0.90, 3, 1.638),
]


@pytest.mark.parametrize(("p", "freedom", "value"), TABLE)
def test_quantiles_agree_with_the_printed_table(p: float, freedom: int, value: float):
    assert t_quantile(p, freedom) == pytest.approx(value, abs=1.5e-3)


def test_one_degree_of_freedom_is_the_cauchy_distribution():
    for p in (0.6, 0.9, 0.999, 0.9999999):
        assert t_quantile(p, 1) == pytest.approx(math.tan(math.pi * (p - 0.5)), rel=1e-9)


def test_two_degrees_of_freedom_have_a_closed_form():
    for t in (-3.0, -0.2, 0.0, 0.7, 5.0):
        assert t_cdf(t, 2) == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)), abs=1e-13)


def test_many_degrees_of_freedom_are_nearly_normal():
    assert t_quantile(0.975, 1_000_000) == pytest.approx(1.959964, abs=1e-5)


@given(st.floats(0.001, 0.999), st.integers(1, 400))
def test_a_quantile_is_the_inverse_of_the_distribution_and_symmetric(p: float, freedom: int):
    assert t_cdf(t_quantile(p, freedom), freedom) == pytest.approx(p, abs=1e-9)
    assert t_quantile(1 - p, freedom) == pytest.approx(-t_quantile(p, freedom), rel=1e-6, abs=1e-9)


@given(st.floats(0.1, 50), st.floats(0.1, 50), st.integers(0, 1024).map(lambda n: n / 1024))
def test_the_incomplete_beta_function_reflects(a: float, b: float, x: float):
    assert beta_regularised(a, b, x) + beta_regularised(b, a, 1 - x) == pytest.approx(1, abs=1e-9)


def test_the_interval_is_students() -> None:
    logs = [0.9, 1.0, 1.3]
    mean = sum(logs) / 3
    half = 4.302652729911275 * math.sqrt(sum((value - mean) ** 2 for value in logs) / 2 / 3)
    assert log_interval(logs, 0.05) == pytest.approx((mean, mean - half, mean + half))


def test_fewer_than_two_logarithms_have_no_interval() -> None:
    assert log_interval([], 0.05) is None
    assert log_interval([0.4], 0.05) is None


def test_logarithms_that_agree_to_the_last_digit_have_an_interval_of_no_width() -> None:
    assert log_interval([0.5] * 4, 0.05) == (0.5, 0.5, 0.5)


def test_runs_that_do_not_differ_are_called_different_as_often_as_alpha_says():
    seed = 20260101
    print("seed", seed)
    source = random.Random(seed)
    trials, wrong = 3000, 0
    for _ in range(trials):
        found = log_interval([source.gauss(0, 0.03) for _ in range(4)], 0.05)
        assert found is not None
        wrong += not found[1] <= 0 <= found[2]
    # Four standard errors of a proportion of 0.05.
    assert abs(wrong / trials - 0.05) < 4 * math.sqrt(0.05 * 0.95 / trials)
