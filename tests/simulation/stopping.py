"""How different rules decide on the same streams: ours, and those that are in use elsewhere."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from runner_agent.measure import decision
from runner_agent.measure.decision import Rule
from runner_agent.measure.interval import t_quantile
from tests.simulation.noise import Stream

Call = Literal["faster", "slower", "same", "inconclusive"]

ALPHA = 0.05
NAIVE_LEAST = 3
GPU_MODE_ERROR = 0.01
GPU_MODE_LEAST = 3
NVBENCH_NOISE = 0.005
NVBENCH_LEAST = 10
NVBENCH_SETTLED = 0.05


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """What a rule called it, and after how many runs of either side."""

    call: Call
    runs: int


def matins(stream: Stream, smallest_effect: float = 0.02) -> Stopped:
    """As the runner does: asked after every round until it is settled."""
    rule = Rule(mode="adaptive", alpha=ALPHA, smallest_effect=smallest_effect)
    for seen in range(1, len(stream.pairs) + 1):
        found = decision.decide(stream.pairs[:seen], rule)
        if found.settled:
            return Stopped(call=found.verdict, runs=2 * seen)
    return Stopped(call="inconclusive", runs=len(stream.in_time))


def matins_ever(stream: Stream) -> Stopped:
    """The same interval, looked at after every round to the end of the window, "same" or not: whether it ever leaves
    no change out."""
    rule = Rule(mode="adaptive", alpha=ALPHA)
    for seen in range(1, len(stream.pairs) + 1):
        found = decision.decide(stream.pairs[:seen], rule)
        if found.low is not None and found.high is not None and not found.low <= 0 <= found.high:
            return Stopped(call="faster" if found.low > 0 else "slower", runs=2 * seen)
    return Stopped(call="inconclusive", runs=len(stream.in_time))


def matins_fixed(stream: Stream) -> Stopped:
    """Fixed mode, with as many rounds as the window holds."""
    return Stopped(call=decision.decide(stream.pairs, Rule(alpha=ALPHA)).verdict, runs=len(stream.in_time))


def naive(stream: Stream) -> Stopped:
    """A paired t-test after every round, until it says something."""
    mean, squares = 0.0, 0.0
    for seen, value in enumerate(_logs(stream), 1):
        step = value - mean
        mean += step / seen
        squares += step * (value - mean)
        if seen >= NAIVE_LEAST:
            called = _called(mean, math.sqrt(squares / (seen - 1) / seen), seen - 1)
            if called != "inconclusive":
                return Stopped(call=called, runs=2 * seen)
    return Stopped(call="inconclusive", runs=len(stream.in_time))


def fixed(stream: Stream) -> Stopped:
    """One paired t-test at the end of the window."""
    logs = _logs(stream)
    called = _called(statistics.fmean(logs), _deviation(logs) / math.sqrt(len(logs)), len(logs) - 1)
    return Stopped(call=called, runs=len(stream.in_time))


def gpu_mode(stream: Stream) -> Stopped:
    """One side, then the other, each until its standard error is below 1 % of its mean; then called different if the
    difference is more than Student's t allows. (The rule itself compares bare means, and so calls all different.)"""
    before, after = _one_after_the_other(stream, _until_the_mean_is_known)
    error = math.hypot(*(_deviation(side) / math.sqrt(len(side)) for side in (before, after)))
    called = _called(statistics.fmean(after) - statistics.fmean(before), error, len(before) + len(after) - 2)
    return Stopped(call=called, runs=len(before) + len(after))


def nvbench(stream: Stream) -> Stopped:
    """One side, then the other, each until its relative standard deviation is below 0.5 % or has itself settled within
    5 % (stdrel), at least 10 samples; called different, as nvbench_compare does, if the difference is more than the
    smaller noise."""
    before, after = _one_after_the_other(stream, _until_noise_is_known)
    change = statistics.fmean(after) / statistics.fmean(before) - 1
    noise = min(_deviation(side) / statistics.fmean(side) for side in (before, after))
    runs = len(before) + len(after)
    if abs(change) <= noise:
        return Stopped(call="same", runs=runs)
    return Stopped(call="faster" if change > 0 else "slower", runs=runs)


def _one_after_the_other(
    stream: Stream, enough: Callable[[Sequence[float]], int]
) -> tuple[Sequence[float], Sequence[float]]:
    """Of two equal trees, so that who was measured when does not matter; neither gets more than half the window."""
    values, half = stream.in_time, len(stream.in_time) // 2
    first = enough(values[:half])
    return values[:first], values[first : first + enough(values[first : first + half])]


def _until_noise_is_known(values: Sequence[float]) -> int:
    total, squares = values[0], values[0] ** 2
    noises: list[float] = []
    for seen, value in enumerate(values[1:], 2):
        total, squares = total + value, squares + value * value
        mean = total / seen
        noises.append(math.sqrt(max(0.0, squares / seen - mean * mean) * seen / (seen - 1)) / mean)
        recent = noises[-NVBENCH_LEAST:]
        settled = len(recent) == NVBENCH_LEAST and _deviation(recent) < NVBENCH_SETTLED * statistics.fmean(recent)
        if seen >= NVBENCH_LEAST and (noises[-1] < NVBENCH_NOISE or settled):
            return seen
    return len(values)


def _logs(stream: Stream) -> list[float]:
    return [math.log(pair.candidate / pair.baseline) for pair in stream.pairs]


def _called(difference: float, error: float, freedom: int) -> Call:
    if abs(difference) <= _quantile(freedom) * error:
        return "inconclusive"
    return "faster" if difference > 0 else "slower"


def _until_the_mean_is_known(values: Sequence[float]) -> int:
    total, squares = 0.0, 0.0
    for seen, value in enumerate(values, 1):
        total, squares = total + value, squares + value * value
        mean = total / seen
        if seen >= GPU_MODE_LEAST:
            variance = max(0.0, squares / seen - mean * mean) * seen / (seen - 1)
            if math.sqrt(variance / seen) < GPU_MODE_ERROR * mean:
                return seen
    return len(values)


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


@lru_cache(maxsize=4096)
def _quantile(freedom: int) -> float:
    return t_quantile(1 - ALPHA / 2, freedom)
