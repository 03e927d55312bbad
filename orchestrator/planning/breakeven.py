"""When an idle machine is to be let to sleep: the ski-rental rule on its own prices.

Staying awake is rent, paid by the second; sleeping and waking again is bought once per idle period. Nobody knows when
the next episode comes. To go to sleep exactly when the rent paid equals the price of a cycle costs at most twice what
a seer would pay, whatever comes, and no deterministic rule does better (Karlin, Manasse, Rudolph, Sleator 1988,
"Competitive Snoopy Caching"). Drawing the moment at random would be e/(e − 1) ≈ 1.58-competitive in expectation
(Karlin, Manasse, McGeoch, Owicki 1994). The deterministic rule is taken: the same picture must give the same plan, and
an owner must be told "it sleeps at 12:40, because …", which a die cannot say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.domain.runner import Prices
from orchestrator.domain.wake import SleepKind, WakeRecord
from orchestrator.planning.deadlines import BOUNDS, expected_s
from orchestrator.planning.power_policy import PowerPolicy

JOULES_PER_KWH = 3.6e6

SUSPEND_TAKES_S: dict[SleepKind, float] = {SleepKind.SUSPEND: 5.0, SleepKind.POWER_OFF: 20.0}
"""The way down. Nobody sees its end, so it is an estimate; it is small beside the way up."""


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """`idle_s` after which sleeping is the better bet. `saved_w`: what sleep saves; `cycle_j`: what going down and
    coming up draw above sleep; `delay_usd`: what the wait for the wake costs; `wake_s`: what the wake is expected to
    take."""

    idle_s: float
    saved_w: float
    cycle_j: float
    delay_usd: float
    wake_s: float

    @property
    def says(self) -> str:
        delay = f" and its wait {self.delay_usd:.4f} USD" if self.delay_usd else ""
        return (
            f"sleeping saves {self.saved_w:.0f} W, a cycle costs {self.cycle_j / 1000:.1f} kJ{delay}: "
            f"it pays after {self.idle_s:.0f} s"
        )


def break_even(prices: Prices, wakes: Iterable[WakeRecord], slept: SleepKind, policy: PowerPolicy) -> BreakEven | None:
    """None where the prices do not say that sleep saves anything."""
    saved_w = prices.idle_w - prices.asleep_w
    if saved_w <= 0:
        return None
    wake_s = expected_s(wakes, slept)
    wake_s = BOUNDS[slept].floor_s if wake_s is None else wake_s
    # Firmware, fans and drivers come up at full power; what was declared as busy is the best that is known of it.
    up_w = max(prices.busy_w, prices.idle_w) - prices.asleep_w
    cycle_j = up_w * wake_s + saved_w * SUSPEND_TAKES_S[slept]
    delay_usd = wake_s * policy.delay_usd_per_h / 3600
    idle_s = (cycle_j + _as_joules(delay_usd, prices)) / saved_w
    bounded_s = min(policy.idle_max_s, max(policy.idle_min_s, idle_s))
    return BreakEven(
        idle_s=bounded_s,
        saved_w=saved_w,
        cycle_j=cycle_j,
        delay_usd=delay_usd if _priced(prices) else 0.0,
        wake_s=wake_s,
    )


def _priced(prices: Prices) -> bool:
    return prices.energy_usd_per_kwh > 0


def _as_joules(usd: float, prices: Prices) -> float:
    """Money and joules are only comparable through a price of energy; without one, joules alone decide."""
    return usd / prices.energy_usd_per_kwh * JOULES_PER_KWH if _priced(prices) else 0.0
