"""The verdict on a change of throughput, from rounds in which both sides ran side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner_agent.measure.decision import Pair, Rule, Verdict, decide, median


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """`baseline` and `candidate` are medians in tok/s. `change` is candidate/baseline - 1, `low` and `high` the ends
    of its interval at 1 - alpha; all three are None where there is no interval, and `reason` then says why.

    `samples`: pairs that the interval is made from. `seconds`: wall time of all runs of the smoke test, those not
    counted included; None if it was not recorded. `method`: how the interval was made; empty if there are no pairs.
    `reused_from`: the episode that measured it, where that was an earlier one.
    """

    baseline: float | None
    candidate: float | None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Verdict = "inconclusive"
    samples: int = 0
    reason: str = ""
    seconds: float | None = None
    method: str = ""
    reused_from: str | None = None


def compare(pairs: Sequence[Pair], rule: Rule, seconds: float | None = None) -> Throughput:
    """The verdict on all rounds, by the very function that the runner asked when it stopped. Never raises on numbers,
    whatever they are."""
    found = decide(pairs, rule)
    return Throughput(
        baseline=median(pair.baseline for pair in pairs),
        candidate=median(pair.candidate for pair in pairs),
        change=found.change,
        low=found.low,
        high=found.high,
        verdict=found.verdict,
        samples=found.samples,
        reason=found.reason,
        seconds=seconds,
        method=found.method,
    )


def voided(pairs: Sequence[Pair], reason: str, seconds: float | None = None) -> Throughput:
    """No verdict, whatever the speeds: what was computed is not what should have been."""
    return Throughput(
        baseline=median(pair.baseline for pair in pairs),
        candidate=median(pair.candidate for pair in pairs),
        samples=len(pairs),
        reason=reason,
        seconds=seconds,
    )
