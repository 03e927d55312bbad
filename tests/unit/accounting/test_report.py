"""What was spent, on what, and what a signal cost."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.accounting.report import CostReport, Entry, Wasted, report
from orchestrator.domain.reasons import MEANINGS, EndReason

GPU = Entry(
    group="claude", phase="gpu", kind="hardware", label="configured", ended="completed", purpose="episode", usd=4.0
)
LOST = replace(GPU, ended="runner-lost", usd=2.0)
IDLE = Entry(group="", phase="idle", kind="idle", label="configured", usd=1.0)


def told(*entries: Entry, signals: int = 2) -> CostReport:
    return report(entries, by="agent", signals=signals, group_signals={"claude": signals} if signals else {})


def test_a_signal_costs_all_that_was_spent_over_the_valid_signals_waste_and_idle_machines_with_it() -> None:
    found = told(GPU, LOST, IDLE)
    assert (found.usd, found.signals, found.usd_per_signal) == (7.0, 2, 3.5)
    assert found.says == "A signal cost 3.5000 USD: 7.0000 USD over 2 signals."
    assert told(GPU, signals=1).says == "A signal cost 4.0000 USD: 4.0000 USD over 1 signal."


def test_without_a_signal_there_is_no_price_of_one_and_a_sentence_says_what_was_spent() -> None:
    found = told(LOST, signals=0)
    assert found.usd_per_signal is None
    assert found.groups[0].usd_per_signal is None
    assert found.says == "No price per signal: 2.0000 USD were spent, and no episode gave a signal."
    assert told(signals=0).says == "Nothing was spent, and no episode gave a signal."


def test_what_ended_without_a_signal_is_waste_with_its_reason_the_dearest_first() -> None:
    failed = Entry(group="", phase="failed-wake", kind="wake", label="estimated", reason="wake-failed", usd=3.0)
    silent = replace(GPU, ended="marker-missing", usd=0.5)
    assert told(GPU, LOST, failed, silent, IDLE).waste == (
        Wasted(reason="wake-failed", usd=3.0, says="The machine was woken, and did not get ready."),
        Wasted(reason="runner-lost", usd=2.0, says=MEANINGS[EndReason.RUNNER_LOST].says),
        Wasted(reason="marker-missing", usd=0.5, says=MEANINGS[EndReason.MARKER_MISSING].says),
    )


@pytest.mark.parametrize("reason", list(EndReason))
def test_whether_an_attempt_is_waste_is_what_the_table_of_reasons_says(reason: EndReason) -> None:
    went = told(replace(GPU, ended=str(reason))).went
    assert went["signals" if MEANINGS[reason].signal else "waste"] == GPU.usd


def test_a_wakes_share_of_an_episode_that_gave_no_signal_is_waste_too() -> None:
    share = replace(LOST, phase="wake", kind="wake", usd=0.25)
    assert told(share).went["waste"] == 0.25


def test_a_reason_of_another_version_is_waste_and_said_to_be_unknown() -> None:
    (wasted,) = told(replace(GPU, ended="eaten-by-mice")).waste
    assert (wasted.reason, wasted.says) == ("eaten-by-mice", "A reason that this version does not know.")


def test_preflights_and_canaries_that_passed_are_overhead_and_those_that_did_not_are_waste() -> None:
    preflight, canary = (replace(GPU, purpose=purpose, usd=1.5) for purpose in ("preflight", "canary"))
    found = told(preflight, canary, replace(canary, ended="base-failed", usd=0.5))
    assert found.overhead == {"preflight": 1.5, "canary": 1.5}
    assert (found.went["overhead"], found.went["waste"]) == (3.0, 0.5)


def test_what_nobody_held_is_idle_and_no_waste_and_what_goes_on_is_neither() -> None:
    wake_for_nobody = replace(IDLE, phase="wake", kind="wake", usd=0.5)
    found = told(IDLE, wake_for_nobody, replace(GPU, ended="", usd=2.0))
    assert found.went == {"signals": 0, "unfinished": 2.0, "waste": 0, "overhead": 0, "idle": 1.5}
    assert found.waste == ()


def test_it_is_listed_by_group_with_what_no_episode_is_charged_with_last() -> None:
    other = replace(GPU, group="aider", label="measured", kind="tokens", usd=3.0)
    found = report([IDLE, GPU, LOST, other], by="agent", signals=2, group_signals={"claude": 1, "codex": 1})
    assert [
        (group.name, group.usd, group.signals, group.usd_per_signal, group.waste_usd) for group in found.groups
    ] == [
        ("aider", 3.0, 0, None, 0),
        ("claude", 6.0, 1, 6.0, 2.0),
        ("codex", 0, 1, 0, 0),
        ("", 1.0, 0, None, 0),
    ]
    assert found.groups[0].kinds == {"tokens": 3.0}
    assert found.groups[0].labels == {"measured": 3.0}


def test_of_a_phase_the_price_is_its_part_of_that_of_any_signal() -> None:
    by_phase = [replace(entry, group=entry.phase) for entry in (GPU, IDLE)]
    found = report(by_phase, by="phase", signals=2, group_signals={"": 2})
    assert [(group.name, group.signals, group.usd_per_signal) for group in found.groups] == [
        ("gpu", 0, 2.0),
        ("idle", 0, 0.5),
    ]


entries = st.builds(
    Entry,
    group=st.sampled_from(("", "claude", "aider")),
    phase=st.sampled_from(("gpu", "build", "session", "idle", "wake", "tokens")),
    kind=st.sampled_from(("hardware", "energy", "idle", "wake", "tokens")),
    label=st.sampled_from(("measured", "estimated", "configured")),
    reason=st.sampled_from(("", "", "wake-failed")),
    ended=st.sampled_from(("", *map(str, EndReason), "eaten-by-mice")),
    purpose=st.sampled_from(("", "episode", "preflight", "canary")),
    usd=st.floats(0, 1e6),
    joules=st.floats(0, 1e9),
    seconds=st.floats(0, 1e6),
)


@settings(max_examples=80)
@given(known=st.lists(entries, max_size=12), signals=st.integers(0, 9), data=st.data())
def test_each_way_of_splitting_it_sums_to_the_whole_in_whatever_order_it_is_told(
    known: list[Entry], signals: int, data: st.DataObject
) -> None:
    found = report(known, by="agent", signals=signals, group_signals={"claude": signals})
    usd = math.fsum(entry.usd for entry in known)
    splits = [
        found.labels.values(),
        found.went.values(),
        [part.usd for part in found.parts],
        [phase.usd for phase in found.phases],
        [group.usd for group in found.groups],
    ]
    assert [math.fsum(split) for split in splits] == [pytest.approx(usd)] * len(splits)
    for group in found.groups:
        assert math.fsum(group.kinds.values()) == pytest.approx(group.usd)
        assert math.fsum(group.labels.values()) == pytest.approx(group.usd)
        assert group.waste_usd <= group.usd
    for phase in found.phases:
        assert math.fsum(phase.labels.values()) == pytest.approx(phase.usd)
    assert math.fsum(wasted.usd for wasted in found.waste) == pytest.approx(found.went["waste"])
    assert math.fsum(group.waste_usd for group in found.groups) == pytest.approx(found.went["waste"])
    assert math.fsum(found.overhead.values()) == pytest.approx(found.went["overhead"])
    for what in ("joules", "seconds"):
        whole = getattr(found, what)
        assert math.fsum(getattr(part, what) for part in found.parts) == pytest.approx(whole)
        assert math.fsum(getattr(phase, what) for phase in found.phases) == pytest.approx(whole)
    shuffled = data.draw(st.permutations(known))
    assert report(shuffled, by="agent", signals=signals, group_signals={"claude": signals}) == found
