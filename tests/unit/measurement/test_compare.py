"""Comparing agents: what is settled, what is open, and how many more episodes that would take."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from orchestrator.measurement.compare import Compared, Comparison, Finding, Measure, Plan, Result, compare
from orchestrator.measurement.compare_words import sentence

SMALLEST: dict[Measure, float] = {"items": 0.05, "throughput": 0.02, "cost": 0.1, "validity": 0.1}
PLAN = Plan(smallest=SMALLEST)


def episodes(group: str, items: Iterable[float], runner: str = "a", **more: float) -> list[Result]:
    return [Result(group=group, valid=True, items=done, parts={"runner": runner}, **more) for done in items]


def invalid(group: str, count: int, reason: str = "marker-missing", cost_usd: float | None = None) -> list[Result]:
    return [Result(group=group, valid=False, reason=reason, parts={"runner": "a"}, cost_usd=cost_usd)] * count


def run(results: list[Result], plan: Plan = PLAN) -> Compared:
    return compare(results, plan, random.Random(1))


def of(found: Compared, measure: Measure, part: str = "") -> Comparison:
    (one,) = [each for each in found.comparisons if (each.measure, each.part) == (measure, part)]
    return one


GOOD = (0.9, 1.0, 0.8, 1.0, 0.9, 1.0, 0.9, 0.8)
BAD = (0.1, 0.3, 0.2, 0.1, 0.0, 0.3, 0.2, 0.1)


def test_a_clear_difference_is_settled_by_an_exact_test_corrected_for_all_that_is_looked_at() -> None:
    found = run([*episodes("good", GOOD), *episodes("bad", BAD)])
    items = of(found, "items")
    assert (items.first, items.second, items.finding, items.exact) == ("bad", "good", "lower", True)
    assert items.p == pytest.approx(2 / math.comb(16, 8))
    assert items.p_holm == pytest.approx(2 * items.p), "validity was looked at too"
    assert items.interval is not None
    assert items.difference == pytest.approx(-0.75)
    assert items.interval.low < items.difference < items.interval.high < 0
    assert sentence(items, PLAN) == "bad does fewer of the items than good"


def test_noise_is_no_trend_but_a_number_of_episodes() -> None:
    found = of(run([*episodes("a", (0.4, 0.6, 0.5, 0.9)), *episodes("b", (0.5, 0.3, 0.6, 0.4))]), "items")
    assert found.finding == "open"
    assert found.more is not None
    assert 10 < sum(found.more) < 120
    words = sentence(found, PLAN)
    assert words.startswith(f"not enough episodes: about {sum(found.more)} more would settle it")
    assert not any(trend in words for trend in ("more of", "fewer", "higher", "trend", "seems"))


def test_one_of_each_is_told_what_it_takes_at_least() -> None:
    found = of(run([*episodes("a", [1.0]), *episodes("b", [0.0])]), "items")
    assert (found.p, found.interval, found.finding, found.more) == (1.0, None, "open", (4, 4))
    assert sentence(found, PLAN) == "not enough episodes: at least 8 more would settle it (4 of a, 4 of b)"


def test_invalid_episodes_stand_beside_and_in_no_mean() -> None:
    found = run([*episodes("a", [1.0] * 3), *invalid("a", 2), *invalid("a", 1, "no-throughput"), *episodes("b", [0.5])])
    group = found.groups[0]
    assert (group.valid, group.invalid) == (3, {"marker-missing": 2, "no-throughput": 1})
    (items, validity) = group.estimates
    assert (items.measure, items.number, items.mean, items.alike, items.interval) == ("items", 3, 1.0, True, None)
    assert (validity.measure, validity.number, validity.mean) == ("validity", 6, 0.5)


def test_what_failed_was_paid_for_too() -> None:
    found = run([*episodes("a", [1.0, 0.5], cost_usd=1.0), *invalid("a", 2, cost_usd=3.0)])
    assert found.groups[0].usd_per_signal == 4.0
    unknown = run([*episodes("a", [1.0], cost_usd=1.0), *invalid("a", 1)])
    assert unknown.groups[0].usd_per_signal is None, "what one of them cost is not known"
    nothing = run(invalid("a", 2, cost_usd=3.0))
    assert nothing.groups[0].usd_per_signal is None


def test_agents_that_never_gave_a_signal_are_compared_by_that_alone() -> None:
    found = run([*episodes("a", [1.0] * 9), *invalid("b", 9)])
    (validity,) = found.comparisons
    assert (validity.measure, validity.finding) == ("validity", "higher")
    assert sentence(validity, PLAN) == "a gives valid episodes more often than b"


def test_throughput_is_compared_as_a_ratio() -> None:
    fast = [Result(group="a", valid=True, items=None, change=1.0 + 0.01 * n, parts={}) for n in range(8)]
    slow = [Result(group="b", valid=True, items=None, change=0.0 + 0.005 * n, parts={}) for n in range(8)]
    found = of(run([*fast, *slow]), "throughput")
    assert (found.finding, sentence(found, PLAN)) == ("higher", "a gains more throughput than b")
    assert math.expm1(found.difference) == pytest.approx(1.0, abs=0.01)


def test_what_differs_by_less_than_the_smallest_difference_is_the_same() -> None:
    chance = random.Random(2)
    results = [*episodes("a", [0.5] * 30), *episodes("b", [0.5] * 30)]
    results = [replace(each, items=chance.gauss(0.5, 0.01)) for each in results]
    found = of(run(results), "items")
    assert (found.finding, found.more) == ("same", None)
    assert sentence(found, PLAN) == "the same: a and b differ by less than 5 % of the items"


@pytest.mark.parametrize(("number", "finding"), [(8, "open"), (110, "same")])
def test_agents_that_always_do_the_same_are_the_same_only_after_many(number: int, finding: Finding) -> None:
    found = of(run([*episodes("a", [1.0] * number), *episodes("b", [1.0] * number)]), "items")
    assert found.finding == finding
    assert found.more in (None, (78, 78))


def test_subgroups_are_looked_at_only_if_named_and_then_count() -> None:
    results = [*episodes("a", GOOD), *episodes("b", BAD), *episodes("a", GOOD, "x"), *episodes("b", BAD, "x")]
    plain, named = run(results), run(results, replace(PLAN, subgroups=("runner",)))
    assert {each.part for each in plain.comparisons} == {""}
    assert {each.part for each in named.comparisons} == {"", "runner a", "runner x"}
    assert of(named, "items").p_holm > of(plain, "items").p_holm


def test_the_order_of_the_episodes_changes_nothing() -> None:
    results = [*episodes("c", GOOD, cost_usd=0.5), *episodes("b", BAD), *invalid("a", 3), *episodes("a", GOOD)]
    shuffled = random.Random(3).sample(results, len(results))
    assert run(results) == run(shuffled)


def test_nothing_to_compare_is_an_answer() -> None:
    assert run([]) == Compared(groups=(), comparisons=())
    assert run(episodes("a", [1.0])).comparisons == ()
