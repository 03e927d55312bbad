"""Whether a runner still is the machine that it was."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.measurement.drift import POLICY, Drift, Run, watch

START = datetime(2026, 11, 1, tzinfo=UTC)
# Fewer permutations than in earnest, at the alpha that goes with them: these histories leave no doubt.
QUICK = replace(POLICY, alpha=0.01, permutations=99)


def runs(values: Sequence[float]) -> list[Run]:
    return [Run(at=START + timedelta(hours=n), tok_s=value) for n, value in enumerate(values)]


def noise(count: int, level: float, seed: int, spread: float = 0.01) -> list[float]:
    chance = random.Random(seed)
    return [level * math.exp(chance.gauss(0, spread)) for _ in range(count)]


def seen(*parts: tuple[int, float], seed: int = 3) -> Drift:
    """A history of segments of (runs, tok/s)."""
    values = [value for n, (count, level) in enumerate(parts) for value in noise(count, level, seed + n)]
    return watch(runs(values), random.Random(1), QUICK)


def test_a_runner_that_became_slower_is_to_be_quarantined_with_the_evidence() -> None:
    found = seen((40, 50.0), (6, 46.0))
    (change,) = found.changes
    assert (change.first, change.at) == (40, START + timedelta(hours=40))
    assert change.change == pytest.approx(-0.08, abs=0.01)
    assert found.quarantine
    assert found.evidence.startswith("the known-good run fell from 49.89 to 46.13 tok/s (-7.5 %, ")
    assert "beyond the bound of 5 %), the last time at 2026-11-02T16:00:00Z by -" in found.evidence
    assert found.evidence.endswith("it stayed there over 6 of 46 runs")


def test_a_runner_that_became_faster_is_another_machine_too() -> None:
    found = seen((40, 50.0), (6, 55.0))
    assert found.quarantine
    assert " rose from 49.89 to 55.16 " in found.evidence


def test_a_change_within_the_bound_is_told_and_nobody_is_quarantined() -> None:
    found = seen((40, 50.0), (20, 48.5))
    assert len(found.changes) == 1
    assert not found.quarantine
    assert "within the bound" in found.evidence


def test_small_steps_add_up() -> None:
    found = seen((25, 50.0), (25, 48.4), (25, 46.8))
    assert [abs(change.change) < 0.05 for change in found.changes] == [True, True]
    assert found.quarantine


def test_a_runner_that_came_back_is_as_it_was() -> None:
    found = seen((30, 50.0), (15, 42.0), (15, 50.0))
    assert len(found.changes) == 2
    assert not found.quarantine
    assert abs(found.change or 1) < 0.01


def test_one_bad_run_or_two_are_no_change() -> None:
    values = noise(40, 50.0, 5)
    values[20] = 30.0
    values[-2:] = [44.0, 44.0]
    found = watch(runs(values), random.Random(1), QUICK)
    assert (found.changes, found.quarantine) == ((), False)


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_shows_no_change(seed: int) -> None:
    found = watch(runs(noise(120, 50.0, seed)), random.Random(seed))
    assert (found.changes, found.quarantine) == ((), False)
    assert found.evidence.endswith("over 120 runs, without a change")


def test_an_old_change_does_not_drown_a_new_one_in_a_long_history() -> None:
    found = seen((60, 100.0), (60, 50.0), (6, 46.0))
    assert [change.first for change in found.changes] == [60, 120]


def test_the_same_seed_says_the_same() -> None:
    history = runs([*noise(30, 50.0, 1), *noise(30, 49.0, 2)])
    assert watch(history, random.Random(4), QUICK) == watch(history, random.Random(4), QUICK)


def test_a_history_without_any_spread_is_read_too() -> None:
    assert watch(runs([50.0] * 20), random.Random(1), QUICK).changes == ()
    (change,) = watch(runs([50.0] * 20 + [40.0] * 10), random.Random(1), QUICK).changes
    assert change.first == 20


@pytest.mark.parametrize("values", [[], [50.0], [50.0, 40.0, 50.0, 40.0, 50.0]])
def test_a_short_history_shows_nothing(values: list[float]) -> None:
    found = watch(runs(values), random.Random(1))
    assert (found.runs, found.changes, found.quarantine) == (len(values), (), False)
    assert found.evidence


def test_runs_without_a_usable_throughput_are_passed_over() -> None:
    values = [50.0, math.nan, 0.0, -1.0, math.inf, 50.0]
    assert watch(runs(values), random.Random(1)).runs == 2
