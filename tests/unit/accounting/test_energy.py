"""What a cumulative meter says of the time between two reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.accounting.energy import between
from orchestrator.accounting.values import Metered
from runner_agent.protocol import Meter
from tests.unit.accounting.ledger import at, metered


def count(moment: float, *, covered: float | None = None, **joules: float) -> Meter:
    """`moment` and `covered` in seconds; covered all along unless said otherwise."""
    covered_s = moment if covered is None else covered
    return Meter(epoch="first", at=at(moment).isoformat(), joules=joules, covered_s=covered_s)


BEFORE = count(100, gpu=5000, package=700)


def test_what_all_instruments_counted_between_two_reports_is_what_was_measured_then() -> None:
    assert between(BEFORE, count(110, gpu=8000, package=900)) == metered(3200, 100, 110)
    plug = replace(count(110, plug=900), whole=True)
    assert between(replace(count(100, plug=400), whole=True), plug) == metered(500, 100, 110, whole=True)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        pytest.param(None, BEFORE, id="the first count"),
        pytest.param(BEFORE, BEFORE, id="a report that came twice"),
        pytest.param(count(110, gpu=8000), BEFORE, id="a report that was overtaken"),
        pytest.param(BEFORE, replace(count(110, gpu=8000), epoch="second"), id="counting that began again"),
        pytest.param(BEFORE, count(110, gpu=4000, package=9000), id="a counter that fell"),
        pytest.param(BEFORE, count(110, gpu=float("nan")), id="no number"),
        pytest.param(BEFORE, count(110, gpu=float("inf")), id="no amount"),
        pytest.param(BEFORE, count(110, gpu=1e12), id="more than any machine draws"),
        pytest.param(BEFORE, count(110, covered=100, gpu=8000), id="nothing covered"),
        pytest.param(BEFORE, count(110, covered=float("nan"), gpu=8000), id="nobody knows what was covered"),
        pytest.param(BEFORE, count(110, plug=8000), id="other instruments"),
        pytest.param(BEFORE, replace(count(110, gpu=8000), whole=True), id="parts, and then the whole machine"),
        pytest.param(BEFORE, replace(count(110, gpu=8000), at="yesterday"), id="no moment"),
        pytest.param(BEFORE, replace(count(110, gpu=8000), at="2026-11-21T12:02:00"), id="a moment of no zone"),
    ],
)
def test_counts_that_cannot_be_compared_say_nothing(before: Meter | None, now: Meter) -> None:
    assert between(before, now) is None


def test_an_instrument_counts_from_the_second_time_that_it_is_seen() -> None:
    assert between(count(100, gpu=5000), count(110, gpu=5100, package=90000)) == metered(100, 100, 110)
    assert between(BEFORE, count(110, gpu=5100)) == metered(100, 100, 110)


def test_an_interval_that_was_covered_in_part_is_measured_in_its_last_part_and_the_rest_is_a_gap() -> None:
    assert between(BEFORE, count(400, covered=160, gpu=23000, package=700)) == metered(18000, 340, 400)


def test_instruments_that_are_read_now_and_then_cover_an_interval_all_the_same() -> None:
    assert between(BEFORE, count(110, covered=108.5, gpu=8000)) == metered(3000, 100, 110)
    assert between(BEFORE, count(200, covered=196, gpu=8000)) == metered(3000, 100, 200)
    assert between(BEFORE, count(110, covered=125, gpu=8000)) == metered(3000, 100, 110)


@settings(max_examples=50)
@given(
    steps=st.lists(st.tuples(st.integers(1, 120), st.floats(0, 400)), min_size=1, max_size=8),
    lost=st.sets(st.integers(0, 8)),
    twice=st.sets(st.integers(0, 8)),
)
def test_whichever_reports_are_lost_or_come_twice_the_sum_is_the_same(
    steps: list[tuple[int, float]], lost: set[int], twice: set[int]
) -> None:
    reports = [count(0, gpu=0)]
    for seconds, watts in steps:
        last = reports[-1]
        now = last.covered_s + seconds
        reports.append(count(now, gpu=last.joules["gpu"] + watts * seconds))
    arrived = [
        report
        for number, report in enumerate(reports)
        if number not in lost or report in (reports[0], reports[-1])
        for _ in range(1 + (number in twice))
    ]
    found: list[Metered] = []
    newest: Meter | None = None
    for report in arrived:
        if measured := between(newest, report):
            found.append(measured)
        newest = report
    assert sum(each.joules for each in found) == pytest.approx(reports[-1].joules["gpu"])
    covered = sum((each.end - each.start for each in found), timedelta())
    assert covered.total_seconds() == pytest.approx(reports[-1].covered_s)
