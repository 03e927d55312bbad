"""The numbers that an operator may set for waking and letting sleep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

SleepRule = Literal["break-even", "fixed", "never"]
PreflightRule = Literal["every-runner", "first-runner"]


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """At most `burst` starts at once, and `per_s` a second in the long run."""

    burst: int
    per_s: float


@dataclass(frozen=True, kw_only=True)
class PowerPolicy:
    """Waking: `waking_max` machines at a time, none for longer than `wake_limit_s`, started through `inrush` so that
    not all of them draw their inrush at once. After the n-th failed wake in a row the next waits `back_off_s` ×
    `back_off_factor`ⁿ⁻¹, at most `back_off_max_s`; `failures_max` in a row quarantine. A machine that was put to sleep
    is not woken before `settle_s`: while it goes down it is deaf.

    Recovery: a machine quarantined for failed wakes is woken again after `probe_after_s`, each time twice as long
    after; at most `probes_max` such wakes in the fleet in any `probes_window_s`.

    Sleep: "break-even" by the machine's own prices, "fixed" after `fixed_idle_s`, or "never". Where prices tell
    nothing, `fixed_idle_s` holds as well. `keep_warm` idle machines are kept awake. `delay_usd_per_h` is what an hour
    of an episode's waiting is worth; hardware is not counted, as it is paid for awake or asleep. `suspend_s` bounds the
    way down.

    An idle machine whose last canary is older than `canary_every_s` gets another one; 0: never. `preflight_on`: whether
    a campaign is proven on each runner before its first episode there, or on the first for all.
    """

    waking_max: int = 8
    wake_limit_s: float = math.inf
    inrush: Bucket = Bucket(burst=4, per_s=0.5)
    back_off_s: float = 30.0
    back_off_factor: float = 2.0
    back_off_max_s: float = 1800.0
    failures_max: int = 3
    settle_s: float = 15.0
    probe_after_s: float = 3600.0
    probe_after_max_s: float = 86400.0
    probes_max: int = 4
    probes_window_s: float = 86400.0
    sleep: SleepRule = "break-even"
    fixed_idle_s: float = 1800.0
    idle_min_s: float = 60.0
    idle_max_s: float = 4 * 3600.0
    keep_warm: int = 0
    delay_usd_per_h: float = 0.0
    suspend_s: float = 60.0
    canary_every_s: float = 0.0
    preflight_on: PreflightRule = "every-runner"
