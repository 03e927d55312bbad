"""What the conditions of a measurement say about its rounds: which are no measurement, and what held over the rest.

Clocks cannot be truly locked under a power limit, so they are recorded and throttled windows are discarded, as
NVIDIA's nvbench does. Pure: the samples are the lines of `conditions.jsonl`.
"""

from __future__ import annotations

import itertools
import statistics
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, cast

from runner_agent.measure.throttle import EFFECTS

Sample = Mapping[str, Any]

_SHOWN_MOST = 3
_LARGEST = 1e18
"""No condition is beyond it, and sums below it stay finite."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """`throttled_share`: of a round's samples, above which it is discarded. `clock_floor`: of the highest round's
    median clock, below which a round is, where the device does not tell whether it throttles (nvbench's default is
    0.75 too); only rounds of `clock_samples` and more, as a device clocks down between two launches. `tenant_share`:
    seconds of another process's engine time a second."""

    throttled_share: float = 0.05
    clock_floor: float = 0.75
    clock_samples: int = 5
    tenant_share: float = 0.05


BOUNDS = Bounds()


@dataclass(frozen=True, kw_only=True)
class Window:
    """One run of the smoke command, in seconds since the epoch."""

    round: int
    side: str
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class Discard:
    """A round that is no measurement; `why` is a clause, as in "throttled in 3 of 20 samples (thermal)"."""

    round: int
    side: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Spread:
    least: float
    median: float
    most: float


