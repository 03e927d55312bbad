"""Agents or models on a campaign against each other, an episode being the unit.

Noise told as a trend is the analyst's way of not doing the work: each comparison is settled, or it says how many more
episodes would settle it.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from orchestrator.measurement.bootstrap import Interval, bootstrap, difference, mean
from orchestrator.measurement.dice import Dice
from orchestrator.measurement.exact import DRAWS, P, clopper_pearson, fisher_p, newcombe, permutation_p
from orchestrator.measurement.holm import adjusted
from orchestrator.measurement.power import MOST, episodes_needed

Measure = Literal["items", "throughput", "cost", "validity"]
Finding = Literal["higher", "lower", "same", "open"]

MEASURES: tuple[Measure, ...] = ("items", "throughput", "cost", "validity")


@dataclass(frozen=True, kw_only=True)
class Result:
    """An episode that has a verdict. `parts`: subgroup key -> value. `items` is done / total, `change` candidate /
    baseline - 1; None where it was not measured. `cost_usd` is None where it is not known. `reused`: the measurement is
    an earlier episode's, and counts there."""

    group: str
    valid: bool
    reason: str = ""
    parts: Mapping[str, str]
    items: float | None = None
    change: float | None = None
    cost_usd: float | None = None
    reused: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was settled before looking. `smallest`: what differs less is the same: a share of the items, a log ratio of
    throughput, US dollars, a share of the episodes. `subgroups` are keys of `Result.parts` that the campaign names."""

    alpha: float = 0.05
    smallest: Mapping[Measure, float]
    subgroups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The mean over `number` episodes, of throughput the log ratio; `interval` is None where there are too few, or all
    are alike."""

    measure: Measure
    number: int
    mean: float
    interval: Interval | None
    alike: bool


@dataclass(frozen=True, kw_only=True)
class Group:
    """`invalid` counts per reason; they are in no estimate but validity and cost. `reused` of the valid ones took the
    measurement of another and are no signals of their own. `usd_per_signal` is what all of them cost over those that
    are: what failed was paid for too."""

    name: str
    valid: int
    invalid: Mapping[str, int]
    estimates: tuple[Estimate, ...]
    usd_per_signal: float | None
    reused: int = 0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`first` less `second`, of throughput in log ratios. `p` is one test's, `p_holm` corrected for all comparisons.

    `finding`: first is higher or lower than second, they are the same, or it is open; then `more` episodes of first and
    second would settle it four times of five (at most about a thousand).
    """

    measure: Measure
    part: str
    first: str
    second: str
    numbers: tuple[int, int]
    difference: float
    interval: Interval | None
    p: float
    exact: bool
    p_holm: float = 1.0
    finding: Finding = "open"
    more: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Compared:
    groups: tuple[Group, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Two groups and their values of a measure."""

    measure: Measure
    part: str
    first: str
    second: str
    ours: list[float]
    theirs: list[float]


@dataclass(frozen=True, kw_only=True)
class _Tested:
    """A comparison before it is known how many there are. `at`: its interval at an alpha."""

    comparison: Comparison
    at: Callable[[float], Interval | None]
    deviation: float


def compare(results: Sequence[Result], plan: Plan, dice: Dice) -> Compared:
    """The order of `results` changes nothing but what is drawn by chance; groups come in the order of their names."""
    pairs = _pairs(results, plan)
    level = plan.alpha / max(1, len(pairs))
    # So that the smallest p that can be drawn is a quarter of what Holm's correction asks of the smallest.
    draws = max(DRAWS, math.ceil(4 / level))
    tested = [_test(pair, plan, dice, draws) for pair in pairs]
    p_holm = adjusted([each.comparison.p for each in tested])
    return Compared(
        groups=tuple(_group(name, each, plan, dice) for name, each in _by_group(results).items()),
        comparisons=tuple(_settle(each, p, plan, level) for each, p in zip(tested, p_holm, strict=True)),
    )


def comparisons_of(results: Sequence[Result], plan: Plan) -> int:
    """How many comparisons that makes."""
    return len(_pairs(results, plan))


def _by_group(results: Sequence[Result]) -> dict[str, list[Result]]:
    return {name: [r for r in results if r.group == name] for name in sorted({r.group for r in results})}


def _parts(results: Sequence[Result], keys: Sequence[str]) -> list[tuple[str, list[Result]]]:
    found: list[tuple[str, list[Result]]] = []
    for key in keys:
        for value in sorted({r.parts[key] for r in results if key in r.parts}):
            found.append((f"{key} {value}", [r for r in results if r.parts.get(key) == value]))
    return found


def _values(measure: Measure, results: Sequence[Result]) -> list[float]:
    """Sorted, so that the same results in another order are the same numbers."""
    if measure == "validity":
        return sorted(float(r.valid) for r in results)
    if measure == "cost":
        return sorted(r.cost_usd for r in results if r.cost_usd is not None)
    if measure == "items":
        return sorted(r.items for r in results if r.valid and r.items is not None)
    measured = [r.change for r in results if r.valid and not r.reused and r.change is not None]
    return sorted(math.log1p(change) for change in measured if change > -1)


