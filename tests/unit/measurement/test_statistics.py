"""The statistics of a comparison, held to what was published of them and to a simulation of their promise."""

from __future__ import annotations

import math
import random
import statistics
from itertools import combinations

import pytest

from orchestrator.measurement.bootstrap import Samples, bootstrap, difference, mean
from orchestrator.measurement.exact import clopper_pearson, fisher_p, least_p, newcombe, permutation_p
from orchestrator.measurement.holm import adjusted
from orchestrator.measurement.power import MOST, episodes_needed

# Efron and Tibshirani 1993, "An Introduction to the Bootstrap": table 2.1 (mice) and table 14.1 (spatial test, A).
TREATED = (94.0, 197.0, 16.0, 38.0, 99.0, 141.0, 23.0)
CONTROL = (52.0, 104.0, 146.0, 10.0, 51.0, 30.0, 40.0, 27.0, 46.0)
SPATIAL_A = (
    48.0, 36.0, 20.0, 29.0, 42.0, 42.0, 20.0, 42.0, 22.0, 41.0, 45.0, 14.0, 6.0,
    0.0, 33.0, 28.0, 34.0, 4.0, 32.0, 24.0, 47.0, 41.0, 24.0, 26.0, 30.0, 41.0,
)  # fmt: skip


def dice(seed: int = 7) -> random.Random:
    return random.Random(seed)


def variance(samples: Samples) -> float:
    return statistics.pvariance(samples[0])


def test_bca_is_that_of_the_book() -> None:
    found = bootstrap([SPATIAL_A], variance, dice(), resamples=4000)
    assert found is not None
    interval = found.interval(0.10, expanded=False)
    assert interval is not None
    assert found.estimate == pytest.approx(171.5, abs=0.05)
    assert found.acceleration == pytest.approx(0.061, abs=0.0005)
    assert found.bias == pytest.approx(0.146, abs=0.06)
    assert (interval.low, interval.high) == (pytest.approx(115.8, abs=3), pytest.approx(259.6, abs=7))


@pytest.mark.parametrize(
    "samples", [[[3.0]], [[2.0, 2.0, 2.0]], [[1.0, 2.0], [5.0]]], ids=["one", "alike", "one of two"]
)
def test_there_is_no_bootstrap_of_values_that_show_no_spread(samples: list[list[float]]) -> None:
    assert bootstrap(samples, mean if len(samples) == 1 else difference, dice()) is None


@pytest.mark.parametrize(("number", "told"), [(5, False), (6, True)])
def test_at_95_percent_an_interval_takes_six_values(number: int, told: bool) -> None:
    found = bootstrap([[float(n) for n in range(number)]], mean, dice())
    assert found is not None
    assert (found.interval(0.05) is not None) == told


def test_the_same_seed_says_the_same() -> None:
    one, two = (bootstrap([TREATED, CONTROL], difference, dice(3)) for _ in range(2))
    assert one == two
    assert one is not None
    assert one.estimate == pytest.approx(30.63, abs=0.01)


@pytest.mark.parametrize(("number", "shape", "least"), [(6, "normal", 0.90), (12, "skewed", 0.865)])
def test_intervals_hold_what_they_promise(number: int, shape: str, least: float) -> None:
    """150 simulated comparisons of equals at 95 %; `least` is three standard errors below what 2000 of them held:
    95.8 % and 93.1 %. Without the expansion they held 88.3 % both."""
    chance = dice(11)
    held = {True: 0, False: 0}
    for _ in range(150):
        groups = [
            [chance.expovariate(1.0) if shape == "skewed" else chance.gauss(0, 1) for _ in range(number)]
            for _ in range(2)
        ]
        found = bootstrap(groups, difference, chance, resamples=199)
        for expanded in held:
            interval = found.interval(0.05, expanded=expanded) if found else None
            held[expanded] += interval is not None and interval.low <= 0 <= interval.high
    assert held[True] / 150 >= least
    assert held[False] < held[True]


def test_equals_are_called_different_no_more_often_than_promised() -> None:
    """Three equal groups of four, 300 times at 5 %; more than 26 would be a chance of one in 500."""
    chance = dice(17)
    wrong = 0
    for _ in range(300):
        groups = [[chance.choice((0.2, 0.4, 0.6, 1.0)) for _ in range(5)] for _ in range(3)]
        wrong += min(adjusted([permutation_p(a, b, chance).value for a, b in combinations(groups, 2)])) <= 0.05
    assert wrong <= 26


@pytest.mark.parametrize("effect", [1.8, 2.5])
def test_the_number_of_episodes_that_is_named_settles_it_four_times_of_five(effect: float) -> None:
    chance = dice(5)
    number = episodes_needed(effect, 1.0, 0.05)
    settled = 0
    for _ in range(200):
        groups = [[chance.gauss(middle, 1.0) for _ in range(number)] for middle in (0.0, effect)]
        settled += permutation_p(groups[0], groups[1], chance).value <= 0.05
    assert settled / 200 >= 0.8 - 3 * math.sqrt(0.8 * 0.2 / 200)


