"""Who pays for a machine's time and power."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.accounting.settle import settle
from orchestrator.accounting.values import Draw, Held, Hold, Line, Metered, Span, Timeline, Waking
from orchestrator.domain.runner import Prices

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PRICES = Prices(hardware_usd_per_h=0.36, asleep_w=2, idle_w=60, busy_w=350, energy_usd_per_kwh=0.36, rest_w=40)
"""A second of hardware costs 1e-4 USD, a joule 1e-7."""

HOUR = 3600.0


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def span(draw: Draw, start: float = 0, end: float = HOUR) -> Span:
    return Span(state=draw, draw=draw, start=at(start), end=at(end))


def hold(what: Held, who: str, start: float = 0, end: float = HOUR, device: str = "", phase: str = "") -> Hold:
    return Hold(
        what=what, episode_id=who, attempt_id=f"{who}.1", start=at(start), end=at(end), device=device, phase=phase
    )


def metered(joules: float, start: float = 0, end: float = HOUR, *, whole: bool = False) -> Metered:
    return Metered(start=at(start), end=at(end), joules=joules, whole=whole)


def waking(*episodes: str, start: float = 0, end: float = HOUR, ready: bool = True) -> Waking:
    return Waking(start=at(start), end=at(end), ready=ready, episodes=episodes)


def lines(
    *known: Span | Hold | Waking | Metered, gates: int = 1, prices: Prices = PRICES, end: float = HOUR
) -> tuple[Line, ...]:
    return settle(
        Timeline(
            runner="gpu1",
            start=START,
            end=at(end),
            gates=gates,
            spans=tuple(each for each in known if isinstance(each, Span)),
            holds=tuple(each for each in known if isinstance(each, Hold)),
            wakes=tuple(each for each in known if isinstance(each, Waking)),
            metered=tuple(each for each in known if isinstance(each, Metered)),
        ),
        prices,
    )


def seconds(found: tuple[Line, ...]) -> dict[tuple[str, str], float]:
    """By phase and episode."""
    return {(line.charge.phase, line.charge.episode_id): line.amount.seconds for line in found if line.amount.seconds}


def joules(found: tuple[Line, ...]) -> dict[tuple[str, str, str], float]:
    """By phase, episode and label."""
    return {
        (line.charge.phase, line.charge.episode_id, line.charge.label): pytest.approx(line.amount.joules)
        for line in found
        if line.amount.joules
    }


def test_who_holds_the_gate_pays_for_the_whole_machine_though_others_build_beside() -> None:
    found = lines(span("awake"), hold("gpu", "a"), hold("build", "b"), hold("slot", "c", phase="session-1"))

    assert seconds(found) == {("gpu", "a"): HOUR}
    assert joules(found) == {("gpu", "a", "configured"): 350 * HOUR}
    assert {line.charge.kind for line in found} == {"hardware", "energy"}
    assert sum(line.amount.usd for line in found) == pytest.approx(0.36 + 0.35 * 0.36)
