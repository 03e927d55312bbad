"""When idling has cost as much as a cycle of sleep and wake."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.runner import Prices
from orchestrator.domain.wake import SleepKind
from orchestrator.planning.breakeven import BreakEven, break_even
from orchestrator.planning.deadlines import BOUNDS
from orchestrator.planning.power_policy import PowerPolicy
from tests.unit.planning.sleepers import PRICES, woke

POLICY = PowerPolicy()
SUSPEND = SleepKind.SUSPEND
KNOWN = [woke(60)]


def even(prices: Prices = PRICES, policy: PowerPolicy = POLICY) -> BreakEven:
    found = break_even(prices, KNOWN, SUSPEND, policy)
    assert found is not None
    return found


def test_it_is_where_the_joules_of_idling_equal_those_of_a_cycle() -> None:
    found = even()
    assert found.cycle_j == (350 - 2) * 60 + (60 - 2) * 5
    assert found.idle_s * found.saved_w == pytest.approx(found.cycle_j)


def test_a_machine_that_wakes_slowly_stays_awake_longer() -> None:
    slow = break_even(PRICES, [woke(120)], SUSPEND, POLICY)
    assert slow is not None and slow.idle_s > even().idle_s


def test_a_wait_that_costs_money_keeps_machines_awake_longer() -> None:
    dear = even(policy=replace(POLICY, delay_usd_per_h=0.5))
    assert dear.idle_s * dear.saved_w == pytest.approx(dear.cycle_j + 0.5 / 60 / 0.3 * 3.6e6)
    assert "0.0083 USD" in dear.says


def test_without_a_price_of_energy_joules_alone_decide() -> None:
    free = replace(PRICES, energy_usd_per_kwh=0.0)
    assert even(free, replace(POLICY, delay_usd_per_h=0.5)).idle_s == even().idle_s


def test_prices_that_show_no_saving_have_no_break_even() -> None:
    assert break_even(Prices(), KNOWN, SUSPEND, POLICY) is None
    assert break_even(replace(PRICES, asleep_w=60), KNOWN, SUSPEND, POLICY) is None


def test_it_is_bounded_on_both_sides() -> None:
    greedy = even(replace(PRICES, idle_w=2000, busy_w=2000))
    lazy = even(replace(PRICES, idle_w=2.1))
    assert (greedy.idle_s, lazy.idle_s) == (POLICY.idle_min_s + 5, POLICY.idle_max_s)


def test_a_machine_that_never_woke_is_taken_to_wake_as_fast_as_any() -> None:
    unknown = break_even(PRICES, [], SUSPEND, POLICY)
    assert unknown is not None and unknown.wake_s == BOUNDS[SUSPEND].floor_s


@given(
    gaps_s=st.lists(st.floats(0, 1e5), min_size=1, max_size=30),
    idle_w=st.floats(5, 500),
    busy_w=st.floats(5, 1000),
    wake_s=st.floats(5, 600),
)
def test_it_never_costs_more_than_twice_what_a_seer_would_pay(
    gaps_s: list[float], idle_w: float, busy_w: float, wake_s: float
) -> None:
    unbounded = replace(POLICY, idle_min_s=0, idle_max_s=float("inf"))
    prices = Prices(asleep_w=2, idle_w=idle_w, busy_w=busy_w)
    rule = break_even(prices, [woke(wake_s)], SUSPEND, unbounded)
    assert rule is not None

    def paid_j(gap_s: float) -> float:
        return rule.saved_w * gap_s if gap_s < rule.idle_s else rule.saved_w * rule.idle_s + rule.cycle_j

    ours_j = sum(paid_j(gap_s) for gap_s in gaps_s)
    seer_j = sum(min(rule.saved_w * gap_s, rule.cycle_j) for gap_s in gaps_s)
    assert ours_j <= 2 * seer_j * (1 + 1e-9) + 1e-6
