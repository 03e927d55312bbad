"""What fails steps back, and says so once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.service.setbacks import Setbacks, pause

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 30), (2, 60), (3, 120), (6, 960), (7, 1800), (8, 1800), (10_000, 1800)]
)
def test_each_failure_in_a_row_makes_the_pause_longer_up_to_half_an_hour(failures: int, seconds: int) -> None:
    assert pause(failures) == seconds * SECOND


def test_it_waits_until_its_pause_is_over_and_no_other_does() -> None:
    setbacks = Setbacks()
    setbacks.failed("a", "torn", NOW)
    assert [setbacks.waits("a", NOW + seconds * SECOND) for seconds in (0, 29, 30)] == [True, True, False]
    assert not setbacks.waits("b", NOW)


def test_only_the_first_failure_in_a_row_and_a_new_reason_are_news() -> None:
    setbacks = Setbacks()
    assert [setbacks.failed("a", reason, NOW) for reason in ("torn", "torn", "lost", "lost")] == [
        True,
        False,
        True,
        False,
    ]
    setbacks.over("a")
    assert len(setbacks) == 0
    assert setbacks.failed("a", "lost", NOW)
    assert not setbacks.waits("a", NOW + 30 * SECOND)
