"""Whatever is known of a machine: the parts sum to the whole, nothing is paid twice, and nothing is lost."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.accounting.settle import settle
from orchestrator.accounting.values import Charge, Hold, Line, Metered, Span, Timeline, Waking
from orchestrator.domain.runner import Prices
from tests.unit.accounting.ledger import START, Known, timeline

EVENING = START.replace(hour=20)
UNIT = timedelta(minutes=10)
UNITS = 36
"""All begins and ends at multiples of ten minutes, so that much coincides; midnight is the 24th of 36."""

units = st.integers(-6, UNITS + 6)
who = st.sampled_from("abc")
moments = st.tuples(units, units).map(lambda pair: {"start": EVENING + pair[0] * UNIT, "end": EVENING + pair[1] * UNIT})


@st.composite
def spans(draw: st.DrawFn) -> Span:
    drawn = draw(st.sampled_from(("awake", "awake", "asleep", "away", "off")))
    return Span(state=draw(st.sampled_from(("idle", "busy"))), draw=drawn, **draw(moments))


@st.composite
def holds(draw: st.DrawFn) -> Hold:
    episode = draw(who)
    return Hold(
        what=draw(st.sampled_from(("gpu", "build", "slot"))),
        episode_id=episode,
        attempt_id=f"{episode}.{draw(st.integers(1, 2))}",
        device=draw(st.sampled_from(("", "card0", "card1"))),
        phase=draw(st.sampled_from(("", "session", "grade"))),
        **draw(moments),
    )


@st.composite
def wakes(draw: st.DrawFn) -> Waking:
    return Waking(ready=draw(st.booleans()), episodes=tuple(draw(st.lists(who, max_size=3))), **draw(moments))


@st.composite
def meters(draw: st.DrawFn) -> Metered:
    joules = draw(st.floats(0, 1e9) | st.sampled_from((-1.0, math.nan, math.inf)))
    return Metered(joules=joules, whole=draw(st.booleans()), **draw(moments))


@st.composite
def machines(draw: st.DrawFn) -> Timeline:
    known: list[Known] = [
        *draw(st.lists(spans(), max_size=4)),
        *draw(st.lists(holds(), max_size=6)),
        *draw(st.lists(wakes(), max_size=2)),
        *draw(st.lists(meters(), max_size=3)),
    ]
    if draw(st.booleans()):
        known.append(Span(state="idle", draw="awake", start=EVENING - UNIT, end=EVENING + UNITS * UNIT))
    return replace(timeline(known, gates=draw(st.integers(1, 3))), start=EVENING, end=EVENING + UNITS * UNIT)


amounts = st.floats(0, 1000)
prices = st.builds(
    Prices,
    hardware_usd_per_h=amounts,
    asleep_w=amounts,
    idle_w=amounts,
    busy_w=amounts,
    energy_usd_per_kwh=amounts,
    rest_w=amounts,
)


@settings(max_examples=120)
@given(machine=machines(), price=prices)
def test_the_lines_of_a_machine_sum_to_its_time_its_energy_and_their_price(machine: Timeline, price: Prices) -> None:
    seconds = joules = 0.0
    for unit in range(UNITS):
        watts = _watts(machine, price, unit)
        if watts is not None:
            seconds += UNIT.total_seconds()
            joules += watts * UNIT.total_seconds()
    found = settle(machine, price)
    assert math.fsum(line.amount.seconds for line in found) == pytest.approx(seconds)
    assert math.fsum(line.amount.joules for line in found) == pytest.approx(joules)
    spent = seconds / 3600 * price.hardware_usd_per_h + joules / 3.6e6 * price.energy_usd_per_kwh
    assert math.fsum(line.amount.usd for line in found) == pytest.approx(spent)


@settings(max_examples=100)
@given(machine=machines(), price=prices, unit=st.integers(0, UNITS), odd_s=st.floats(0, 600))
def test_a_time_settled_in_two_pieces_costs_each_what_it_costs_settled_at_once(
    machine: Timeline, price: Prices, unit: int, odd_s: float
) -> None:
    cut = min(machine.end, EVENING + unit * UNIT + timedelta(seconds=odd_s))
    pieces = settle(replace(machine, end=cut), price) + settle(replace(machine, start=cut), price)
    whole, parts = _sums(settle(machine, price)), _sums(pieces)
    for key in whole.keys() | parts.keys():
        assert parts[key] == pytest.approx(whole[key], abs=1e-6), key


@settings(max_examples=60)
@given(machine=machines(), price=prices, data=st.data())
def test_neither_order_nor_repetition_of_what_is_known_changes_a_line(
    machine: Timeline, price: Prices, data: st.DataObject
) -> None:
    def again(items: tuple[Known, ...]) -> list[Known]:
        return data.draw(st.permutations([*items, *items[:2]]))

    known = [*again(machine.spans), *again(machine.holds), *again(machine.wakes), *again(machine.metered)]
    said = replace(timeline(known, gates=machine.gates), start=machine.start, end=machine.end)
    assert settle(said, price) == settle(machine, price)


@settings(max_examples=80)
@given(machine=machines(), price=prices)
def test_nothing_is_negative_or_no_number_and_nobody_pays_who_held_nothing(machine: Timeline, price: Prices) -> None:
    found = settle(machine, price)
    for line in found:
        for amount in (line.amount.usd, line.amount.joules, line.amount.seconds):
            assert 0 <= amount < math.inf
    assert len({(line.day, line.charge) for line in found}) == len(found)
    assert {line.day for line in found} <= {"2026-11-21", "2026-11-22"}
    holders = {(hold.episode_id, hold.attempt_id) for hold in machine.holds}
    woken = {(episode, "") for wake in machine.wakes if wake.ready for episode in wake.episodes}
    charged = {(line.charge.episode_id, line.charge.attempt_id) for line in found}
    assert charged <= holders | woken | {("", "")}
    assert all(line.charge.reason == "wake-failed" for line in found if line.charge.phase == "failed-wake")


def _watts(machine: Timeline, price: Prices, unit: int) -> float | None:
    """What it draws in that piece of its time, said again in the plainest way; None where it costs nothing."""
    now = EVENING + unit * UNIT

    def lasts(item: Known) -> bool:
        return item.start <= now < item.end

    stays = filter(lasts, machine.spans)
    stay = max(stays, key=lambda span: (span.start, span.end, span.draw, span.state), default=None)
    if stay is None or stay.draw == "off":
        return None
    counted = [each for each in machine.metered if lasts(each) and 0 <= each.joules < math.inf]
    if counted:
        best = max(counted, key=lambda each: (each.whole, each.start, each.end, each.joules))
        measured = best.joules / (best.end - best.start).total_seconds()
        return measured if best.whole else measured + price.rest_w
    held = [*filter(lasts, machine.holds)]
    if any(map(lasts, machine.wakes)) and not held:
        return max(price.busy_w, price.idle_w)
    if stay.draw == "asleep":
        return price.asleep_w
    return price.busy_w if any(hold.what != "slot" for hold in held) else price.idle_w


def _sums(lines: Iterable[Line]) -> defaultdict[tuple[str, Charge, str], float]:
    sums: defaultdict[tuple[str, Charge, str], float] = defaultdict(float)
    for line in lines:
        for what in ("usd", "joules", "seconds"):
            sums[line.day, line.charge, what] += getattr(line.amount, what)
    return sums
