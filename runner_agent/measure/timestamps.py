"""Device timestamps: ticks of a counter that wraps, of which only so many bits are valid (Vulkan 1.3, §18.5 "Timestamp
Queries": `timestampValidBits` is 0, or 36 to 64; `timestampPeriod` is nanoseconds a tick).

Trust differences only. 36 bits of 52 ns wrap within an hour, so a difference is taken modulo the counter, and one that
is longer than half a counter is a step back: a result that came out of order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from runner_agent.measure.dispatches import Batch
from runner_agent.measure.text import count, number

LEAST_BITS, MOST_BITS = 36, 64
# Clocks that agree differ by a few parts in a million; a period that is wrong is wrong by a factor.
RATE_TOLERANCE = 0.05
# A run's wall time holds all that its dispatches took; the rest is rounding and the runner's own clock.
WALL_TOLERANCE = 0.05
# What a program prints may be of another pass than the profiled one, which barriers make slower.
PRINTED_TOLERANCE = 0.5
FAR_BELOW = 0.01
MOST_QUEUES = 64

TICK_KEYS = ("begin_tick", "end_tick", "valid_bits", "period_ns")

FindingKind = Literal["dispatch-time-exceeds-wall", "tick-rate-disagrees", "ticks-unusable"]


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A queue's timestamps: how many bits are valid, and nanoseconds a tick. `bits` 0: there are none."""

    bits: int
    period_ns: float

    @property
    def usable(self) -> bool:
        return LEAST_BITS <= self.bits <= MOST_BITS and math.isfinite(self.period_ns) and self.period_ns > 0

    def ticks(self, begin: int, end: int) -> int | None:
        """Ticks from `begin` to `end`, through a wrap if there was one; None if the clock has no valid bits."""
        return (end - begin) & ((1 << self.bits) - 1) if self.usable else None

    def elapsed_ns(self, begin: int | None, end: int | None) -> float | None:
        """Nanoseconds from `begin` to `end`; None where a result is missing, comes before its begin, or the clock has
        no valid bits."""
        step = self.step_ns(begin, end)
        return step if step is not None and step >= 0 else None

    def step_ns(self, before: int | None, after: int | None) -> float | None:
        """Nanoseconds between two times less than half a counter apart, negative where `after` is the earlier."""
        if before is None or after is None or (ticks := self.ticks(before, after)) is None:
            return None
        half = 1 << (self.bits - 1)
        return (ticks if ticks < half else ticks - 2 * half) * self.period_ns


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about the clocks that a person should look at; `quote` says what."""

    kind: FindingKind
    quote: str


@dataclass
class Spent:
    """What the dispatches of one log took, folded batch by batch; memory does not grow with them.

    `by_queue_ns`: bubble, shader and submit in sum, by the key `queue` if lines tell it: queues work side by side.
    """

    by_queue_ns: dict[str, int] = field(default_factory=dict[str, int])
    dispatches: int = 0
    ticked: int = 0
    unusable: int = 0
    disagreeing: int = 0
    worst: tuple[float, int, int] = (1.0, 0, 0)
    span_ns: float = 0.0
    _last_end: dict[str, tuple[Clock, int]] = field(default_factory=dict[str, "tuple[Clock, int]"])

    def add(self, batch: Batch) -> None:
        """Takes in the dispatches of a batch."""
        self.dispatches += len(batch)
        queues = batch.extra.get("queue")
        times = [column for column in (batch.shader_ns, batch.bubble_ns, batch.submit_ns) if column]
        counts = batch.extra.get("count")
        if queues is None and counts is None:
            self._spend("", sum(sum(filter(None, column)) for column in times))
        else:
            for n in range(len(batch)):
                told = sum(column[n] or 0 for column in times) * ((count(counts[n]) if counts else None) or 1)
                self._spend((queues[n] if queues else None) or "", told)
        if all(key in batch.extra for key in TICK_KEYS[:2]):
            for n in range(len(batch)):
                told = {key: column[n] for key, column in batch.extra.items()}
                if any(told[key] is not None for key in TICK_KEYS[:2]):  # lines without ticks may stand among others
                    self._tick(told, batch.seq[n], batch.shader_ns[n])

    def _spend(self, queue: str, spent_ns: int) -> None:
        queue = queue if queue in self.by_queue_ns or len(self.by_queue_ns) < MOST_QUEUES else ""
        self.by_queue_ns[queue] = self.by_queue_ns.get(queue, 0) + spent_ns

    def _tick(self, told: Mapping[str, str | None], seq: int, shader_ns: int) -> None:
        begin, end, bits = (count(told.get(key)) for key in TICK_KEYS[:3])
        clock = Clock(bits=bits or 0, period_ns=number(told.get("period_ns")) or 0.0)
        elapsed_ns = clock.elapsed_ns(begin, end)
        if elapsed_ns is None or begin is None or end is None:
            self.unusable += 1
            return
        self.ticked += 1
        ratio = (shader_ns + clock.period_ns) / (elapsed_ns + clock.period_ns)
        if not 1 - RATE_TOLERANCE < ratio < 1 + RATE_TOLERANCE and abs(shader_ns - elapsed_ns) > 2 * clock.period_ns:
            self.disagreeing += 1
            if abs(math.log(ratio)) > abs(math.log(self.worst[0])):
                self.worst = (ratio, seq, round(elapsed_ns))
        queue = (told.get("queue") or "")[:64]
        last = self._last_end.get(queue)
        if last is None and len(self._last_end) >= MOST_QUEUES:
            return
        step_ns = clock.step_ns(last[1], end) if last and last[0] == clock else elapsed_ns
        if step_ns is not None and step_ns > 0:
            self._last_end[queue] = (clock, end)
            self.span_ns += step_ns if queue == next(iter(self._last_end)) else 0

    @property
    def longest_s(self) -> float:
        """Seconds of the queue that was busy longest."""
        return max(self.by_queue_ns.values(), default=0) / 1e9


def findings(spent: Spent, *, wall_s: float | None, printed_s: float | None) -> Iterable[Finding]:
    """What does not fit: against `wall_s`, the run's wall time by the runner's clock, and `printed_s`, the seconds of
    its throughput lines in sum. None where unknown."""
    if wall_s and spent.longest_s > wall_s * (1 + WALL_TOLERANCE):
        words = f"dispatches of one queue took {spent.longest_s:.3f} s in sum, and the whole run {wall_s:.3f} s"
        yield Finding(kind="dispatch-time-exceeds-wall", quote=words)
    elif printed_s and spent.longest_s > printed_s * (1 + PRINTED_TOLERANCE):
        words = f"dispatches of one queue took {spent.longest_s:.3f} s in sum, and the run printed {printed_s:.3f} s"
        yield Finding(kind="dispatch-time-exceeds-wall", quote=words)
    if wall_s and spent.span_ns / 1e9 > wall_s * (1 + WALL_TOLERANCE):
        words = f"the device's ticks span {spent.span_ns / 1e9:.3f} s, and the whole run took {wall_s:.3f} s"
        yield Finding(kind="tick-rate-disagrees", quote=words)
    if spent.disagreeing:
        ratio, seq, elapsed_ns = spent.worst
        words = f"shader_ns is not what the ticks say in {spent.disagreeing} of {spent.ticked} dispatches"
        yield Finding(
            kind="tick-rate-disagrees", quote=f"{words}, by a factor of {ratio:.3g} at seq={seq} ({elapsed_ns} ns)"
        )
    if spent.unusable:
        words = f"{spent.unusable} of {spent.ticked + spent.unusable} dispatches have ticks that cannot be used"
        yield Finding(kind="ticks-unusable", quote=f"{words}: missing, backwards, or without 36 to 64 valid bits")


def rate(stated_ns: float, measured_ns: float) -> Finding | None:
    """A device that ticks at another rate, by the host's clock, than its driver states: nanoseconds a tick."""
    if stated_ns > 0 and abs(measured_ns / stated_ns - 1) <= RATE_TOLERANCE:
        return None
    words = f"a tick is {measured_ns:.4g} ns by the host's clock, and {stated_ns:.4g} ns by the driver's word"
    return Finding(kind="tick-rate-disagrees", quote=words)


def far_below(spent: Spent, wall_s: float | None, printed_s: float | None = None) -> str:
    """A note where the dispatches account for next to nothing of a run outside of its timed passes, which are
    `printed_s` long and need not be profiled; empty if they do, or if nobody knows."""
    left_s = (wall_s or 0.0) - (printed_s or 0.0)
    if left_s <= 0 or not spent.dispatches or spent.longest_s >= left_s * FAR_BELOW:
        return ""
    words = f"dispatches took {spent.longest_s:.4f} s in sum of a run of {wall_s:.3f} s"
    return f"{words}, of which timed passes took {printed_s or 0:.3f} s; most of the rest is not accounted for"
