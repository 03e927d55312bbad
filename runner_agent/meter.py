"""A cumulative count of energy: what one sample adds to it. Pure; whoever keeps it sees that nobody adds at once.

Between two samples energy and time are counted together or not at all: a machine of which one part could not be read
is not measured meanwhile. What is left out shows as `covered_s` that stands still, never as energy that was not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from runner_agent import clock, sensors
from runner_agent.protocol import Meter

COUNTER_LONGEST_S = sensors.RAPL_LONGEST_S
POWER_LONGEST_S = 15.0
"""Power is sampled every second or two. In between it is a line from one sample to the next, wrong by at most half of
a step times the gap: where a device goes from 50 to 350 W somewhere in 15 s, 2.3 kJ. Over a longer gap nobody knows."""
SLEPT_S = 0.5
CLOCK_STEP_S = 5.0
WRAPPED_MOST_W = 2_000.0
"""A processor that would have drawn more did not wrap its counter: the counter began anew, as after a sleep."""
MOST_W = 20_000.0
STEP_J = 200_000.0
"""What a counter of coarse steps, such as 0.01 kWh, may jump by at once."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """One instrument at one moment: a counter, which may wrap, or the power. Both: the counter counts, the power is
    only shown."""

    name: str
    counter_uj: int | None = None
    wraps_at_uj: int | None = None
    watts: float | None = None


@dataclass(frozen=True, kw_only=True)
class Moment:
    """`boottime_s` counts the time asleep too, `slept_s` that alone; `epoch_s` is the wall clock."""

    boot_id: str
    boottime_s: float
    slept_s: float
    epoch_s: float


@dataclass(frozen=True, kw_only=True)
class Sample:
    """`whole`: its one instrument sees the whole machine."""

    moment: Moment
    counts: tuple[Count, ...]
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What was counted since the epoch began, up to `last`."""

    epoch: str
    joules: dict[str, float]
    covered_s: float
    last: Sample


def advance(tally: Tally | None, sample: Sample, fresh: str) -> Tally | None:
    """The tally with what the sample adds. A sample in which nothing told, and one that was counted before, change
    nothing. `fresh` names the epoch that begins where the old one cannot go on: after a boot, a step of the wall clock,
    or when other instruments see the whole machine than before."""
    if not sample.counts:
        return tally
    if tally is None or not _goes_on(tally.last, sample):
        return Tally(epoch=fresh, joules={count.name: 0.0 for count in sample.counts}, covered_s=0.0, last=sample)
    gap_s = sample.moment.boottime_s - tally.last.moment.boottime_s
    if gap_s <= 0:
        return tally
    spent = spent_between(tally.last, sample)
    if spent is None:
        return replace(tally, last=sample)
    joules = {**tally.joules, **{name: tally.joules.get(name, 0.0) + spent_j for name, spent_j in spent.items()}}
    return replace(tally, joules=joules, covered_s=tally.covered_s + gap_s, last=sample)


def spent_between(before: Sample, now: Sample) -> dict[str, float] | None:
    """Joules of each instrument; None unless every one of both samples tells."""
    gap_s = now.moment.boottime_s - before.moment.boottime_s
    was = {count.name: count for count in before.counts}
    # Counters may begin anew in a sleep, and power is not what it was before.
    if now.moment.slept_s - before.moment.slept_s > SLEPT_S or was.keys() != {count.name for count in now.counts}:
        return None
    spent = {count.name: _spent_j(was[count.name], count, gap_s) for count in now.counts}
    told = {name: spent_j for name, spent_j in spent.items() if spent_j is not None}
    return told if len(told) == len(spent) else None


def message(tally: Tally) -> Meter:
    return Meter(
        epoch=tally.epoch,
        at=clock.iso(tally.last.moment.epoch_s),
        joules=tally.joules,
        covered_s=tally.covered_s,
        whole=tally.last.whole,
    )


def power_w(before: Sample | None, now: Sample) -> float | None:
    """What all instruments show together: the power told, else the mean since `before`; None if one shows none."""
    since = {} if before is None or not _goes_on(before, now) else spent_between(before, now) or {}
    gap_s = 0.0 if before is None else now.moment.boottime_s - before.moment.boottime_s
    shown = [
        count.watts if count.watts is not None else since[count.name] / gap_s if count.name in since else None
        for count in now.counts
    ]
    told = [watts for watts in shown if watts is not None]
    return sum(told) if told and len(told) == len(shown) else None


def _goes_on(before: Sample, now: Sample) -> bool:
    was, here = before.moment, now.moment
    stepped_s = (here.epoch_s - here.boottime_s) - (was.epoch_s - was.boottime_s)
    return was.boot_id == here.boot_id and before.whole == now.whole and abs(stepped_s) <= CLOCK_STEP_S


def _spent_j(before: Count, now: Count, gap_s: float) -> float | None:
    if before.counter_uj is not None and now.counter_uj is not None:
        return _counted_j(before.counter_uj, now.counter_uj, now.wraps_at_uj, gap_s)
    if before.counter_uj is not None or now.counter_uj is not None or before.watts is None or now.watts is None:
        return None
    return (before.watts + now.watts) / 2 * gap_s if 0 < gap_s <= POWER_LONGEST_S else None


def _counted_j(before_uj: int, now_uj: int, wraps_at_uj: int | None, gap_s: float) -> float | None:
    spent_uj = sensors.energy_spent_uj(before_uj, now_uj, wraps_at_uj)
    if spent_uj is None or not 0 < gap_s <= COUNTER_LONGEST_S:
        return None
    spent_j = spent_uj * sensors.MICRO
    most_j = WRAPPED_MOST_W * gap_s if now_uj < before_uj else MOST_W * gap_s + STEP_J
    return spent_j if spent_j <= most_j else None