def test_a_permutation_test_counts_every_arrangement() -> None:
    found = permutation_p(TREATED, CONTROL, dice())
    values = (*TREATED, *CONTROL)
    gap = abs(statistics.mean(TREATED) - statistics.mean(CONTROL))
    extreme = sum(abs(sum(part) / 7 - (sum(values) - sum(part)) / 9) >= gap - 1e-9 for part in combinations(values, 7))
    assert found.exact
    assert found.value == pytest.approx(extreme / math.comb(16, 7))
    # The book's one-sided achieved significance level, from 1000 drawn arrangements, is 0.132.
    assert found.value / 2 == pytest.approx(0.132, abs=0.02)


def test_where_arrangements_are_too_many_they_are_drawn_and_agree_with_the_exact_ones() -> None:
    drawn = permutation_p(TREATED, CONTROL, dice(), exact_most=100)
    assert not drawn.exact
    assert drawn.value == pytest.approx(permutation_p(TREATED, CONTROL, dice()).value, abs=0.06)
    assert permutation_p([5.0] * 9, [float(n) / 100 for n in range(9)], dice(), exact_most=10).value >= 1 / 10_000
    nothing = permutation_p([1.0, 2.0, 3.0] * 5, [1.0, 2.0, 3.0] * 4, dice())
    assert (nothing.value, nothing.exact) == (1.0, False), "it ended early"


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], 0.1),
        ([1.0, 1.0], [1.0, 1.0], 1.0),
        ([1.0], [2.0], 1.0),
        ([], [2.0], 1.0),
        ([0.1 + 0.2, 0.3], [0.3, 0.1 + 0.2], 1.0),
    ],
    ids=["three and three", "alike", "one and one", "none", "rounding"],
)
def test_small_groups_are_told_how_little_they_show(first: list[float], second: list[float], p: float) -> None:
    assert permutation_p(first, second, dice()).value == pytest.approx(p)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        ((3, 4), (1, 4), 0.4857),  # Fisher 1935: the lady tasting tea
        ((4, 4), (0, 4), 0.0286),
        ((1, 10), (11, 14), 0.00276),  # the example of many textbooks: 1, 9, 11, 3
        ((8, 10), (1, 6), 0.0350),
        ((0, 5), (0, 5), 1.0),
    ],
)
def test_fishers_exact_test_is_that_of_the_books(first: tuple[int, int], second: tuple[int, int], p: float) -> None:
    assert fisher_p(first, second).value == pytest.approx(p, abs=0.00005)


@pytest.mark.parametrize(
    ("hits", "number", "low", "high"),
    [(0, 10, 0.0, 0.3085), (5, 10, 0.1871, 0.8129), (8, 10, 0.4439, 0.9748), (10, 10, 0.6915, 1.0)],
)
def test_the_interval_of_a_share_is_that_of_the_tables(hits: int, number: int, low: float, high: float) -> None:
    found = clopper_pearson(hits, number, 0.05)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.00005), pytest.approx(high, abs=0.00005))


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_the_interval_of_a_difference_of_shares_is_that_of_newcombe_1998_table_2(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    found = newcombe(first, second, 0.05)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.00005), pytest.approx(high, abs=0.00005))


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ((0.01, 0.04, 0.03, 0.005), (0.03, 0.06, 0.06, 0.02)),
        ((0.5,), (0.5,)),
        ((0.6, 0.7), (1.0, 1.0)),
        ((), ()),
    ],
)
def test_holms_correction(p_values: tuple[float, ...], corrected: tuple[float, ...]) -> None:
    assert adjusted(p_values) == pytest.approx(corrected)


@pytest.mark.parametrize(("effect", "number"), [(0.2, 394), (0.5, 64), (0.8, 26)])
def test_the_number_of_episodes_is_that_of_cohens_table(effect: float, number: int) -> None:
    """Cohen 1988, "Statistical Power Analysis", table 2.4.1: two-sided 0.05, power 0.80."""
    assert episodes_needed(effect, 1.0, 0.05) == number


@pytest.mark.parametrize(("alpha", "number"), [(0.05, 5), (0.01, 6), (0.001, 8)])
def test_never_fewer_episodes_than_an_exact_test_takes(alpha: float, number: int) -> None:
    assert episodes_needed(10.0, 0.0, alpha) == number
    assert least_p(number, number) <= alpha / 2 < least_p(number - 1, number - 1)


def test_a_difference_of_nothing_is_settled_by_no_number() -> None:
    assert episodes_needed(0.0, 1.0, 0.05) == MOST
    assert episodes_needed(1e-9, 1.0, 0.05) == MOST