def _group(name: str, results: Sequence[Result], plan: Plan, dice: Dice) -> Group:
    estimates = [_estimate(measure, _values(measure, results), plan, dice) for measure in MEASURES]
    costs = _values("cost", results)
    valid = sum(r.valid for r in results)
    reused = sum(r.valid and r.reused for r in results)
    known = len(costs) == len(results)
    return Group(
        name=name,
        valid=valid,
        invalid=dict(sorted(Counter(r.reason for r in results if not r.valid).items())),
        estimates=tuple(estimate for estimate in estimates if estimate is not None),
        usd_per_signal=math.fsum(costs) / (valid - reused) if valid > reused and known else None,
        reused=reused,
    )


def _estimate(measure: Measure, values: Sequence[float], plan: Plan, dice: Dice) -> Estimate | None:
    if not values:
        return None
    if measure == "validity":
        interval = clopper_pearson(round(sum(values)), len(values), plan.alpha)
    else:
        drawn = bootstrap([values], mean, dice)
        interval = drawn.interval(plan.alpha) if drawn else None
    return Estimate(measure=measure, number=len(values), mean=mean([values]), interval=interval, alike=_alike(values))


def _pairs(results: Sequence[Result], plan: Plan) -> list[_Pair]:
    found: list[_Pair] = []
    for part, within in [("", list(results)), *_parts(results, plan.subgroups)]:
        groups = _by_group(within)
        for measure in MEASURES:
            values = {name: _values(measure, each) for name, each in groups.items()}
            for first, second in combinations(groups, 2):
                ours, theirs = values[first], values[second]
                if ours and theirs:
                    found.append(
                        _Pair(measure=measure, part=part, first=first, second=second, ours=ours, theirs=theirs)
                    )
    return found


def _test(pair: _Pair, plan: Plan, dice: Dice, draws: int) -> _Tested:
    ours, theirs = pair.ours, pair.theirs
    if pair.measure == "validity":
        p, at, deviation = _shares((round(sum(ours)), len(ours)), (round(sum(theirs)), len(theirs)))
    else:
        p = permutation_p(ours, theirs, dice, draws=draws)
        at, deviation = _interval(pair.measure, ours, theirs, dice), _spread(ours, theirs)
    comparison = Comparison(
        measure=pair.measure,
        part=pair.part,
        first=pair.first,
        second=pair.second,
        numbers=(len(ours), len(theirs)),
        difference=difference([ours, theirs]),
        interval=at(plan.alpha),
        p=p.value,
        exact=p.exact,
    )
    return _Tested(comparison=comparison, at=at, deviation=deviation)


def _shares(one: tuple[int, int], two: tuple[int, int]) -> tuple[P, Callable[[float], Interval | None], float]:
    """The deviation is that of all together with one hit and one miss more, so that it is never nothing."""
    share = (one[0] + two[0] + 1) / (one[1] + two[1] + 2)
    return fisher_p(one, two), lambda alpha: newcombe(one, two, alpha), math.sqrt(share * (1 - share))


def _interval(
    measure: Measure, ours: Sequence[float], theirs: Sequence[float], dice: Dice
) -> Callable[[float], Interval | None]:
    drawn = bootstrap([ours, theirs], difference, dice)
    if drawn is None and measure == "items" and _alike(ours) and _alike(theirs):
        return lambda alpha: _of_alike(ours, theirs, alpha)
    return lambda alpha: drawn.interval(alpha) if drawn else None


def _of_alike(ours: Sequence[float], theirs: Sequence[float], alpha: float) -> Interval:
    """Of shares that were always the same: another one comes up with no more than the chance that would still let n
    alike ones happen (Clopper and Pearson 1934), and lies between 0 and 1."""
    a, b = ours[0], theirs[0]
    chance, theirs_chance = 1 - (alpha / 2) ** (1 / len(ours)), 1 - (alpha / 2) ** (1 / len(theirs))
    low = a - b - chance * a - theirs_chance * (1 - b)
    return Interval(low=low, high=a - b + chance * (1 - a) + theirs_chance * b)


def _spread(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The standard deviation within the groups, of those that have two values and more."""
    variances = [statistics.variance(values) for values in (ours, theirs) if len(values) > 1]
    return math.sqrt(statistics.fmean(variances)) if variances else 0.0


def _alike(values: Sequence[float]) -> bool:
    return len(values) > 1 and min(values) == max(values)


def _settle(tested: _Tested, p_holm: float, plan: Plan, level: float) -> Comparison:
    """`level` is alpha over the number of comparisons: "same" is said at it, and what is missing is reckoned at it."""
    found = replace(tested.comparison, p_holm=p_holm)
    smallest = plan.smallest[found.measure]
    interval = tested.at(level)
    if interval is not None and -smallest <= interval.low and interval.high <= smallest:
        return replace(found, finding="same")
    if p_holm <= plan.alpha:
        return replace(found, finding="higher" if found.difference > 0 else "lower")
    needed = _needed(found.difference, tested.deviation, level, smallest)
    # Where so many should have done and did not, the estimate of what it takes was too low.
    needed = max(needed, min(found.numbers) + 1)
    return replace(found, more=(max(0, needed - found.numbers[0]), max(0, needed - found.numbers[1])))


def _needed(difference: float, deviation: float, level: float, smallest: float) -> int:
    """Episodes of each, so that either the difference is found or it is shown to be less than the smallest."""
    if deviation == 0 and abs(difference) < smallest < 1:
        return min(MOST, math.ceil(math.log(level / 2) / math.log1p(-smallest)))
    return episodes_needed(max(abs(difference), smallest), deviation, level)
