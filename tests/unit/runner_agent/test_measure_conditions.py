"""Which rounds are no measurement, and what held over the rest."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent.measure.conditions import BOUNDS, Discard, Spread, Window, epoch_s, judge
from runner_agent.measure.throttle import AMDGPU, EFFECTS, NVIDIA, of_amdgpu, of_nvidia

START_S = 1_700_000_000.0
BASE = Window(round=1, side="baseline", start_s=START_S, end_s=START_S + 9.5)
CANDIDATE = Window(round=1, side="candidate", start_s=START_S + 10, end_s=START_S + 19.5)


def at(second: float) -> str:
    from runner_agent.clock import iso

    return iso(START_S + second)


def samples(count: int = 20, **gpu: Any) -> list[dict[str, Any]]:
    device = {"device": "card0", "sm_mhz": 2500.0, "power_w": 300.0, "temperature_c": 70.0, "busy_percent": 99, **gpu}
    return [{"at": at(n), "sources": ["amdgpu"], "gpus": [dict(device)], "load_1m": 1.0} for n in range(count)]


def throttled(rows: list[dict[str, Any]], seconds: range, *reasons: str) -> list[dict[str, Any]]:
    for n, row in enumerate(rows):
        row["gpus"][0]["throttle"] = list(reasons) if n in seconds else []
    return rows


def test_a_round_that_was_throttled_is_discarded_with_the_reason() -> None:
    rows = throttled(samples(), range(12, 15), "thermal", "power")
    found = judge(rows, [BASE, CANDIDATE])
    assert found.discarded == (Discard(round=1, side="candidate", why="throttled in 3 of 10 samples (thermal)"),)
    assert found.void_rounds == {1}
    assert (found.throttled_s, found.limited_s, found.reasons) == (3.0, 3.0, {"power": 3.0, "thermal": 3.0})


@pytest.mark.parametrize(("reason", "effect"), EFFECTS.items())
def test_only_what_passes_again_discards_a_round(reason: str, effect: str) -> None:
    found = judge(throttled(samples(), range(20), reason), [BASE, CANDIDATE])
    assert bool(found.discarded) == (effect == "throttled")
    assert found.limited_s == (20.0 if effect == "limited" else 0.0)


@pytest.mark.parametrize(("hits", "discarded"), [(1, False), (2, True)], ids=["5 %", "10 %"])
def test_up_to_a_twentieth_of_a_round_may_be_throttled(hits: int, discarded: bool) -> None:
    window = Window(round=1, side="candidate", start_s=START_S, end_s=START_S + 19.5)
    assert bool(judge(throttled(samples(), range(hits), "thermal"), [window]).discarded) == discarded


def test_a_device_that_does_not_tell_is_judged_by_its_clock() -> None:
    rows = samples()
    for row in rows[10:]:
        row["gpus"][0]["sm_mhz"] = 1800.0
    (discard,) = judge(rows, [BASE, CANDIDATE]).discarded
    assert discard == Discard(round=1, side="candidate", why="its clock was at 1800 MHz, another round's at 2500")
    assert judge(rows, [BASE, CANDIDATE]).throttled_s is None


@pytest.mark.parametrize(("seconds", "discarded"), [(3.5, False), (4.5, True)], ids=["4 samples", "5 samples"])
def test_a_clock_seen_a_few_times_only_discards_nothing(seconds: float, discarded: bool) -> None:
    rows = samples()
    for row in rows[10:]:
        row["gpus"][0]["sm_mhz"] = 500.0
    short = Window(round=2, side="candidate", start_s=START_S + 10, end_s=START_S + 10 + seconds)
    assert bool(judge(rows, [BASE, short]).discarded) == discarded


def test_a_device_that_tells_that_it_does_not_throttle_may_clock_as_it_likes() -> None:
    rows = throttled(samples(), range(0))
    for row in rows[10:]:
        row["gpus"][0]["sm_mhz"] = 1800.0
    found = judge(rows, [BASE, CANDIDATE])
    assert found.discarded == ()
    assert found.sm_mhz == Spread(least=1800.0, median=2150.0, most=2500.0)


def test_another_process_at_work_discards_the_round_and_one_that_sits_there_is_named() -> None:
    rows = samples()
    rows[4]["tenants"] = [{"pid": 80, "name": "Xorg", "gpu_share": 0.001}, {"pid": 9, "name": "dcgm"}]
    rows[14]["tenants"] = [{"pid": 81, "name": "trainer", "gpu_share": 0.4}]
    found = judge(rows, [BASE, CANDIDATE])
    why = "process 81 trainer used the GPU meanwhile, 40 % of the time"
    assert found.discarded == (Discard(round=1, side="candidate", why=why),)
    assert found.tenants == ("80 Xorg", "9 dcgm", "81 trainer")


def test_what_lies_between_the_rounds_counts_for_neither() -> None:
    rows = throttled(samples(30), range(20, 30), "thermal")
    found = judge(rows, [BASE, CANDIDATE])
    assert (found.samples, found.throttled_s, found.discarded) == (20, 0.0, ())


def test_of_several_devices_the_busiest_is_the_one_that_was_measured() -> None:
    rows = samples()
    for row in rows:
        row["gpus"].insert(0, {"device": "card1", "sm_mhz": 300.0, "busy_percent": 0, "throttle": ["thermal"]})
    found = judge(rows, [BASE, CANDIDATE])
    assert (found.device, found.throttled_s, found.discarded) == ("card0", None, ())
    assert found.sm_mhz == Spread(least=2500.0, median=2500.0, most=2500.0)


def test_what_was_not_told_is_absent_and_not_zero() -> None:
    found = judge([{"at": at(1), "load_1m": 0.5}], [BASE, CANDIDATE])
    assert (found.samples, found.unseen) == (1, 1)
    assert (found.device, found.sm_mhz, found.power_w, found.throttled_s, found.reasons) == (None,) * 5
    assert found.load_1m == Spread(least=0.5, median=0.5, most=0.5)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"at": 3},
        {"at": "yesterday"},
        {"at": at(1), "gpus": "none"},
        {"at": at(1), "gpus": [3, {"sm_mhz": True, "power_w": float("nan"), "throttle": "thermal"}]},
        {"at": at(1), "tenants": [{"gpu_share": "all"}], "sources": [1]},
    ],
)
def test_garbled_samples_never_raise_and_discard_nothing(row: dict[str, Any]) -> None:
    found = judge([row], [BASE])
    assert (found.discarded, found.power_w, found.sm_mhz) == ((), None, None)


WHATEVER = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(at(1)) | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["at", "gpus", "device", "sm_mhz", "throttle", "tenants", "gpu_share", "pid", "load_1m"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(
    st.lists(st.dictionaries(st.sampled_from(["at", "gpus", "tenants", "sources", "load_1m"]), WHATEVER), max_size=5)
)
def test_whatever_stands_in_the_samples_is_answered_in_finite_numbers(rows: list[dict[str, Any]]) -> None:
    found = judge([{"at": at(1), **row} for row in rows], [BASE, CANDIDATE])
    json.dumps(asdict(found), allow_nan=False)


def test_nothing_sampled_is_an_answer_too() -> None:
    assert judge([], []).samples == 0
    assert judge([], [BASE]).unseen == 1


def test_times_are_read_with_and_without_a_zone() -> None:
    assert epoch_s("1970-01-01T00:00:01.500Z") == 1.5
    assert epoch_s("1970-01-01T01:00:00+01:00") == 0.0
    assert epoch_s("1970-01-01T00:00:02") == 2.0
    assert (epoch_s("soon"), epoch_s(None)) == (None, None)


def test_each_reason_that_a_driver_can_tell_has_an_effect() -> None:
    assert {*NVIDIA.values(), *(name for _, _, name in AMDGPU), "other"} <= set(EFFECTS)


def test_masks_are_read_bit_by_bit() -> None:
    assert of_nvidia(0) == ()
    assert of_nvidia(1 << 2 | 1 << 6 | 1 << 20) == ("power", "thermal-hardware", "other")
    assert of_amdgpu(0) == ()
    assert [of_amdgpu(1 << bit) for bit in (0, 15, 16, 31, 32, 43, 44, 46, 48, 63)] == [
        ("power",), ("power",), ("current",), ("current",), ("thermal",), ("thermal",),
        ("voltage-regulator-hot",), ("processor-hot",), ("other",), ("other",),
    ]  # fmt: skip


def test_the_page_on_conditions_has_the_tables_and_bounds_of_the_code() -> None:
    text = (Path(__file__).parents[3] / "docs/conditions.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    rows = [(name.strip("`"), effect, amd, nvidia) for name, effect, amd, nvidia in (r for r in cells if len(r) == 4)]
    assert [(name, effect) for name, effect, _, _ in rows] == list(EFFECTS.items())
    assert {(name, amd) for name, _, amd, _ in rows if amd} == {(name, f"{a} to {b}") for a, b, name in AMDGPU}
    assert {(name, nvidia) for name, _, _, nvidia in rows if nvidia.isdigit()} == {
        (name, str(bit)) for bit, name in NVIDIA.items()
    }
    for bound in (BOUNDS.throttled_share, BOUNDS.tenant_share, BOUNDS.clock_floor):
        assert f"{100 * bound:g} %" in text
    assert f"{BOUNDS.clock_samples} samples" in text
