"""How long a wake may take is learned from the machine's own wakes."""

from __future__ import annotations

import random

import pytest

from orchestrator.domain.wake import SleepKind, WakeStage
from orchestrator.planning.deadlines import ALPHA, BOUNDS, SLACK, deadline_s, expected_s
from tests.unit.planning.sleepers import NOW, failed, seconds, woke

SUSPEND, OFF = SleepKind.SUSPEND, SleepKind.POWER_OFF
ENOUGH = 19


def history(*took_s: float, slept: SleepKind = SUSPEND) -> list[object]:
    return [woke(one, ended=NOW + seconds(n), slept=slept) for n, one in enumerate(took_s)]


def test_a_machine_that_is_not_known_well_gets_the_ceiling() -> None:
    assert deadline_s([], SUSPEND) == BOUNDS[SUSPEND].ceiling_s
    assert deadline_s(history(*[30] * (ENOUGH - 1)), SUSPEND) == BOUNDS[SUSPEND].ceiling_s


def test_with_enough_wakes_it_is_the_longest_of_them_and_some_slack() -> None:
    assert deadline_s(history(*[30] * (ENOUGH - 1), 40), SUSPEND) == 40 * SLACK


def test_floor_and_ceiling_hold_whatever_was_learned() -> None:
    assert deadline_s(history(*[1] * ENOUGH), SUSPEND) == BOUNDS[SUSPEND].floor_s
    assert deadline_s(history(*[1000] * ENOUGH), SUSPEND) == BOUNDS[SUSPEND].ceiling_s


def test_suspend_and_power_off_are_learned_apart() -> None:
    mixed = [*history(*[30] * ENOUGH), *history(*[200] * ENOUGH, slept=OFF)]
    assert deadline_s(mixed, SUSPEND) == 30 * SLACK
    assert deadline_s(mixed, OFF) == 200 * SLACK
    assert expected_s(mixed, OFF) == 200


@pytest.mark.parametrize(("waking", "factor"), [(1, 1), (10, 1), (11, 2), (20, 2), (21, 4), (200, 4)])
def test_many_machines_that_wake_at_once_get_more_time(waking: int, factor: int) -> None:
    known = history(*[40] * ENOUGH)
    assert deadline_s(known, SUSPEND, waking=waking) == deadline_s(known, SUSPEND) * factor


def test_each_failure_in_a_row_buys_more_time() -> None:
    known = history(*[40] * ENOUGH)
    assert deadline_s(known, SUSPEND) < deadline_s(known, SUSPEND, failures=1) < deadline_s(known, SUSPEND, failures=2)


def test_a_wake_that_ran_out_of_time_after_a_sign_of_life_counts_as_endless() -> None:
    known = history(*[30] * ENOUGH)
    assert deadline_s([*known, failed(WakeStage.TCP)], SUSPEND) == BOUNDS[SUSPEND].ceiling_s
    assert deadline_s([*known, failed(WakeStage.LINK)], SUSPEND) == deadline_s(known, SUSPEND)


def test_what_was_long_ago_is_forgotten() -> None:
    slow_once = history(*[170] * 30, *[25] * 64)
    assert deadline_s(slow_once, SUSPEND) == 25 * SLACK


def test_nothing_is_expected_of_a_machine_that_was_never_seen_to_wake() -> None:
    assert expected_s([failed()], SUSPEND) is None
    assert expected_s(history(60, 70, 65), SUSPEND) == 65


def test_at_most_one_in_twenty_wakes_is_later_than_the_bound_without_slack() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    trials, late = 400, 0
    for _ in range(trials):
        took = [30 * dice.lognormvariate(0, 0.4) for _ in range(40)]
        late += took[-1] > deadline_s(history(*took[:-1]), SUSPEND) / SLACK > BOUNDS[SUSPEND].floor_s
    # Four standard errors above the promise.
    assert late / trials <= ALPHA + 4 * (ALPHA * (1 - ALPHA) / trials) ** 0.5
