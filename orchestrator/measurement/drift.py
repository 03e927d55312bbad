"""Whether a runner still is the machine that it was: change points in the history of its known-good run.

Windowed e-divisive: the split with the largest energy distance, kept if a permutation test says that it is none by
chance, and so on within both parts (Matteson and James 2014, "A nonparametric approach for multiple change point
analysis of multivariate data", JASA 109); in windows that overlap, so that an old change does not drown a new one, and
then held to a t-test of the segments beside it, the weakest going first (Fleming, Kołaczkowski and others 2023,
"Hunter: Using change point detection to hunt for performance regressions", ICPE; now Apache Otava).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from orchestrator.measurement.dice import Dice
from runner_agent.measure.interval import t_cdf


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of what is known to be good, on one runner, device and driver, of one campaign's base."""

    at: datetime
    tok_s: float


@dataclass(frozen=True, kw_only=True)
class DriftPolicy:
    """`bound`: the relative change from the first segment beyond which a runner is no longer trusted. `alpha` is of
    both tests. `least` runs make a segment: fewer may be one bad hour. `window` runs are looked at together."""

    bound: float = 0.05
    alpha: float = 0.001
    least: int = 3
    window: int = 50
    permutations: int = 999


POLICY = DriftPolicy()


@dataclass(frozen=True, kw_only=True)
class ChangePoint:
    """`first` is the place, from 0, of the first run after it, at `at`; `change` is after / before - 1, of the
    geometric means of the segments on both sides; `p` is the t-test's. The permutation test's is at most alpha."""

    first: int
    at: datetime
    before_tok_s: float
    after_tok_s: float
    change: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Drift:
    """`change` is the newest segment against the first, None without runs. `evidence` is a clause in any case."""

    runs: int
    changes: tuple[ChangePoint, ...]
    reference_tok_s: float | None
    now_tok_s: float | None
    change: float | None
    quarantine: bool
    evidence: str


@dataclass(frozen=True, kw_only=True)
class _Split:
    place: int
    distance: float


def watch(history: Sequence[Run], dice: Dice, policy: DriftPolicy = POLICY) -> Drift:
    """What the history shows, oldest run first; runs without a usable throughput are passed over. Faster counts as
    slower does: it is another machine than the one that the measurements before were made on."""
    runs = [run for run in history if math.isfinite(run.tok_s) and run.tok_s > 0]
    if not runs:
        return Drift(
            runs=0, changes=(), reference_tok_s=None, now_tok_s=None, change=None, quarantine=False,
            evidence="the known-good run has no history yet",
        )  # fmt: skip
    logs = [math.log(run.tok_s) for run in runs]
    places = _pruned(logs, _candidates(logs, dice, policy), policy)
    segments = [logs[start:end] for start, end in pairwise([0, *places, len(logs)])]
    changes = tuple(
        _change_point(runs, place, before, after)
        for place, (before, after) in zip(places, pairwise(segments), strict=True)
    )
    reference, now = _centre(segments[0]), _centre(segments[-1])
    change = math.expm1(now - reference)
    return Drift(
        runs=len(runs),
        changes=changes,
        reference_tok_s=math.exp(reference),
        now_tok_s=math.exp(now),
        change=change,
        quarantine=bool(changes) and abs(change) > policy.bound,
        evidence=_evidence(runs, changes, math.exp(reference), math.exp(now), policy),
    )


