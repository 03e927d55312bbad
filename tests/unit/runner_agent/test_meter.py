"""What a sample adds to the count of energy."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent import meter, protocol
from runner_agent.meter import Count, Moment, Sample, Tally, advance

START = Moment(boot_id="b1", boottime_s=1000.0, slept_s=0.0, epoch_s=1_767_225_600.0)
RANGE_UJ = 262_143_328_850


def at(seconds: float, *counts: Count, slept_s: float = 0.0, boot: str = "b1", whole: bool = False) -> Sample:
    moment = Moment(
        boot_id=boot,
        boottime_s=START.boottime_s + seconds,
        slept_s=slept_s,
        epoch_s=START.epoch_s + seconds,
    )
    return Sample(moment=moment, counts=counts, whole=whole)


def gpu(watts: float) -> Count:
    return Count(name="gpu:card0", watts=watts)


def package(joules: float) -> Count:
    return Count(name="package:package-0", counter_uj=round(joules * 1e6), wraps_at_uj=RANGE_UJ)


def counted(*samples: Sample) -> Tally:
    tally: Tally | None = None
    for number, sample in enumerate(samples):
        tally = advance(tally, sample, f"e{number}")
    assert tally is not None
    return tally


def test_the_first_sample_begins_an_epoch_in_which_nothing_is_counted_yet() -> None:
    assert counted(at(0, gpu(300), package(5))) == Tally(
        epoch="e0", joules={"gpu:card0": 0, "package:package-0": 0}, covered_s=0, last=at(0, gpu(300), package(5))
    )


def test_power_is_a_line_from_sample_to_sample_and_a_counter_its_difference() -> None:
    tally = counted(at(0, gpu(100), package(10)), at(2, gpu(300), package(110)), at(3, gpu(300), package(150)))
    assert tally.joules == {"gpu:card0": 700, "package:package-0": 140}
    assert tally.covered_s == 3


def test_a_counter_counts_where_a_device_tells_its_power_too() -> None:
    both = [Count(name="gpu:nvidia0", counter_uj=uj, watts=500.0) for uj in (0, 7_000_000)]
    assert counted(at(0, both[0]), at(1, both[1])).joules == {"gpu:nvidia0": 7}


# What comes after (10 s, 100 W, 1000 J), and whether time and energy are counted since.
AFTER = [
    ("the next second", at(11, gpu(100), package(1050)), True),
    ("the last moment in which power is a line", at(25, gpu(100), package(1050)), True),
    ("longer", at(25.1, gpu(100), package(1050)), False),
    ("the machine slept", at(11, gpu(100), package(1050), slept_s=5), False),
    ("a device fell silent", at(11, package(1050)), False),
    ("a device appeared", at(11, gpu(100), package(1050), Count(name="gpu:card1", watts=1)), False),
    ("a device tells otherwise", at(11, Count(name="gpu:card0", counter_uj=5), package(1050)), False),
    ("a counter began anew", at(11, gpu(100), package(3)), False),
    ("a counter leapt", at(11, gpu(100), package(1e6)), False),
    ("nothing told", at(11), False),
]


@pytest.mark.parametrize(("sample", "counts"), [row[1:] for row in AFTER], ids=[row[0] for row in AFTER])
def test_time_and_energy_are_counted_together_or_not_at_all(sample: Sample, counts: bool) -> None:
    before = counted(at(9, gpu(100), package(950)), at(10, gpu(100), package(1000)))
    after = advance(before, sample, "other")
    assert after is not None
    assert after.epoch == before.epoch
    assert (after.covered_s > before.covered_s) is counts
    assert (sum(after.joules.values()) > sum(before.joules.values())) is counts


@pytest.mark.parametrize(
    ("gap_s", "wrapped_j", "spent"),
    [(1.0, 100.0, 100.0), (60.0, 6000.0, 6000.0), (60.1, 6000.0, None), (1.0, 2000.1, None)],
    ids=["once", "after a minute", "how often is not known", "more than a processor draws: no wrap"],
)
def test_a_counter_is_followed_across_its_wrap(gap_s: float, wrapped_j: float, spent: float | None) -> None:
    before = replace(package(0), counter_uj=RANGE_UJ)
    now = replace(package(0), counter_uj=round(wrapped_j * 1e6) - 1)
    tally = counted(at(0, before), at(gap_s, now))
    assert tally.joules["package:package-0"] == pytest.approx(spent or 0.0)
    assert tally.covered_s == (gap_s if spent is not None else 0)


def test_after_a_gap_counting_goes_on_in_the_same_epoch() -> None:
    tally = counted(at(0, gpu(100)), at(1, gpu(100)), at(100, gpu(100)), at(101, gpu(100)))
    assert (tally.epoch, tally.covered_s, tally.joules) == ("e0", 2, {"gpu:card0": 200})


def test_a_device_that_is_gone_keeps_what_it_had_counted() -> None:
    tally = counted(at(0, gpu(100), package(0)), at(1, gpu(100), package(5)), at(2, package(9)), at(3, package(10)))
    assert tally.joules == {"gpu:card0": 100, "package:package-0": 6}
    assert tally.covered_s == 2


STEPPED = replace(at(2, gpu(1)), moment=replace(at(2).moment, epoch_s=START.epoch_s - 3600))


@pytest.mark.parametrize(
    "other",
    [at(2, gpu(1), boot="b2"), at(-500, gpu(1), boot="b2"), at(2, gpu(1), whole=True), STEPPED],
    ids=["another boot", "earlier in another boot", "the whole machine", "the clock was set back"],
)
def test_counting_begins_anew_where_it_cannot_go_on(other: Sample) -> None:
    tally = counted(at(0, gpu(1)), at(1, gpu(1)), other)
    assert (tally.epoch, tally.covered_s, tally.joules) == ("e2", 0, {"gpu:card0": 0})


def test_the_message_tells_when_the_last_count_was() -> None:
    told = meter.message(counted(at(0, gpu(50)), at(1.5, gpu(50))))
    assert told == protocol.Meter(
        epoch="e0", at="2026-01-01T00:00:01.500Z", joules={"gpu:card0": 75}, covered_s=1.5, whole=False
    )


def test_the_power_of_all_instruments_is_shown_only_where_each_shows_one() -> None:
    first, second = at(0, gpu(100), package(0)), at(2, gpu(120), package(60))
    assert meter.power_w(first, second) == 150
    assert meter.power_w(None, second) is None
    assert meter.power_w(None, at(0, gpu(100))) == 100
    assert meter.power_w(replace(first, moment=replace(first.moment, boot_id="b0")), second) is None


@st.composite
def histories(draw: st.DrawFn) -> list[Sample]:
    """Samples as a machine might give them: with gaps, sleeps, boots, steps of the clock and silent devices; doubled,
    and out of order."""
    steps = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0, 14.0, 40.0, 400.0, -3.0]), max_size=25))
    samples: list[Sample] = []
    counter_uj = slept_s = 0.0
    boot = 0
    for seconds in accumulate(steps):
        counter_uj = draw(st.sampled_from([counter_uj + 5e7, counter_uj + 9e8, counter_uj, 0.0]))
        slept_s += draw(st.sampled_from([0.0, 0.0, 0.0, 30.0]))
        boot += draw(st.sampled_from([0, 0, 0, 0, 1]))
        heard = draw(st.sampled_from([(gpu(300.0), True), (gpu(0.0), True), (gpu(80.0), False), (None, True)]))
        device = () if heard[0] is None else (heard[0],)
        cpu = (replace(package(0), counter_uj=round(counter_uj)),) if heard[1] else ()
        whole = draw(st.sampled_from([False, False, False, True]))
        samples.append(at(seconds, *device, *cpu, slept_s=slept_s, boot=f"b{boot}", whole=whole))
    return samples


def tallies(samples: list[Sample]) -> list[Tally | None]:
    found: list[Tally | None] = [None]
    for number, sample in enumerate(samples):
        found.append(advance(found[-1], sample, f"e{number}"))
    return found


@given(histories())
def test_nothing_falls_within_an_epoch_and_no_more_time_is_covered_than_went_by(samples: list[Sample]) -> None:
    for before, now in pairwise(tallies(samples)):
        if before is None or now is None or before.epoch != now.epoch:
            continue
        assert all(now.joules[name] >= joules for name, joules in before.joules.items())
        gap_s = now.last.moment.boottime_s - before.last.moment.boottime_s
        assert 0 <= now.covered_s - before.covered_s <= gap_s + 1e-9


@given(histories(), st.data())
def test_it_does_not_matter_how_many_samplers_took_turns_nor_whether_a_sample_came_twice(
    samples: list[Sample], data: st.DataObject
) -> None:
    alone = tallies(samples)[-1]
    tally: Tally | None = None
    for number, sample in enumerate(samples):
        if tally is not None and data.draw(st.booleans()):
            tally = protocol.from_json(Tally, json.loads(json.dumps(protocol.to_json(tally))))
        tally = advance(tally, sample, f"e{number}")
        if data.draw(st.booleans()):
            assert advance(tally, sample, "twice") == tally
    assert tally == alone
