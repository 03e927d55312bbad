"""Streams of paired throughputs as a machine's noise would make them, with the true change known."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Generator, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from runner_agent.measure.decision import WARM_UP_ROUNDS, Pair
from runner_agent.measure.order import Side, sides

NEVER_S = 1e12
BASE_TOK_S = 50.0


@dataclass(frozen=True, kw_only=True)
class Noise:
    """A machine. Spreads, drifts and depths are of natural logarithms of tok/s; times in seconds.

    `white`: of each run alone. `common`, `common_s`: an autocorrelated state that both sides share (temperature, other
    tenants), and how long it lasts; `own`, `own_s`: one of each side. `drift`: the most that all speeds change over
    `window_s`. `side`: the most that the sides differ by, slowly changing. `warm_up`, `warm_up_s`: the most that the
    first run is slower by, and how that fades; `first`: the most that each side's first run loses besides. Throttle
    dips come every `dip_every_s`, take up to `dip_depth` and last `dip_s` on average. `where`: what it was made from.
    `stress`: beyond what the method claims to stand.
    """

    name: str
    where: str
    run_s: float = 2.0
    white: float = 0.015
    common: float = 0.02
    common_s: float = 30.0
    own: float = 0.004
    own_s: float = 20.0
    drift: float = 0.03
    side: float = 0.001
    warm_up: float = 0.08
    warm_up_s: float = 12.0
    first: float = 0.05
    dip_every_s: float = NEVER_S
    dip_depth: float = 0.0
    dip_s: float = 5.0
    stress: bool = False


def read(path: Path) -> list[Noise]:
    """The noises of a file. Raises KeyError for a key that no noise has."""
    known = {field.name for field in fields(Noise)}
    told = json.loads(path.read_text())["noises"]
    if strange := {key for noise in told for key in noise} - known:
        raise KeyError(f"{path.name}: no noise has {', '.join(sorted(strange))}")
    return [Noise(**noise) for noise in told]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A window of rounds, the first being the warm-up, and all tok/s in the order in which they were measured."""

    pairs: tuple[Pair, ...]
    in_time: tuple[float, ...]


def stream(noise: Noise, seed: str, change: float = 0.0, window_s: float = 360.0) -> Stream:
    """All rounds that begin within the window. The candidate is faster by `change`."""
    source = random.Random(seed)
    machine = _speeds(noise, source, math.log1p(change), window_s)
    next(machine)
    pairs: list[Pair] = []
    in_time: list[float] = []
    while len(pairs) * 2 * noise.run_s < window_s:
        number = len(pairs) + 1
        told = {side: machine.send(side) for side in sides(number, seed, WARM_UP_ROUNDS)}
        in_time += told.values()
        pairs.append(Pair(round=number, baseline=told["baseline"], candidate=told["candidate"]))
    return Stream(pairs=tuple(pairs), in_time=tuple(in_time))


def _speeds(noise: Noise, source: random.Random, effect: float, window_s: float) -> Generator[float, Side, None]:
    """tok/s of each run, of the side that is sent."""
    common = _state(source, noise.common, noise.common_s, noise.run_s)
    both: tuple[Side, Side] = ("baseline", "candidate")
    own = {side: _state(source, noise.own, noise.own_s, noise.run_s) for side in both}
    slope = source.uniform(-1, 1) * noise.drift / window_s
    phase, period_s = source.uniform(0, math.tau), source.uniform(window_s / 3, window_s * 4)
    warm_up = source.uniform(0, noise.warm_up)
    first = {side: source.uniform(0, noise.first) for side in own}
    at_s, dip_until_s, dip = 0.0, -1.0, 0.0
    side = yield 0.0
    while True:
        states = {each: next(state) for each, state in own.items()}
        log = next(common) + states[side] + slope * at_s + source.gauss(0, noise.white)
        log -= warm_up * math.exp(-at_s / noise.warm_up_s) + first.pop(side, 0.0)
        if side == "candidate":
            log += effect + noise.side * math.sin(math.tau * at_s / period_s + phase)
        if at_s >= dip_until_s and source.random() < noise.run_s / noise.dip_every_s:
            dip = noise.dip_depth * source.uniform(0.3, 1.0)
            dip_until_s = at_s + source.expovariate(1 / noise.dip_s)
        log -= dip * min(1.0, max(0.0, dip_until_s - at_s) / noise.run_s)
        at_s += noise.run_s
        side = yield BASE_TOK_S * math.exp(log)


def _state(source: random.Random, spread: float, lasts_s: float, step_s: float) -> Iterator[float]:
    """An Ornstein-Uhlenbeck process, that is AR(1) at equal steps."""
    keeps = math.exp(-step_s / lasts_s)
    fresh = spread * math.sqrt(1 - keeps * keeps)
    value = source.gauss(0, spread)
    while True:
        yield value
        value = keeps * value + source.gauss(0, fresh)