def _candidates(logs: Sequence[float], dice: Dice, policy: DriftPolicy) -> list[int]:
    found: set[int] = set()
    step = max(1, policy.window // 2)
    for start in range(0, max(1, len(logs) - step), step):
        found |= {start + place for place in _divide(logs[start : start + policy.window], dice, policy)}
    return sorted(found)


def _divide(values: Sequence[float], dice: Dice, policy: DriftPolicy) -> list[int]:
    split = _best_split(values, policy.least)
    if split is None or not _significant(values, split, dice, policy):
        return []
    left = _divide(values[: split.place], dice, policy)
    right = _divide(values[split.place :], dice, policy)
    return [*left, split.place, *(split.place + place for place in right)]


def _best_split(values: Sequence[float], least: int) -> _Split | None:
    """The split with the largest energy distance, weighted by its sizes (Matteson and James 2014, equation 7)."""
    count = len(values)
    below = [sum([abs(value - other) for other in values[:n]]) for n, value in enumerate(values)]
    above = [sum([abs(value - other) for other in values[n + 1 :]]) for n, value in enumerate(values)]
    total = within_right = math.fsum(below)
    within_left = 0.0
    best: _Split | None = None
    for n in range(count - least):
        within_left += below[n]
        within_right -= above[n]
        left, right = n + 1, count - n - 1
        if left < least:
            continue
        between = total - within_left - within_right
        energy = 2 * between / (left * right)
        energy -= 2 * within_left / (left * (left - 1)) + 2 * within_right / (right * (right - 1))
        distance = energy * left * right / count
        if best is None or distance > best.distance:
            best = _Split(place=left, distance=distance)
    return best


def _significant(values: Sequence[float], split: _Split, dice: Dice, policy: DriftPolicy) -> bool:
    """The cheap test first; permutations end as soon as they cannot become significant any more."""
    if _t_test_p(values[: split.place], values[split.place :]) > policy.alpha:
        return False
    shuffled = [*values]
    allowed = policy.alpha * (policy.permutations + 1) - 1
    hits = 0
    for _ in range(policy.permutations):
        dice.shuffle(shuffled)
        other = _best_split(shuffled, policy.least)
        hits += other is not None and other.distance >= split.distance
        if hits > allowed:
            return False
    return True


def _pruned(logs: Sequence[float], places: Sequence[int], policy: DriftPolicy) -> list[int]:
    """Without those that the segments beside them do not bear out."""
    kept = [*places]
    while kept:
        edges = [0, *kept, len(logs)]
        p_values = [_beside(logs, edges[n : n + 3], policy) for n in range(len(kept))]
        weakest = max(range(len(kept)), key=lambda n: p_values[n])
        if p_values[weakest] <= policy.alpha:
            return kept
        kept.pop(weakest)
    return kept


def _beside(logs: Sequence[float], edges: Sequence[int], policy: DriftPolicy) -> float:
    start, place, end = edges
    if min(place - start, end - place) < policy.least:
        return 1.0
    return _t_test_p(logs[start:place], logs[place:end])


def _t_test_p(before: Sequence[float], after: Sequence[float]) -> float:
    """Two-sided, of Student with the pooled variance."""
    freedom = len(before) + len(after) - 2
    gap = abs(_centre(before) - _centre(after))
    squares = sum(math.fsum((value - _centre(part)) ** 2 for value in part) for part in (before, after))
    error = math.sqrt(squares / freedom * (1 / len(before) + 1 / len(after)))
    if error == 0:
        return 0.0 if gap > 0 else 1.0
    return 2 * t_cdf(-gap / error, freedom)


def _change_point(runs: Sequence[Run], place: int, before: Sequence[float], after: Sequence[float]) -> ChangePoint:
    return ChangePoint(
        first=place,
        at=runs[place].at,
        before_tok_s=math.exp(_centre(before)),
        after_tok_s=math.exp(_centre(after)),
        change=math.expm1(_centre(after) - _centre(before)),
        p=_t_test_p(before, after),
    )


def _evidence(
    runs: Sequence[Run], changes: Sequence[ChangePoint], reference: float, now: float, policy: DriftPolicy
) -> str:
    if not changes:
        return f"the known-good run stands at {now:.4g} tok/s over {len(runs)} runs, without a change"
    newest = changes[-1]
    moved = now / reference - 1
    verb = "fell" if moved < 0 else "rose"
    when = newest.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    beyond = "beyond" if abs(moved) > policy.bound else "within"
    return (
        f"the known-good run {verb} from {reference:.4g} to {now:.4g} tok/s ({100 * moved:+.1f} %, {beyond} the bound "
        f"of {100 * policy.bound:g} %), the last time at {when} by {100 * newest.change:+.1f} % (permutation test "
        f"p <= {policy.alpha:g}, t-test p = {newest.p:.1g}); it stayed there over {len(runs) - newest.first} of "
        f"{len(runs)} runs"
    )


def _centre(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
