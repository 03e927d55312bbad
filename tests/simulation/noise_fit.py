"""A noise fitted by moments to real A/A runs: the throughput.jsonl that a smoke stage leaves."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runner_agent.measure.decision import usable
from tests.simulation.noise import NEVER_S, Noise

LEAST_ROUNDS = 8
DIP = 4.0
_MAD_TO_SD = 1.4826
_LAGS = 8


@dataclass(frozen=True, kw_only=True)
class Run:
    """One A/A run: the logarithm of tok/s of both sides in each round, in order, and the seconds that a run took."""

    baseline: tuple[float, ...]
    candidate: tuple[float, ...]
    run_s: float


def fit(folder: Path, *, name: str, rounds_most: int | None = None) -> Noise:
    """Raises SystemExit with a sentence where there is nothing to fit."""
    files = sorted(folder.rglob("throughput.jsonl"))
    runs = [run for path in files if (run := read(path, rounds_most)) is not None]
    if not runs:
        raise SystemExit(
            f"{folder}: no throughput.jsonl with {LEAST_ROUNDS} rounds of both sides in {len(files)} files"
        )
    return fitted(runs, name=name, where=f"fitted to {len(runs)} A/A runs of {_spread(runs)} rounds")


def read(path: Path, rounds_most: int | None = None) -> Run | None:
    """The rounds of a file in which both sides left one usable throughput; None for too few."""
    told: dict[tuple[int, str], float] = {}
    times: list[datetime] = []
    for line in path.read_text().splitlines():
        sample = json.loads(line)
        if usable(sample["tok_s"]):
            told[sample["round"], sample["side"]] = math.log(sample["tok_s"])
            times.append(datetime.fromisoformat(sample["at"].replace("Z", "+00:00")))
    numbers = sorted(number for number, side in told if side == "baseline" and (number, "candidate") in told)
    numbers = numbers[:rounds_most]
    if len(numbers) < LEAST_ROUNDS:
        return None
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(sorted(set(times)))]
    return Run(
        baseline=tuple(told[number, "baseline"] for number in numbers),
        candidate=tuple(told[number, "candidate"] for number in numbers),
        run_s=max(0.01, statistics.median(gaps)),
    )


def fitted(runs: Sequence[Run], *, name: str, where: str) -> Noise:
    """By moments, after the first round (warm-up) and dips were taken out. What both sides share is seen in the means
    of rounds, what they do not share in the differences."""
    run_s = statistics.median(run.run_s for run in runs)
    means, differences, slopes, biases, dips, depths = [], [], [], [], 0, [0.0]
    warm_ups: list[float] = []
    for run in runs:
        mean = [(b + c) / 2 for b, c in zip(run.baseline, run.candidate, strict=True)]
        slope, straight = _detrended(mean[1:])
        slopes.append(abs(slope) * len(mean))
        low = [value for value in straight if value < -DIP * _scale(straight)]
        dips += len(low)
        depths += [-value for value in low]
        means.append([value for value in straight if value >= -DIP * _scale(straight)])
        gaps = [c - b for b, c in zip(run.baseline[1:], run.candidate[1:], strict=True)]
        kept = [gap for gap in gaps if abs(gap - statistics.median(gaps)) <= DIP * _scale(gaps)]
        biases.append(statistics.fmean(kept))
        differences.append([gap - statistics.fmean(kept) for gap in kept])
        warm_ups.append(max(0.0, statistics.median(mean[1:]) - mean[0]))
    # A difference is of two runs, so it has twice the variance of one side.
    own, own_s, white_differences = _autoregressive(differences, 2 * run_s)
    common, common_s, _ = _autoregressive(means, 2 * run_s)
    white = math.sqrt(white_differences / 2)
    side = math.sqrt(max(0.0, _mean_square(biases) - _mean_square(_errors(differences))))
    rounds = sum(len(run.baseline) for run in runs)
    return Noise(
        name=name,
        where=where,
        run_s=round(run_s, 3),
        white=_short(white),
        common=_short(math.sqrt(max(0.0, common - own / 4))),
        common_s=_short(common_s),
        own=_short(math.sqrt(own / 2)),
        own_s=_short(own_s),
        drift=_short(max(slopes)),
        side=_short(side * math.sqrt(2)),
        warm_up=_short(max(warm_ups)),
        first=0.0,
        dip_every_s=_short(rounds * 2 * run_s / dips) if dips else NEVER_S,
        dip_depth=_short(max(depths)),
        dip_s=_short(2 * run_s),
    )


def _autoregressive(series: Sequence[Sequence[float]], step_s: float) -> tuple[float, float, float]:
    """(variance of the lasting part, how long it lasts in s, variance of the rest) from the autocovariances: those
    beyond lag 0 hold the lasting part alone. At least a lag of 1 must be positive for there to be one."""
    lagged = [_covariance(series, lag) for lag in range(_LAGS + 1)]
    if lagged[1] <= 0:
        return 0.0, step_s, lagged[0]
    ratios = [after / before for before, after in itertools.pairwise(lagged[1:]) if before > 0 and after > 0]
    keeps = min(0.98, max(0.05, statistics.median(ratios) if ratios else 0.5))
    lasting = min(lagged[0], lagged[1] / keeps)
    return lasting, -step_s / math.log(keeps), lagged[0] - lasting


def _covariance(series: Sequence[Sequence[float]], lag: int) -> float:
    products: list[float] = []
    for values in series:
        mean = statistics.fmean(values)
        products += [(a - mean) * (b - mean) for a, b in zip(values, values[lag:], strict=False)]
    return statistics.fmean(products) if products else 0.0


def _detrended(values: Sequence[float]) -> tuple[float, list[float]]:
    """The slope per value, and what is left around the line."""
    line = statistics.linear_regression(range(len(values)), values)
    return line.slope, [value - line.intercept - line.slope * place for place, value in enumerate(values)]


def _errors(series: Iterable[Sequence[float]]) -> list[float]:
    return [statistics.stdev(values) / math.sqrt(len(values)) for values in series]


def _mean_square(values: Sequence[float]) -> float:
    return statistics.fmean(value * value for value in values)


def _scale(values: Sequence[float]) -> float:
    middle = statistics.median(values)
    return _MAD_TO_SD * statistics.median(abs(value - middle) for value in values)


def _spread(runs: Sequence[Run]) -> str:
    counts = sorted(len(run.baseline) for run in runs)
    return str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"


def _short(value: float) -> float:
    return float(f"{value:.3g}")
