"""The verdict on a change of throughput, from pairs of runs taken side by side."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from runner_agent.measure import interval

ThroughputVerdict = Literal["faster", "slower", "same", "inconclusive"]

LEAST_PAIRS = 2


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """`baseline` and `candidate` are medians in tok/s. `change` is candidate/baseline - 1, `low` and `high` the ends
    of its interval at 1 - alpha; all three are None where there is no interval, and `reason` then says why."""

    baseline: float | None
    candidate: float | None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: ThroughputVerdict = "inconclusive"
    samples: int = 0
    reason: str = ""


def compare(pairs: Sequence[tuple[float, float]], alpha: float, smallest_effect: float) -> Throughput:
    """The verdict on (baseline, candidate) pairs in tok/s. Never raises on numbers, whatever they are.

    "same" is an interval that lies within the smallest effect on both sides of zero, even if it excludes zero;
    "faster" and "slower" exclude zero, so each is wrong at most alpha/2 of the time where nothing changed.
    """
    baseline = median(pair[0] for pair in pairs)
    candidate = median(pair[1] for pair in pairs)
    broken = sum(1 for pair in pairs if not all(usable(value) for value in pair))
    if broken:
        reason = f"{broken} of {len(pairs)} pairs hold a throughput that is not a positive number"
        return Throughput(baseline=baseline, candidate=candidate, samples=len(pairs), reason=reason)
    if len(pairs) < LEAST_PAIRS:
        reason = f"{len(pairs)} complete pairs of baseline and candidate; an interval takes at least {LEAST_PAIRS}"
        return Throughput(baseline=baseline, candidate=candidate, samples=len(pairs), reason=reason)
    change = interval.paired_change(pairs, alpha)
    if change.low is None or change.high is None or not math.isfinite(change.high - change.low):
        reason = "the throughputs are too far apart for an interval"
        return Throughput(baseline=baseline, candidate=candidate, samples=len(pairs), reason=reason)
    return Throughput(
        baseline=baseline,
        candidate=candidate,
        change=change.change,
        low=change.low,
        high=change.high,
        verdict=_verdict(change.low, change.high, smallest_effect),
        samples=change.samples,
    )


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


def _verdict(low: float, high: float, smallest_effect: float) -> ThroughputVerdict:
    if -smallest_effect <= low and high <= smallest_effect:
        return "same"
    if low > 0:
        return "faster"
    if high < 0:
        return "slower"
    return "inconclusive"
