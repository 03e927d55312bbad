"""The verdict on a change of throughput."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchestrator.measurement.throughput import compare

FASTER = [(19.0, 50.0), (19.2, 51.0), (18.9, 49.8)]
NUMBERS = some.floats(allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [
        (FASTER, "faster"),
        ([(candidate, baseline) for baseline, candidate in FASTER], "slower"),
        ([(19.0, 19.01), (19.0, 18.99), (19.0, 19.0)], "same"),
        # The interval excludes zero and yet lies within what counts as the same.
        ([(100.0, 100.5), (100.0, 100.6), (100.0, 100.55)], "same"),
        ([(19.0, 25.0), (30.0, 26.0), (12.0, 27.0)], "inconclusive"),
        ([(19.0, 50.0)], "inconclusive"),
        ([], "inconclusive"),
    ],
)
def test_the_interval_decides(pairs: list[tuple[float, float]], verdict: str) -> None:
    assert compare(pairs, 0.05, 0.02).verdict == verdict


def test_the_speeds_are_medians() -> None:
    found = compare(FASTER, 0.05, 0.02)
    assert (found.baseline, found.candidate, found.samples) == (19.0, 50.0, 3)


@pytest.mark.parametrize("broken", [math.nan, math.inf, 0.0, -1.0])
def test_one_broken_pair_is_inconclusive_and_not_dropped(broken: float) -> None:
    found = compare([*FASTER, (19.0, broken)], 0.05, 0.02)
    assert found.verdict == "inconclusive"
    assert found.reason == "1 of 4 pairs hold a throughput that is not a positive number"


def test_too_few_pairs_say_so() -> None:
    assert compare([(19.0, 50.0)], 0.05, 0.02).reason.startswith("1 complete pairs")


def test_the_largest_floats_have_a_median_too() -> None:
    assert compare([(1e308, 1.7e308), (1.7e308, 1.7e308)], 0.05, 0.02).candidate == 1.7e308


@given(some.lists(some.tuples(NUMBERS, NUMBERS), max_size=6))
def test_any_numbers_give_a_verdict_of_finite_numbers(pairs: list[tuple[float, float]]) -> None:
    found = compare(pairs, 0.05, 0.02)
    told = [
        value for value in (found.baseline, found.candidate, found.change, found.low, found.high) if value is not None
    ]
    assert all(math.isfinite(value) for value in told)
    assert (found.low is None) == (found.reason != "")
    assert found.low is None or found.low <= found.high  # type: ignore[operator]
