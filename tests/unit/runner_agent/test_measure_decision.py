"""When a change of throughput is settled, and what is said of it."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runner_agent.measure import ranks, sequence
from runner_agent.measure.decision import LEAST_PAIRS, Decision, Pair, Rule, decide

ADAPTIVE = Rule(mode="adaptive")
NOISE = (0.004, -0.006, 0.001, 0.005, -0.003, -0.002, 0.006, -0.005, 0.002, -0.001, 0.003, -0.004)


def pairs(*ratios: float) -> list[Pair]:
    return [Pair(round=number, baseline=20.0, candidate=20.0 * ratio) for number, ratio in enumerate(ratios, 1)]


def noisy(effect: float, rounds: int, noise: float = 1.0) -> list[Pair]:
    return pairs(*((1 + effect) * math.exp(noise * NOISE[number % len(NOISE)]) for number in range(rounds)))


# 1 + ng = 4, (4/0.0025)^(1/6) = 3.4200, t² = 5·2.4200/(1 - 3.4200/4) = 83.44; the others the same way.
@pytest.mark.parametrize(
    ("samples", "alpha", "errors"),
    [(6, 0.05, 9.1345), (8, 0.05, 4.7953), (20, 0.05, 3.3898), (100, 0.05, 3.2491), (6, 0.01, math.inf)],
)
def test_the_radius_is_that_of_the_t_mixture(samples: int, alpha: float, errors: float) -> None:
    assert sequence.radius(samples, alpha) == pytest.approx(errors, abs=1e-4)


@pytest.mark.parametrize("samples", [6, 9, 30, 200])
def test_at_the_radius_the_martingale_is_one_over_alpha(samples: int) -> None:
    squared, spread = sequence.radius(samples, 0.05) ** 2, 1 + samples * sequence.PRIOR
    freedom = samples - 1
    grown = (1 + squared / freedom) / (1 + squared / (freedom * spread))
    assert grown ** (samples / 2) / math.sqrt(spread) == pytest.approx(20)


@pytest.mark.parametrize(
    ("measured", "verdict", "settled"),
    [
        (noisy(0.0, 13), "same", True),
        (noisy(0.01, 30), "same", True),
        (noisy(0.05, 13), "faster", True),
        (noisy(-0.05, 13), "slower", True),
        (noisy(0.0, 13, noise=8.0), "inconclusive", False),
        (noisy(2.5, 6), "inconclusive", False),
        (noisy(2.5, 7), "faster", True),
        ([], "inconclusive", False),
    ],
)
def test_an_adaptive_measurement_is_settled_when_its_interval_says_so(
    measured: list[Pair], verdict: str, settled: bool
) -> None:
    found = decide(measured, ADAPTIVE)
    assert (found.verdict, found.settled) == (verdict, settled)


def test_the_warm_up_is_left_out() -> None:
    warm = noisy(0.0, 13)
    cold = [Pair(round=1, baseline=5.0, candidate=30.0), *warm[1:]]
    assert decide(cold, ADAPTIVE) == decide(warm, ADAPTIVE)
    assert decide(warm, ADAPTIVE).samples == 12


def test_a_bar_that_an_item_asks_for_must_be_settled_too() -> None:
    measured = noisy(0.24, 13)
    assert decide(measured, Rule(mode="adaptive", bars=(0.05,))).settled
    assert not decide(measured, Rule(mode="adaptive", bars=(0.05, 0.24))).settled


def test_one_throttle_dip_is_no_reason_to_measure_for_long() -> None:
    measured = noisy(0.05, 20)
    dipped = [*measured[:9], Pair(round=10, baseline=20.0, candidate=12.0), *measured[10:]]
    clean, found = decide(measured, ADAPTIVE), decide(dipped, ADAPTIVE)
    assert found.verdict == clean.verdict == "faster"
    assert found.change == pytest.approx(clean.change, abs=0.005)


def test_values_that_follow_each_other_widen_the_interval() -> None:
    values = [0.01 * math.sin(number) for number in range(24)]
    mixed = sequence.band(random.Random(3).sample(values, 24), 0.05)
    slow = sequence.band(sorted(values), 0.05)
    assert mixed is not None and slow is not None
    assert slow.high - slow.low > 2 * (mixed.high - mixed.low)


def test_a_round_that_was_discarded_is_a_pair_less() -> None:
    measured = noisy(0.05, 14)
    assert decide(measured[:5] + measured[6:], ADAPTIVE).samples == 12


@pytest.mark.parametrize("mode", ["fixed", "adaptive"])
@pytest.mark.parametrize("broken", [math.nan, math.inf, 0.0, -1.0])
def test_a_broken_side_makes_all_of_it_inconclusive(mode: str, broken: float) -> None:
    measured = [*noisy(0.5, 14), Pair(round=15, baseline=20.0, candidate=broken)]
    found = decide(measured, Rule(mode=mode))  # type: ignore[arg-type]
    assert (found.verdict, found.settled, found.low) == ("inconclusive", False, None)
    assert found.reason == "1 of 15 pairs hold a throughput that is not a positive number"


@pytest.mark.parametrize(
    ("rounds", "method"),
    [(2, "Student"), (11, "Student"), (12, "Wilcoxon"), (40, "Wilcoxon")],
)
def test_a_fixed_measurement_is_by_ranks_where_there_are_blocks_enough(rounds: int, method: str) -> None:
    found = decide(noisy(0.05, rounds), Rule())
    assert found.method.startswith(method)
    assert found.samples == rounds


def test_fewer_pairs_than_an_interval_takes_say_so() -> None:
    found = decide(pairs(1.0)[: LEAST_PAIRS - 1], Rule())
    assert found.reason == "1 complete pairs of baseline and candidate; an interval takes at least 2"
    assert decide(pairs(*[1.0] * 4), ADAPTIVE).reason.endswith("takes at least 6")


# Critical values of Wilcoxon's signed ranks, two-sided 0.05 and 0.01 (Wilcoxon and Wilcox 1964).
@pytest.mark.parametrize(
    ("alpha", "critical"),
    [
        (0.05, {5: None, 6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 15: 25, 20: 52}),
        (0.01, {7: None, 8: 0, 9: 1, 10: 3, 15: 15, 20: 37}),
    ],
)
def test_rank_intervals_agree_with_the_printed_table(alpha: float, critical: dict[int, int | None]) -> None:
    for count, sum_below in critical.items():
        values = [2.0**power for power in range(count)]
        means = sorted((a + b) / 2 for i, a in enumerate(values) for b in values[: i + 1])
        found = ranks.middle(values, alpha)
        assert (found.low if found else None) == (None if sum_below is None else means[sum_below])


@given(some.permutations(noisy(0.03, 12)))
def test_the_order_in_which_rounds_are_told_does_not_matter(measured: list[Pair]) -> None:
    assert decide(measured, ADAPTIVE) == decide(noisy(0.03, 12), ADAPTIVE)


@given(some.lists(some.floats(min_value=0.5, max_value=2.0), min_size=7, max_size=40))
def test_swapping_the_sides_mirrors_the_decision(ratios: list[float]) -> None:
    there = decide(pairs(*ratios), ADAPTIVE)
    swapped = [Pair(round=pair.round, baseline=pair.candidate, candidate=pair.baseline) for pair in pairs(*ratios)]
    back = decide(swapped, ADAPTIVE)
    if there.low is not None and there.high is not None and back.low is not None and back.high is not None:
        assert math.log1p(there.low) == pytest.approx(-math.log1p(back.high), abs=1e-9)
        assert math.log1p(there.high) == pytest.approx(-math.log1p(back.low), abs=1e-9)


@given(
    some.lists(some.tuples(some.floats(), some.floats()), max_size=30),
    some.sampled_from([Rule(), ADAPTIVE, Rule(mode="adaptive", alpha=1e-9)]),
)
def test_no_number_makes_it_fail(speeds: list[tuple[float, float]], rule: Rule) -> None:
    measured = [
        Pair(round=number, baseline=baseline, candidate=candidate)
        for number, (baseline, candidate) in enumerate(speeds, 1)
    ]
    found = decide(measured, rule)
    assert isinstance(found, Decision)
    assert (found.low is None) == (found.high is None) == (found.change is None) == (found.reason != "")
