"""How long a wake may take, learned per machine from its own wakes.

The deadline is a split-conformal bound (Vovk, Gammerman, Shafer 2005; Lei et al. 2018): of n exchangeable past wakes
the ⌈(n + 1)(1 − α)⌉-th shortest is exceeded by the next with probability at most α, whatever their distribution. With
fewer than 1/α − 1 wakes no such bound exists and the ceiling holds. `SLACK` is for what exchangeability leaves out: a
kernel update, a fuller disk.

A wake that failed after a sign of life counts as endless. Were it left out, a deadline that is too short would
remove from the history the very wakes that show it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.domain.power import HISTORY_MAX
from orchestrator.domain.wake import SleepKind, WakeRecord

ALPHA = 0.05
"""Three false alarms in a row, which quarantine, come once in 8,000 wakes; 19 wakes are enough to learn from."""

SLACK = 1.25
RETRY_FACTOR = 1.5
"""The deadline grows with each failure in a row, as a machine that became slower would otherwise never be ready."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    floor_s: float
    ceiling_s: float


BOUNDS: dict[SleepKind, Bounds] = {
    # The kernel resumes in seconds; the rest is the switch port's negotiation and the GPU's driver.
    SleepKind.SUSPEND: Bounds(floor_s=20.0, ceiling_s=180.0),
    # Firmware that trains a lot of memory takes minutes before the kernel begins.
    SleepKind.POWER_OFF: Bounds(floor_s=60.0, ceiling_s=600.0),
}

CROWDED = ((1, 1.0), (11, 2.0), (21, 4.0))
"""From so many machines waking at once, so much more time: they share switches, image and licence servers, and power
(OAR3's `"1:500 11:1000 21:2000"`)."""


def deadline_s(wakes: Iterable[WakeRecord], slept: SleepKind, *, waking: int = 1, failures: int = 0) -> float:
    """Seconds within which the next wake from `slept` is to be ready, `waking` machines (this one included) waking at
    once, after `failures` failed ones in a row."""
    bounds = BOUNDS[slept]
    learned = _learned_s(_recent(wakes, slept))
    patient = min(bounds.ceiling_s, max(bounds.floor_s, learned * SLACK * RETRY_FACTOR**failures))
    return patient * _crowding(waking)


def expected_s(wakes: Iterable[WakeRecord], slept: SleepKind) -> float | None:
    """The median of its ready wakes; None before the first."""
    ready = [record.seconds for record in _recent(wakes, slept) if record.ready]
    return statistics.median(ready) if ready else None


def _recent(wakes: Iterable[WakeRecord], slept: SleepKind) -> list[WakeRecord]:
    alike = (record for record in wakes if record.slept is slept)
    return sorted(alike, key=lambda record: record.ended_at)[-HISTORY_MAX:]


def _learned_s(wakes: list[WakeRecord]) -> float:
    times = sorted(
        record.seconds if record.ready else math.inf for record in wakes if record.ready or record.showed_life
    )
    rank = math.ceil((len(times) + 1) * (1 - ALPHA))
    return times[rank - 1] if rank <= len(times) else math.inf


def _crowding(waking: int) -> float:
    return max(factor for least, factor in CROWDED if max(1, waking) >= least)
