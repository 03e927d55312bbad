"""What the same work would have cost otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.accounting.alternatives import Alone, Alternative, Machine, alone, alternatives, machine
from orchestrator.accounting.values import Hold
from orchestrator.domain.runner import Prices
from tests.unit.accounting.ledger import HOUR, PRICES, Known, hold, lines, metered, span, usd, waking


def had(*known: Known, prices: Prices = PRICES, tokens_usd: float = 0.0, signals: int = 2) -> dict[str, Alternative]:
    """By name, of one machine, whose every attempt is known."""
    found = lines(*known, prices=prices)
    held = alone(each for each in known if isinstance(each, Hold))
    told = alternatives([machine(found, prices, held)], usd(found) + tokens_usd, signals)
    return {each.name: each for each in told}


def test_always_on_pays_the_idle_power_of_each_second_asleep() -> None:
    found = had(span("asleep"))["always on"]
    assert found.actual_usd == pytest.approx(0.36 + 2 * HOUR * 1e-7)
    assert found.usd == pytest.approx(0.36 + 60 * HOUR * 1e-7)
    assert found.usd_per_signal == pytest.approx((0.36 + 60 * HOUR * 1e-7) / 2)


def test_always_on_saves_the_wakes_so_that_it_is_cheaper_where_machines_sleep_too_briefly() -> None:
    found = had(span("asleep", 0, 10), span("awake", 10), waking("a", start=10, end=110), hold("gpu", "a", 110))
    always = found["always on"]
    assert always.usd is not None
    assert always.usd - always.actual_usd == pytest.approx(((60 - 2) * 10 + (60 - 350) * 100) * 1e-7)


def test_serial_phases_pay_the_whole_machine_for_as_long_as_each_attempt_held_anything() -> None:
    found = had(
        span("awake"),
        hold("slot", "a", 0, 1000, phase="session"),
        hold("slot", "b", 0, 1000, phase="session"),
        hold("gpu", "a", 900, 1000),
    )["serial phases"]
    idle = (HOUR - 1000) * (1e-4 + 60e-7)
    assert found.usd == pytest.approx(idle + 2000 * 1e-4 + (100 * 350 + 1900 * 60) * 1e-7)
    assert found.actual_usd == pytest.approx(idle + 1000 * 1e-4 + (100 * 350 + 900 * 60) * 1e-7)


@pytest.mark.parametrize("counted", [(), (metered(140 * 900, 0, 900), metered(400 * 50, 900, 950))])
def test_an_attempt_that_had_its_machine_alone_costs_the_same_serially(counted: tuple[Known, ...]) -> None:
    known = (span("awake"), hold("slot", "a", 0, 900, phase="session"), hold("gpu", "a", 900, 1000), *counted)
    found = had(*known, tokens_usd=3.0)["serial phases"]
    assert found.usd == pytest.approx(found.actual_usd)
    assert found.actual_usd > 3.0


def test_alone_nobody_stands_in_line_for_a_build_slot_or_a_gate() -> None:
    assert alone(
        [
            hold("slot", "a", 0, 100, phase="session"),
            hold("slot", "a", 100, 1000, phase="build"),
            hold("build", "a", 400, 700),
            hold("slot", "a", 1000, 2000, phase="smoke"),
            hold("gpu", "a", 1900, 2000),
        ]
    ) == Alone(seconds=500, busy_s=400)


def test_what_one_attempt_held_at_once_or_is_said_to_have_held_twice_counts_once() -> None:
    held = [hold("slot", "a", 0, 100, phase="session"), hold("gpu", "a", 50, 150), hold("gpu", "a", 60, 120, "card1")]
    assert alone([*held, *held, hold("gpu", "a", 90, 20)]) == Alone(seconds=150, busy_s=100)
    assert alone([]) == Alone()


def test_a_busy_machine_draws_otherwise_what_it_was_measured_to_draw() -> None:
    known = (span("awake"), hold("gpu", "a"), hold("gpu", "b"), metered(200 * HOUR, whole=True))
    found = had(*known)["serial phases"]
    assert found.usd == pytest.approx(2 * (0.36 + 200 * HOUR * 1e-7))


def test_a_machine_without_configured_watts_is_taken_to_idle_at_what_it_drew_while_agents_worked() -> None:
    known = (
        span("awake", 0, 600),
        hold("slot", "a", 0, 600),
        metered(90 * 600, 0, 600, whole=True),
        span("asleep", 600),
    )
    bare = replace(PRICES, asleep_w=0, idle_w=0, busy_w=0)
    always = had(*known, prices=bare)["always on"]
    assert always.usd == pytest.approx(0.36 + 90 * HOUR * 1e-7)


def test_where_it_is_not_known_how_long_attempts_held_a_machine_there_is_no_figure_and_that_is_said() -> None:
    found = lines(span("awake"), hold("gpu", "a"))
    always, serial = alternatives([machine(found, PRICES, None)], usd(found), 1)
    assert always.usd is not None
    assert (serial.usd, serial.usd_per_signal) == (None, None)
    assert serial.says.endswith("How long each held it is not known.")


def test_without_signals_there_is_no_price_of_one_and_without_machines_nothing_would_be_otherwise() -> None:
    nothing: list[Machine] = []
    assert [(each.usd, each.usd_per_signal) for each in alternatives(nothing, 5.0, 0)] == [(5.0, None), (5.0, None)]


def test_of_several_machines_each_is_reckoned_at_its_own_prices() -> None:
    cheap = replace(PRICES, energy_usd_per_kwh=0)
    slept = lines(span("asleep"))
    both = [machine(slept, prices, Alone()) for prices in (PRICES, cheap)]
    always = alternatives(both, 10.0, 1)[0]
    assert always.usd == pytest.approx(10.0 + 58 * HOUR * 1e-7)
