"""What a machine cost over a time, line by line: who pays, for what, and where the figure is from. Pure.

At each instant that a span covers, but for those in which the machine was off, its hardware costs and it draws power.
Both are split alike among those who held the machine; what nobody held is the wake's, or idle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Literal

from orchestrator.accounting.sweep import Piece, pieces
from orchestrator.accounting.values import Amount, Charge, Draw, Kind, Label, Line, Timeline, Waking
from orchestrator.accounting.waste import WAKE_FAILED
from orchestrator.domain.runner import Prices

JOULES_PER_KWH = 3.6e6
SECONDS_PER_H = 3600.0
NOTHING = 1e-9
"""A part of a machine that is rounding."""

UNHELD: dict[Draw, str] = {"awake": "idle", "asleep": "asleep", "away": "away"}
"""The phase of a machine that nobody held."""

Unheld = Literal["idle", "wake"]


@dataclass(frozen=True, kw_only=True)
class Payer:
    """`unheld`: the kind that both hardware and energy are of, where nobody held the machine."""

    part: float
    phase: str
    episode_id: str = ""
    attempt_id: str = ""
    reason: str = ""
    unheld: Unheld | None = None

    def charge(self, kind: Kind, label: Label) -> Charge:
        return Charge(
            phase=self.phase,
            kind=self.unheld or kind,
            label=label,
            episode_id=self.episode_id,
            attempt_id=self.attempt_id,
            reason=self.reason,
        )


def settle(timeline: Timeline, prices: Prices) -> tuple[Line, ...]:
    """The lines of the time from its start to its end, one per day and charge, in a fixed order. The sums are the same
    however the time is cut, and whatever order, overlap or repetition there is in what is known of it. `prices` are of
    the machine with all its devices."""
    book: defaultdict[tuple[str, Charge], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for piece in pieces(timeline):
        if piece.span.draw == "off":
            continue
        day = piece.start.astimezone(UTC).date().isoformat()
        drawn = power(piece, prices)
        for payer in _payers(piece):
            seconds = piece.seconds * payer.part
            hardware = book[day, payer.charge("hardware", "configured")]
            hardware[0] += seconds * prices.hardware_usd_per_h / SECONDS_PER_H
            hardware[2] += seconds
            for label, watts in drawn:
                energy = book[day, payer.charge("energy", label)]
                energy[0] += watts * seconds * prices.energy_usd_per_kwh / JOULES_PER_KWH
                energy[1] += watts * seconds
    lines = (
        Line(day=day, runner=timeline.runner, charge=charge, amount=Amount(usd=usd, joules=joules, seconds=seconds))
        for (day, charge), (usd, joules, seconds) in book.items()
        if usd or joules or seconds
    )
    return tuple(sorted(lines, key=lambda line: (line.day, *vars(line.charge).values())))


def power(piece: Piece, prices: Prices) -> list[tuple[Label, float]]:
    """Watts, by where the figure is from. A meter counts before what an operator set. A machine that is away is
    supposed to run on, and one that wakes to draw what it does when busy, as when it is reckoned whether sleep pays."""
    if metered := piece.metered:
        measured: tuple[Label, float] = ("measured", metered.joules / (metered.end - metered.start).total_seconds())
        return [measured] if metered.whole else [measured, ("configured", prices.rest_w)]
    if piece.waking and not piece.shares:
        return [("estimated", max(prices.busy_w, prices.idle_w))]
    if piece.span.draw == "asleep":
        return [("configured", prices.asleep_w)]
    return [
        ("estimated" if piece.span.draw == "away" else "configured", prices.busy_w if piece.busy else prices.idle_w)
    ]


def _payers(piece: Piece) -> Iterator[Payer]:
    """Their parts sum to 1."""
    held = 0.0
    for share in piece.shares:
        held += share.part
        yield Payer(part=share.part, phase=share.phase, episode_id=share.episode_id, attempt_id=share.attempt_id)
    left = 1.0 - held
    if left > NOTHING:
        yield from (
            _of_wake(piece.waking, left)
            if piece.waking
            else (Payer(part=left, phase=UNHELD[piece.span.draw], unheld="idle"),)
        )


def _of_wake(waking: Waking, part: float) -> Iterable[Payer]:
    if not waking.ready:
        return [Payer(part=part, phase="failed-wake", reason=WAKE_FAILED, unheld="wake")]
    episodes = sorted(set(waking.episodes)) or [""]
    return [Payer(part=part / len(episodes), phase="wake", episode_id=episode, unheld="wake") for episode in episodes]
