"""Whether a change of throughput is settled, and what it is: one rule for the runner, which asks after every round, and
for the verdict, which is made from the same samples later. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from runner_agent.measure import interval, ranks, sequence

Mode = Literal["fixed", "adaptive"]
Verdict = Literal["faster", "slower", "same", "inconclusive"]

WARM_UP_ROUNDS = 1
"""The first rounds of adaptive mode, which fill caches and bring up clocks, and are not counted."""
ROUNDS_MOST = 2000
"""Of adaptive mode, however short a round is: a look costs as much as there are rounds."""
LEAST_PAIRS = 2
_LOG_MOST = 700.0
_METHODS = {
    "adaptive": "t-mixture confidence sequence on log ratios of pairs",
    "ranks": "Wilcoxon signed ranks on log ratios of blocks of two rounds",
    "student": "Student's t on log ratios of pairs",
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The tok/s of both sides in one round. A side that left no usable number is NaN."""

    round: int
    baseline: float
    candidate: float


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`alpha`: how often the interval may miss the truth. `smallest_effect`: the relative change below which two trees
    are the same. `bars`: changes that an item asks for, each of which has to be settled too."""

    mode: Mode = "fixed"
    alpha: float = 0.05
    smallest_effect: float = 0.02
    bars: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """candidate/baseline - 1 with the ends of its interval, None where there is none; then `reason` says why.

    `samples`: how many pairs the interval is made from. `settled`: more rounds would not change what is decided.
    `broken`: how many pairs have a side without a usable number, which more rounds would not mend.
    """

    change: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Verdict = "inconclusive"
    samples: int = 0
    method: str = ""
    settled: bool = False
    reason: str = ""
    broken: int = 0


def decide(pairs: Sequence[Pair], rule: Rule) -> Decision:
    """The decision from the pairs of all rounds, in any order. Never raises on numbers, whatever they are.

    A pair with a broken side makes everything inconclusive: leaving it out would favour whoever breaks it.
    """
    broken = sum(not (usable(pair.baseline) and usable(pair.candidate)) for pair in pairs)
    if broken:
        reason = f"{broken} of {len(pairs)} pairs hold a throughput that is not a positive number"
        return Decision(samples=len(pairs), reason=reason, broken=broken)
    counted = [
        pair
        for pair in sorted(pairs, key=lambda pair: pair.round)
        if rule.mode == "fixed" or pair.round > WARM_UP_ROUNDS
    ]
    logs = [math.log(pair.candidate) - math.log(pair.baseline) for pair in counted]
    return _adaptive(logs, rule) if rule.mode == "adaptive" else _fixed(counted, logs, rule)


def usable(tok_s: float | None) -> bool:
    """Whether a throughput can be compared: a finite number above zero."""
    return tok_s is not None and math.isfinite(tok_s) and tok_s > 0


def median(values: Iterable[float | None]) -> float | None:
    """The median of the usable ones of `values`; None if there is none."""
    kept = [value for value in values if value is not None and usable(value)]
    if not kept:
        return None
    # Two near the largest float would overflow in a sum.
    low, high = statistics.median_low(kept), statistics.median_high(kept)
    return low + (high - low) / 2


def speed(printed: Sequence[float | None]) -> float:
    """The tok/s of one run of the smoke command that printed these; NaN unless it printed some, and all are usable."""
    found = median(printed) if all(usable(value) for value in printed) else None
    return math.nan if found is None else found


def _adaptive(logs: Sequence[float], rule: Rule) -> Decision:
    systematic = sequence.SYSTEMATIC * math.log1p(rule.smallest_effect)
    found = sequence.band(logs, rule.alpha, systematic)
    if found is None or not math.isfinite(found.high - found.low):
        return _undecided(len(logs), "adaptive", max(sequence.LEAST, len(logs) + 1))
    return _decided((found.mean, found.low, found.high), len(logs), "adaptive", rule)


def _fixed(pairs: Sequence[Pair], logs: Sequence[float], rule: Rule) -> Decision:
    """Blocks of two rounds where there are enough of them for ranks, else the pairs."""
    by_ranks = ranks.middle(_blocks(pairs, logs), rule.alpha)
    if by_ranks is not None:
        return _decided((by_ranks.middle, by_ranks.low, by_ranks.high), len(logs), "ranks", rule)
    found = interval.log_interval(logs, rule.alpha)
    return _decided(found, len(logs), "student", rule) if found else _undecided(len(logs), "student", LEAST_PAIRS)


def _blocks(pairs: Sequence[Pair], logs: Sequence[float]) -> list[float]:
    """Means over rounds 1 and 2, 3 and 4, …: within a block each side went first once."""
    by_block: dict[int, list[float]] = {}
    for pair, value in zip(pairs, logs, strict=True):
        by_block.setdefault((pair.round - 1) // 2, []).append(value)
    return [sum(values) / 2 for values in by_block.values() if len(values) == 2]


def _decided(logs: tuple[float, float, float], samples: int, method: str, rule: Rule) -> Decision:
    """From the middle and the ends of an interval of logarithms."""
    if not all(math.isfinite(value) and value < _LOG_MOST for value in logs):
        reason = "the throughputs are too far apart for an interval"
        return Decision(samples=samples, method=_METHODS[method], reason=reason)
    change, low, high = (math.expm1(value) for value in logs)
    verdict = _verdict(low, high, rule.smallest_effect)
    settled = verdict != "inconclusive" and not any(low < bar < high for bar in rule.bars)
    return Decision(
        change=change,
        low=low,
        high=high,
        verdict=verdict,
        samples=samples,
        method=_METHODS[method],
        settled=settled,
    )


def _undecided(samples: int, method: str, least: int) -> Decision:
    reason = f"{samples} complete pairs of baseline and candidate; an interval takes at least {least}"
    return Decision(samples=samples, method=_METHODS[method], reason=reason)


def _verdict(low: float, high: float, smallest_effect: float) -> Verdict:
    """ "same" is an interval within the smallest effect on both sides of zero, even if it excludes zero; "faster" and
    "slower" exclude zero, so that each is wrong at most alpha/2 of the time where nothing changed."""
    if -smallest_effect <= low and high <= smallest_effect:
        return "same"
    if low > 0:
        return "faster"
    if high < 0:
        return "slower"
    return "inconclusive"
