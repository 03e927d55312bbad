"""Machines' times and what came of them, in few words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from orchestrator.accounting.settle import settle
from orchestrator.accounting.values import Draw, Held, Hold, Line, Metered, Span, Timeline, Waking
from orchestrator.domain.runner import Prices

Known = Span | Hold | Waking | Metered

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = 3600.0
PRICES = Prices(hardware_usd_per_h=0.36, asleep_w=2, idle_w=60, busy_w=350, energy_usd_per_kwh=0.36)
"""A second of hardware costs 1e-4 USD, a joule 1e-7."""


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def span(draw: Draw, start: float = 0, end: float = HOUR) -> Span:
    return Span(state=draw, draw=draw, start=at(start), end=at(end))


def hold(what: Held, who: str, start: float = 0, end: float = HOUR, device: str = "", phase: str = "") -> Hold:
    """By the first attempt of episode `who`."""
    return Hold(
        what=what, episode_id=who, attempt_id=f"{who}.1", start=at(start), end=at(end), device=device, phase=phase
    )


def metered(joules: float, start: float = 0, end: float = HOUR, *, whole: bool = False) -> Metered:
    return Metered(start=at(start), end=at(end), joules=joules, whole=whole)


def waking(*episodes: str, start: float = 0, end: float = HOUR, ready: bool = True) -> Waking:
    return Waking(start=at(start), end=at(end), ready=ready, episodes=episodes)


def timeline(known: Iterable[Known], *, gates: int = 1, start: float = 0, end: float = HOUR) -> Timeline:
    given = list(known)
    return Timeline(
        runner="gpu1",
        start=at(start),
        end=at(end),
        gates=gates,
        spans=tuple(each for each in given if isinstance(each, Span)),
        holds=tuple(each for each in given if isinstance(each, Hold)),
        wakes=tuple(each for each in given if isinstance(each, Waking)),
        metered=tuple(each for each in given if isinstance(each, Metered)),
    )


def lines(*known: Known, gates: int = 1, prices: Prices = PRICES, end: float = HOUR) -> tuple[Line, ...]:
    return settle(timeline(known, gates=gates, end=end), prices)


def seconds(found: Iterable[Line]) -> dict[str, float]:
    """By phase, and episode if one is charged: "gpu a"."""
    return _sums((line, line.amount.seconds) for line in found)


def joules(found: Iterable[Line]) -> dict[str, float]:
    """By phase, episode and label: "gpu a measured"."""
    return _sums(((line, line.amount.joules) for line in found), labelled=True)


def usd(found: Iterable[Line]) -> float:
    return sum(line.amount.usd for line in found)


def _sums(amounts: Iterable[tuple[Line, float]], *, labelled: bool = False) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for line, amount in amounts:
        words = (line.charge.phase, line.charge.episode_id, line.charge.label if labelled else "")
        sums[" ".join(word for word in words if word)] += amount
    return {name: round(amount, 6) for name, amount in sums.items() if amount}
