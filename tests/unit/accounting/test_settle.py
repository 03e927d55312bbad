"""Who pays for a machine's time and power, and where each figure is from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.accounting.settle import settle
from orchestrator.accounting.values import Amount, Charge, Line, Span, Timeline
from orchestrator.domain.runner import Prices
from tests.unit.accounting.ledger import HOUR, PRICES, hold, joules, lines, metered, seconds, span, usd, waking

TWO = "00000000-0300", "00000000-0400"


def test_who_holds_the_gate_pays_for_the_whole_machine_though_others_build_and_work_beside() -> None:
    found = lines(span("awake"), hold("gpu", "a"), hold("build", "b"), hold("slot", "c", phase="session"))
    assert seconds(found) == {"gpu a": HOUR}
    assert joules(found) == {"gpu a configured": 350 * HOUR}
    assert found == (
        Line(
            day="2026-11-21",
            runner="gpu1",
            charge=Charge(phase="gpu", kind="energy", label="configured", episode_id="a", attempt_id="a.1"),
            amount=Amount(usd=pytest.approx(0.35 * 0.36), joules=pytest.approx(350 * HOUR)),
        ),
        Line(
            day="2026-11-21",
            runner="gpu1",
            charge=Charge(phase="gpu", kind="hardware", label="configured", episode_id="a", attempt_id="a.1"),
            amount=Amount(usd=pytest.approx(0.36), seconds=HOUR),
        ),
    )


def test_while_the_gate_is_free_those_who_build_pay_in_equal_shares_and_who_only_works_pays_nothing() -> None:
    found = lines(span("awake"), hold("build", "a"), hold("build", "b"), hold("slot", "c"), hold("slot", "a"))
    assert seconds(found) == {"build a": HOUR / 2, "build b": HOUR / 2}
    assert joules(found) == {"build a configured": 175 * HOUR, "build b configured": 175 * HOUR}


def test_while_nothing_is_built_or_measured_those_with_a_slot_pay_in_equal_shares_for_the_stage_each_is_in() -> None:
    found = lines(
        span("awake"), hold("slot", "a", phase="session"), hold("slot", "b", phase="grade"), hold("slot", "c")
    )
    assert seconds(found) == {"session a": HOUR / 3, "grade b": HOUR / 3, "slot c": HOUR / 3}
    assert joules(found) == {f"{who} configured": 20 * HOUR for who in ("session a", "grade b", "slot c")}


def test_who_pays_changes_at_the_moment_at_which_something_is_taken_or_given_back() -> None:
    found = lines(
        span("awake"),
        hold("slot", "a", 0, 1000, phase="session"),
        hold("build", "a", 600, 900),
        hold("gpu", "b", 800, 1200),
    )
    assert seconds(found) == {"session a": 600, "build a": 200, "gpu b": 400, "idle": HOUR - 1200}
    assert joules(found)["idle configured"] == 60 * (HOUR - 1200)


def test_a_machine_that_nobody_holds_is_idle_and_one_that_sleeps_costs_its_hardware_and_what_it_draws_asleep() -> None:
    found = lines(span("awake", 0, 600), span("asleep", 600))
    assert seconds(found) == {"idle": 600, "asleep": HOUR - 600}
    assert joules(found) == {"idle configured": 60 * 600, "asleep configured": 2 * (HOUR - 600)}
    assert {(line.charge.kind, line.charge.episode_id, line.charge.reason) for line in found} == {("idle", "", "")}


def test_a_machine_that_is_away_is_taken_to_run_on_and_that_is_said_to_be_an_estimate() -> None:
    found = lines(span("away"), hold("gpu", "a", 0, 600))
    assert seconds(found) == {"gpu a": 600, "away": HOUR - 600}
    assert joules(found) == {"gpu a estimated": 350 * 600, "away estimated": 60 * (HOUR - 600)}
    assert {line.charge.label for line in found if line.amount.seconds} == {"configured"}


def test_a_machine_that_is_off_costs_nothing_nor_does_a_time_in_which_nobody_watched() -> None:
    assert lines(span("off"), hold("gpu", "a"), metered(1000)) == ()
    assert lines(hold("gpu", "a"), metered(1000), waking("a")) == ()


def test_a_wake_is_paid_in_equal_shares_by_the_episodes_that_it_was_for_at_the_power_of_a_busy_machine() -> None:
    found = lines(
        span("asleep", 0, 100), span("awake", 100), waking("a", "b", start=100, end=200), hold("slot", "a", 200)
    )
    assert seconds(found) == {"asleep": 100, "wake a": 50, "wake b": 50, "slot a": HOUR - 200}
    assert joules(found)["wake a estimated"] == 350 * 50
    assert {line.charge.kind for line in found if line.charge.phase == "wake"} == {"wake"}
    assert {line.charge.attempt_id for line in found if line.charge.phase == "wake"} == {""}


def test_an_episode_that_a_wake_is_said_to_be_for_twice_pays_one_share() -> None:
    assert seconds(lines(span("awake"), waking("a", "b", "a"))) == {"wake a": HOUR / 2, "wake b": HOUR / 2}


def test_a_failed_wake_charges_nobody_and_is_waste_with_its_reason() -> None:
    found = lines(span("awake"), waking("a", ready=False))
    assert seconds(found) == {"failed-wake": HOUR}
    assert {(line.charge.kind, line.charge.reason) for line in found} == {("wake", "wake-failed")}


def test_a_wake_for_no_episode_charges_nobody() -> None:
    found = lines(span("awake"), waking())
    assert seconds(found) == {"wake": HOUR}
    assert {line.charge.reason for line in found} == {""}


def test_a_smart_plug_counts_instead_of_what_an_operator_set() -> None:
    found = lines(span("awake"), hold("gpu", "a"), metered(200 * HOUR, whole=True), prices=replace(PRICES, rest_w=40))
    assert joules(found) == {"gpu a measured": 200 * HOUR}


def test_beside_a_meter_of_its_parts_the_rest_of_a_machine_is_as_configured() -> None:
    found = lines(span("awake"), hold("gpu", "a"), metered(200 * HOUR), prices=replace(PRICES, rest_w=40))
    assert joules(found) == {"gpu a measured": 200 * HOUR, "gpu a configured": 40 * HOUR}
    assert joules(lines(span("awake"), metered(200 * HOUR))) == {"idle measured": 200 * HOUR}


def test_where_a_meter_has_a_gap_configured_watts_fill_it_and_say_so() -> None:
    found = lines(span("awake"), hold("gpu", "a"), metered(300 * 600, 0, 600), metered(300 * 600, 1200, 1800), end=1800)
    assert joules(found) == {"gpu a measured": 300 * 1200, "gpu a configured": 350 * 600}


def test_what_was_counted_before_the_time_that_is_settled_is_no_part_of_it() -> None:
    assert joules(lines(span("awake"), metered(300 * 1000, -600, 400), end=400)) == {"idle measured": 300 * 400}


def test_a_count_that_came_twice_or_that_overlaps_another_is_taken_once() -> None:
    once, plug = metered(300 * HOUR), metered(400 * HOUR, whole=True)
    assert lines(span("awake"), once, once) == lines(span("awake"), once)
    later = metered(300 * HOUR, 600)
    assert joules(lines(span("awake"), later, plug)) == {"idle measured": 400 * HOUR}


def test_of_two_devices_one_held_is_half_of_the_machine_and_the_other_half_is_idle() -> None:
    found = lines(span("awake"), hold("gpu", "a", device=TWO[0]), gates=2)
    assert seconds(found) == {"gpu a": HOUR / 2, "idle": HOUR / 2}
    assert joules(found) == {"gpu a configured": 175 * HOUR, "idle configured": 175 * HOUR}


def test_of_two_devices_each_is_paid_by_who_holds_it_and_a_free_one_by_those_who_build() -> None:
    both = [hold("gpu", who, device=device) for who, device in zip("ab", TWO, strict=True)]
    assert seconds(lines(span("awake"), *both, hold("build", "c"), gates=2)) == {"gpu a": HOUR / 2, "gpu b": HOUR / 2}
    found = lines(span("awake"), both[0], hold("build", "c"), hold("build", "d"), gates=2)
    assert seconds(found) == {"gpu a": HOUR / 2, "build c": HOUR / 4, "build d": HOUR / 4}


def test_who_holds_a_gate_without_a_name_holds_all_devices() -> None:
    assert seconds(lines(span("awake"), hold("gpu", "a"), hold("build", "b"), gates=2)) == {"gpu a": HOUR}


def test_more_gates_than_there_are_devices_are_worth_less_each() -> None:
    held = [hold("gpu", who, device=who) for who in "abc"]
    assert seconds(lines(span("awake"), *held, gates=2)) == {f"gpu {who}": HOUR / 3 for who in "abc"}


def test_a_hold_that_is_said_twice_charges_once_and_one_that_is_reversed_nobody() -> None:
    once = hold("gpu", "a", 0, 600)
    assert lines(span("awake"), once, once) == lines(span("awake"), once)
    assert seconds(lines(span("awake"), hold("gpu", "a", 600, 0))) == {"idle": HOUR}


def test_an_attempt_that_seems_to_be_in_two_stages_at_once_pays_one_share_for_the_later() -> None:
    found = lines(
        span("awake"), hold("slot", "a", 0, HOUR, phase="session"), hold("slot", "a", 600, HOUR, phase="grade"),
        hold("slot", "b", phase="session"), end=1200,
    )  # fmt: skip
    assert seconds(found) == {"session a": 300, "grade a": 300, "session b": 600}


def test_of_spans_that_overlap_the_one_that_began_last_counts() -> None:
    assert seconds(lines(span("asleep"), span("awake", 600, 1200))) == {"asleep": HOUR - 600, "idle": 600}


def test_a_line_belongs_to_one_day_in_utc_whatever_zone_it_was_said_in() -> None:
    start = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    abroad = start.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo)
    for begin in (start, abroad):
        stay = Span(state="idle", draw="awake", start=begin, end=begin + timedelta(days=2))
        found = settle(Timeline(runner="gpu1", start=begin, end=begin + timedelta(hours=25), spans=(stay,)), PRICES)
        assert {line.day: line.amount.seconds for line in found} == {
            "2026-11-21": HOUR / 2,
            "2026-11-22": 24 * HOUR,
            "2026-11-23": HOUR / 2,
        }


def test_time_is_counted_where_nothing_has_a_price() -> None:
    found = lines(span("awake"), hold("gpu", "a"), metered(1000), prices=Prices())
    assert (seconds(found), joules(found), usd(found)) == ({"gpu a": HOUR}, {"gpu a measured": 1000}, 0)


def test_a_time_that_is_empty_or_reversed_costs_nothing() -> None:
    assert lines(span("awake"), end=0) == ()
    assert lines(span("awake", -HOUR), end=-600) == ()
