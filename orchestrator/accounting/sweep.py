"""A machine's time cut at each moment at which anything changed. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from orchestrator.accounting.sharing import Share, share_out
from orchestrator.accounting.values import Hold, Metered, Span, Timeline, Waking

Item = Span | Hold | Waking | Metered


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of one day in which nothing changed. `busy`: a gate or build slot was held."""

    start: datetime
    seconds: float
    span: Span
    shares: tuple[Share, ...]
    busy: bool
    waking: Waking | None
    metered: Metered | None


def pieces(timeline: Timeline) -> Iterator[Piece]:
    """In order, for every instant that a span covers. Where several spans, wakes or meters cover one, the one that
    began last counts, and a meter of the whole machine before any of its parts. What is empty, reversed, out of bounds
    or said twice changes nothing."""
    changes = _changes(timeline)
    spans: set[Span] = set()
    holds: set[Hold] = set()
    wakes: set[Waking] = set()
    meters: set[Metered] = set()
    shares: tuple[Share, ...] = ()
    for (moment, items), until in zip(changes, [moment for moment, _ in changes[1:]], strict=False):
        for item in items:
            match item:
                case Hold():
                    holds ^= {item}
                case Span():
                    spans ^= {item}
                case Metered():
                    meters ^= {item}
                case Waking():
                    wakes ^= {item}
        if any(isinstance(item, Hold) for item in items):
            shares = share_out(holds, timeline.gates)
        if spans:
            yield Piece(
                start=moment,
                seconds=(until - moment).total_seconds(),
                span=max(spans, key=lambda span: (span.start, span.end, span.draw, span.state)),
                shares=shares,
                busy=any(hold.what != "slot" for hold in holds),
                waking=max(wakes, key=lambda each: (each.start, each.end, each.ready, each.episodes), default=None),
                metered=max(meters, key=lambda each: (each.whole, each.start, each.end, each.joules), default=None),
            )


def _changes(timeline: Timeline) -> list[tuple[datetime, list[Item]]]:
    """The moments from start to end, each with what begins or ends at it."""
    changes: dict[datetime, list[Item]] = {timeline.start: [], timeline.end: []}
    for midnight in _midnights(timeline.start, timeline.end):
        changes.setdefault(midnight, [])
    for items in (timeline.spans, timeline.holds, timeline.wakes, _sound(timeline.metered)):
        for item in set(items):
            start, end = max(item.start, timeline.start), min(item.end, timeline.end)
            if start < end:
                changes.setdefault(start, []).append(item)
                changes.setdefault(end, []).append(item)
    return sorted(changes.items(), key=lambda change: change[0])


def _midnights(start: datetime, end: datetime) -> Iterator[datetime]:
    day = start.astimezone(UTC).date() + timedelta(days=1)
    while (midnight := datetime.combine(day, time(), UTC)) < end:
        yield midnight
        day += timedelta(days=1)


def _sound(metered: tuple[Metered, ...]) -> tuple[Metered, ...]:
    """Without what no instrument counts."""
    return tuple(each for each in metered if 0 <= each.joules < math.inf)
