"""Device timestamps, and whether what a run says of its times can be true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent.measure import dispatches, timestamps
from runner_agent.measure.text import Faults
from runner_agent.measure.timestamps import Clock, Spent, far_below, findings

CLOCK = Clock(bits=36, period_ns=52.0)
bits = st.integers(36, 64)


def spent(text: str, fmt: str = "perdispatch") -> Spent:
    whole = Spent()
    for batch in dispatches.batches((text,), fmt, Faults()):
        whole.add(batch)
    return whole


def line(shader_ns: int, begin: object, end: object, valid_bits: object = 36, seq: int = 1, queue: str = "") -> str:
    ticks = f"begin_tick={begin} end_tick={end} valid_bits={valid_bits} period_ns=10"
    name = f"seq={seq} name=n bubble_ns=0 shader_ns={shader_ns} submit_ns=0"
    return f"[GPU PERDISPATCH] {name} {ticks}{f' queue={queue}' if queue else ''}\n"


def kinds(whole: Spent, wall_s: float | None = None, printed_s: float | None = None) -> list[str]:
    return [found.kind for found in findings(whole, wall_s=wall_s, printed_s=printed_s)]


@given(bits, st.integers(0, 2**64 - 1), st.integers(0, 2**35 - 1))
def test_a_difference_is_the_same_through_a_wrap(valid: int, begin: int, ticks: int) -> None:
    clock = Clock(bits=valid, period_ns=1.0)
    mask = (1 << valid) - 1
    assert clock.ticks(begin & mask, (begin + ticks) & mask) == ticks
    assert clock.elapsed_ns(begin & mask, (begin + ticks) & mask) == ticks


@given(bits, st.integers(0, 2**64 - 1), st.integers(1, 2**35 - 1))
def test_a_result_that_came_out_of_order_is_a_step_back_and_no_time(valid: int, later: int, ticks: int) -> None:
    clock = Clock(bits=valid, period_ns=1.0)
    mask = (1 << valid) - 1
    assert clock.step_ns(later & mask, (later - ticks) & mask) == -ticks
    assert clock.elapsed_ns(later & mask, (later - ticks) & mask) is None


@given(bits, st.integers(0, 2**63), st.integers(0, 2**63))
def test_bits_that_are_not_valid_are_not_looked_at(valid: int, begin: int, end: int) -> None:
    clock = Clock(bits=valid, period_ns=1.0)
    assert clock.ticks(begin, end) == clock.ticks(begin + (1 << valid), end)


@pytest.mark.parametrize(
    "clock", [Clock(bits=0, period_ns=1.0), Clock(bits=65, period_ns=1.0), Clock(bits=36, period_ns=0)]
)
def test_a_clock_without_valid_bits_or_period_tells_no_time(clock: Clock) -> None:
    assert (clock.ticks(1, 2), clock.elapsed_ns(1, 2)) == (None, None)


@pytest.mark.parametrize(("begin", "end"), [(None, 1), (1, None), (None, None)])
def test_a_result_that_is_missing_tells_no_time(begin: int | None, end: int | None) -> None:
    assert CLOCK.elapsed_ns(begin, end) is None


def test_ticks_that_agree_with_the_shader_s_time_raise_nothing_also_through_a_wrap() -> None:
    whole = spent(line(1000, 2**36 - 50, 50) + line(1010, 100, 200))
    assert (whole.ticked, kinds(whole, wall_s=1.0)) == (2, [])


def test_a_driver_that_reports_ten_times_short_is_told_with_the_factor() -> None:
    whole = spent(line(100, 0, 100, seq=7))
    (found,) = findings(whole, wall_s=1.0, printed_s=None)
    assert found.kind == "tick-rate-disagrees"
    assert "1 of 1 dispatches, by a factor of 0.109 at seq=7" in found.quote


@pytest.mark.parametrize("valid", [0, 35, 65, "x"])
def test_ticks_without_valid_bits_cannot_be_used(valid: object) -> None:
    assert kinds(spent(line(1000, 0, 100, valid)), wall_s=1.0) == ["ticks-unusable"]


def test_ticks_that_are_missing_or_run_backwards_cannot_be_used() -> None:
    whole = spent(line(1000, "none", 100) + line(1000, 100, 0) + line(1000, 0, 100))
    assert (whole.unusable, whole.ticked) == (2, 1)


def test_lines_without_ticks_are_no_fault() -> None:
    text = "[GPU PERDISPATCH] seq=1 name=n bubble_ns=1 shader_ns=2 submit_ns=3\n"
    assert kinds(spent(text), wall_s=1.0) == []
    among = spent(line(1000, 0, 100) + text + line(1000, 100, 200) + text)
    assert (among.unusable, among.ticked, among.dispatches) == (0, 2, 4)


def test_dispatches_of_one_queue_that_outlast_the_run_are_told() -> None:
    whole = spent(line(3_000_000_000, 0, 300_000_000))
    assert kinds(whole, wall_s=2.0) == ["dispatch-time-exceeds-wall", "tick-rate-disagrees"]
    assert kinds(whole, printed_s=1.9) == ["dispatch-time-exceeds-wall"]
    assert kinds(whole, wall_s=3.0, printed_s=2.1) == []


def test_queues_that_work_side_by_side_are_not_added_up() -> None:
    text = "".join(line(800_000_000, n, 80_000_000 + n, queue=str(n)) for n in range(4))
    assert kinds(spent(text), wall_s=1.0) == []


def test_a_mean_of_many_dispatches_counts_as_many() -> None:
    whole = spent("Vulkan Timings:\nADD: 1000 x 2000 us = 2e+06 us\nTotal time: 2e+06 us\n", "ggml-vk")
    assert whole.longest_s == 2.0


def test_dispatches_that_account_for_next_to_nothing_are_noted() -> None:
    whole = spent(line(1000, 0, 100))
    assert "most of the rest is not accounted for" in far_below(whole, 1.0)
    assert "timed passes took 359.000 s" in far_below(whole, 360.0, 359.0)
    assert far_below(whole, 360.0, 359.99999) == far_below(whole, 1.0, 1.1) == ""
    assert far_below(whole, None) == far_below(whole, 1e-5) == far_below(Spent(), 1.0) == ""


@pytest.mark.parametrize(
    ("stated", "measured", "told"), [(10, 10.4, False), (10, 10.6, True), (10, 1, True), (0, 1, True)]
)
def test_a_tick_of_another_length_by_the_host_s_clock_is_told(stated: float, measured: float, told: bool) -> None:
    assert (timestamps.rate(stated, measured) is not None) == told