@dataclass(frozen=True, kw_only=True)
class Apart:
    """How it was kept apart from other attempts: the `isolation` that was in force, and the `cores` that were its own
    (none: it ran on any). Ids of attempts: `made_room` and `did_not` are of those that ran something as it began,
    `beside` of those that measured on another device, `sharing` of those that ran something as it ended."""

    isolation: str
    cores: tuple[int, ...] = ()
    made_room: tuple[str, ...] = ()
    did_not: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    sharing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What held during the windows. None and empty: not told, which is not zero.

    `samples` lie in a window; `unseen` counts the windows without one. `device` is that of the clocks. `throttled_s`
    and `limited_s` are None where the device does not tell; `reasons` has seconds for each reason that it told.
    `tenants` are other processes that had the device open. `discarded` names runs, and their whole round is void.
    `apart` is None where the journal does not tell.
    """

    samples: int = 0
    unseen: int = 0
    sources: tuple[str, ...] = ()
    device: str | None = None
    sm_mhz: Spread | None = None
    memory_mhz: Spread | None = None
    power_w: Spread | None = None
    temperature_c: Spread | None = None
    busy_percent: Spread | None = None
    memory_used_bytes: Spread | None = None
    cpu_mhz: Spread | None = None
    load_1m: Spread | None = None
    throttled_s: float | None = None
    limited_s: float | None = None
    reasons: Mapping[str, float] | None = None
    tenants: tuple[str, ...] = ()
    discarded: tuple[Discard, ...] = ()
    apart: Apart | None = None

    @property
    def void_rounds(self) -> frozenset[int]:
        """The rounds that must not be compared: a pair with a discarded side is no pair."""
        return frozenset(discard.round for discard in self.discarded)

    @property
    def why_void(self) -> str:
        """A clause on the void rounds, the first of them with their reasons; empty if there is none."""
        if not self.discarded:
            return ""
        told = [f"round {one.round}, {one.side}: {one.why}" for one in self.discarded[:_SHOWN_MOST]]
        more = len(self.discarded) - _SHOWN_MOST
        count = len(self.void_rounds)
        rest = f"; and {more} more" if more > 0 else ""
        return f"{count} {'round is' if count == 1 else 'rounds are'} void ({'; '.join(told)}{rest})"


def judge(samples: Sequence[Sample], windows: Sequence[Window], bounds: Bounds = BOUNDS) -> Conditions:
    """What the samples say of the windows. Samples that lack a time or hold wrong types are passed over."""
    timed = sorted(((at_s, s) for s in samples if (at_s := epoch_s(s.get("at"))) is not None), key=lambda pair: pair[0])
    times_s = [at_s for at_s, _ in timed]
    inside = [
        [sample for _, sample in timed[bisect_left(times_s, w.start_s) : bisect_right(times_s, w.end_s)]]
        for w in windows
    ]
    seen = [sample for part in inside for sample in part]
    device = _device(seen)
    every_s = _interval_s(times_s)
    gpus = [gpu for sample in seen if (gpu := _gpu(sample, device)) is not None]
    told = [reasons for gpu in gpus if (reasons := _reasons(gpu)) is not None]
    counted = Counter(reason for reasons in told for reason in reasons)
    return Conditions(
        samples=len(seen),
        unseen=sum(not part for part in inside),
        sources=tuple(dict.fromkeys(name for sample in seen for name in _texts(sample.get("sources")))),
        device=device,
        sm_mhz=_spread(gpus, "sm_mhz"),
        memory_mhz=_spread(gpus, "memory_mhz"),
        power_w=_spread(gpus, "power_w"),
        temperature_c=_spread(gpus, "temperature_c"),
        busy_percent=_spread(gpus, "busy_percent"),
        memory_used_bytes=_spread(gpus, "memory_used_bytes"),
        cpu_mhz=_spread(seen, "cpu_mhz"),
        load_1m=_spread(seen, "load_1m"),
        throttled_s=_seconds(told, "throttled", every_s) if told else None,
        limited_s=_seconds(told, "limited", every_s) if told else None,
        reasons={name: round(count * every_s, 1) for name, count in sorted(counted.items())} if told else None,
        tenants=_tenants(seen),
        discarded=tuple(_discards(list(zip(windows, inside, strict=True)), device, bounds)),
    )


def epoch_s(at: object) -> float | None:
    """Seconds since the epoch of an ISO 8601 time; None if it is none."""
    if not isinstance(at, str):
        return None
    try:
        moment = datetime.fromisoformat(at.replace("Z", "+00:00"))
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _discards(
    parts: Sequence[tuple[Window, Sequence[Sample]]], device: str | None, bounds: Bounds
) -> Iterable[Discard]:
    gpus = [[gpu for sample in part if (gpu := _gpu(sample, device)) is not None] for _, part in parts]
    silent = all(_reasons(gpu) is None for part in gpus for gpu in part)
    medians = [_spread(part, "sm_mhz") if len(part) >= bounds.clock_samples else None for part in gpus]
    fastest = max((spread.median for spread in medians if spread), default=0.0)
    for (window, samples), part, spread in zip(parts, gpus, medians, strict=True):
        clock = spread.median if silent and spread else fastest
        clauses = (
            _throttled(part, bounds),
            f"its clock was at {clock:.0f} MHz, another round's at {fastest:.0f}"
            if clock < bounds.clock_floor * fastest
            else "",
            _worked_beside(samples, bounds),
        )
        why = "; ".join(clause for clause in clauses if clause)
        if why:
            yield Discard(round=window.round, side=window.side, why=why)


def _throttled(gpus: Sequence[Sample], bounds: Bounds) -> str:
    told = [reasons for gpu in gpus if (reasons := _reasons(gpu)) is not None]
    hits = [[reason for reason in reasons if EFFECTS.get(reason) == "throttled"] for reasons in told]
    count = sum(map(bool, hits))
    if count <= bounds.throttled_share * len(told):
        return ""
    names = sorted({reason for reasons in hits for reason in reasons})
    return f"throttled in {count} of {len(told)} samples ({', '.join(names)})"


def _worked_beside(samples: Sequence[Sample], bounds: Bounds) -> str:
    for sample in samples:
        for tenant in _tables(sample.get("tenants")):
            share = _number(tenant.get("gpu_share"))
            if share is not None and share > bounds.tenant_share:
                return f"process {_name(tenant)} used the GPU meanwhile, {100 * share:.0f} % of the time"
    return ""


def _tenants(samples: Iterable[Sample]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_name(tenant) for sample in samples for tenant in _tables(sample.get("tenants"))))


def _name(tenant: Sample) -> str:
    return f"{tenant.get('pid')} {tenant.get('name')}"


def _device(samples: Iterable[Sample]) -> str | None:
    """The device that was busiest; of several that do not tell, none."""
    busy: dict[str, float] = {}
    for sample in samples:
        for gpu in _tables(sample.get("gpus")):
            name = str(gpu.get("device"))
            busy[name] = busy.get(name, 0.0) + (_number(gpu.get("busy_percent")) or 0.0)
    if not busy or (len(busy) > 1 and not any(busy.values())):
        return None
    return max(sorted(busy), key=lambda name: busy[name])


def _gpu(sample: Sample, device: str | None) -> Sample | None:
    return next((gpu for gpu in _tables(sample.get("gpus")) if gpu.get("device") == device), None)


def _reasons(gpu: Sample) -> tuple[str, ...] | None:
    return _texts(gpu["throttle"]) if isinstance(gpu.get("throttle"), list) else None


def _seconds(told: Iterable[tuple[str, ...]], effect: str, every_s: float) -> float:
    return round(sum(any(EFFECTS.get(reason) == effect for reason in reasons) for reasons in told) * every_s, 1)


def _interval_s(times_s: Sequence[float]) -> float:
    gaps = [later - earlier for earlier, later in itertools.pairwise(times_s)]
    return statistics.median(gaps) if gaps else 1.0


def _spread(samples: Iterable[Sample], key: str) -> Spread | None:
    values = [value for sample in samples if (value := _number(sample.get(key))) is not None]
    if not values:
        return None
    return Spread(least=min(values), median=statistics.median(values), most=max(values))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -_LARGEST < value < _LARGEST else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(each for each in cast("list[Any]", value) if isinstance(each, str)) if isinstance(value, list) else ()


def _tables(value: object) -> list[Sample]:
    if not isinstance(value, list):
        return []
    return [cast("Sample", each) for each in cast("list[Any]", value) if isinstance(each, dict)]
