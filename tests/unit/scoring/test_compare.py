"""The verdict on a change of throughput."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchestrator.measurement import throughput
from orchestrator.measurement.throughput import Pair, Rule, Throughput
from runner_agent.measure.decision import Mode, decide

FASTER = [(19.0, 50.0), (19.2, 51.0), (18.9, 49.8)]
NUMBERS = some.floats(allow_nan=True, allow_infinity=True)


def rounds(pairs: list[tuple[float, float]]) -> list[Pair]:
    return [Pair(round=number, baseline=pair[0], candidate=pair[1]) for number, pair in enumerate(pairs, 1)]


def compare(pairs: list[tuple[float, float]], alpha: float, smallest_effect: float) -> Throughput:
    return throughput.compare(rounds(pairs), Rule(alpha=alpha, smallest_effect=smallest_effect))


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


@given(some.lists(some.tuples(NUMBERS, NUMBERS), max_size=14), some.sampled_from(["fixed", "adaptive"]))
def test_any_numbers_give_a_verdict_of_finite_numbers(pairs: list[tuple[float, float]], mode: Mode) -> None:
    found = throughput.compare(rounds(pairs), Rule(mode=mode))
    told = [
        value for value in (found.baseline, found.candidate, found.change, found.low, found.high) if value is not None
    ]
    assert all(math.isfinite(value) for value in told)
    assert (found.low is None) == (found.reason != "")
    assert found.low is None or found.low <= found.high  # type: ignore[operator]


SPEEDS = some.floats(min_value=1, max_value=100)


@given(some.lists(some.tuples(SPEEDS, SPEEDS), max_size=14), some.sampled_from(["fixed", "adaptive"]))
def test_the_verdict_is_what_the_runner_saw_when_it_stopped(pairs: list[tuple[float, float]], mode: Mode) -> None:
    rule = Rule(mode=mode)
    seen, told = decide(rounds(pairs), rule), throughput.compare(rounds(pairs), rule, seconds=12.5)
    assert (told.change, told.low, told.high, told.verdict) == (seen.change, seen.low, seen.high, seen.verdict)
    assert (told.samples, told.method, told.reason, told.seconds) == (seen.samples, seen.method, seen.reason, 12.5)


def test_a_voided_comparison_keeps_the_speeds_and_says_why() -> None:
    found = throughput.voided(rounds(FASTER), "the output differs")
    assert (found.baseline, found.candidate, found.change) == (19.0, 50.0, None)
    assert (found.verdict, found.reason) == ("inconclusive", "the output differs")
