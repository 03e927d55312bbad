"""What the pipeline benchmark reads out of spans and journals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.pipelines import figures
from tests.bench.pipelines.figures import BadRun, Line, Span, percentile, steady
from tests.bench.pipelines.matins import journal
from tests.bench.pipelines.plan import Shape, episodes

HOLD_S = 8.0


def line(began_s: float, *holds_s: float, each_s: float = HOLD_S, ready_s: float | None = None) -> Line:
    """An episode that holds the GPU from each of `holds_s` on for `each_s`."""
    holds = tuple(Span(began_s=at, ended_s=at + each_s) for at in holds_s)
    return Line(
        name="e",
        began_s=began_s - 1,
        turn_s=began_s,
        ready_s=holds_s[0] if ready_s is None else ready_s,
        ended_s=holds[-1].ended_s + 1,
        holds=holds,
        cargo_s=2.0,
        waited_s=20.0,
    )


def test_phases_one_after_another_keep_the_gpu_busy_for_their_share_of_the_cycle() -> None:
    found = steady([line(40.0 * number, 40.0 * number + 30) for number in range(5)], slots=1)

    assert found.busy == pytest.approx(HOLD_S / 40)
    assert found.idle_s == pytest.approx((32.0, 32.0, 32.0))
    assert found.signals_per_day(45) == pytest.approx(86_400 / 40 / 45)


def test_neither_the_filling_nor_the_draining_of_the_pipeline_counts() -> None:
    # Two slots: full from 1 s on. The last episode begins at 39 s; what comes after it has no work queued behind it.
    begun = (0.0, 1.0, 18.0, 28.5, 39.0)
    held = (10.0, 19.0, 28.0, 37.0, 90.0)
    found = steady([line(at, hold) for at, hold in zip(begun, held, strict=True)], slots=2)

    assert found.seconds == pytest.approx(27.0)
    assert found.signals == 3
    assert found.busy == pytest.approx(HOLD_S / 9)


def test_both_sides_of_a_measurement_are_one_hand_over() -> None:
    lines = [line(0.0, 10 * number, 10 * number + 4.5, each_s=4.0) for number in range(1, 5)]
    found = steady([*lines, line(45.0, 50, 54.5, each_s=4.0)], slots=4)

    assert found.idle_s == pytest.approx((1.5, 1.5, 1.5))
    assert found.busy == pytest.approx(0.8)


def test_a_gap_with_nobody_ready_is_told_apart() -> None:
    lines = [line(0.0, 10), line(1.0, 19, ready_s=12), line(2.0, 40, ready_s=39), line(45.0, 60)]

    assert steady(lines, slots=1).starved == 1


def test_a_gpu_that_two_held_at_once_shows_nothing() -> None:
    with pytest.raises(BadRun, match="at once"):
        steady([line(0.0, 10), line(1.0, 12), line(40.0, 50)], slots=1)


def test_a_run_that_never_filled_the_pipeline_shows_nothing() -> None:
    with pytest.raises(BadRun, match="no steady state"):
        steady([line(0.0, 10), line(1.0, 20), line(2.0, 30)], slots=3)


def test_an_episode_is_read_from_what_its_scripts_said() -> None:
    phases = ("sync", "agent", "build", "lint", "gpu", "pull")
    said = "".join(f"[SPAN] name={name} began={at}.25 ended={at}.75\n" for at, name in enumerate(phases))
    found = figures.read("e01", f"   Compiling part_00\n{said}")

    assert (found.began_s, found.turn_s, found.ready_s, found.ended_s) == (0.25, 1.25, 3.75, 5.75)
    assert found.holds == (Span(began_s=4.25, ended_s=4.75),)
    assert (found.cargo_s, found.waited_s) == (1.0, 2.0)


def test_an_episode_that_never_came_to_the_gpu_is_no_result() -> None:
    with pytest.raises(BadRun, match="e01 has no agent, build, gpu, lint, pull"):
        figures.read("e01", "[SPAN] name=sync began=1.5 ended=2.5\n")


def event(at_s: float, name: str, **data: Any) -> dict[str, Any]:
    return {"at": f"2026-01-01T00:00:{at_s:06.3f}+00:00", "event": name, **data}


def test_the_gap_at_the_gate_counts_only_where_somebody_stood_there() -> None:
    def attempt(taken_s: float, waited_s: float) -> list[dict[str, Any]]:
        return [
            event(0, "attempt-started"),
            event(taken_s, "gate-waited", gate="gpu", seconds=waited_s),
            event(taken_s + 8, "gate-released", gate="gpu", held_s=8),
            event(59, "attempt-ended"),
        ]

    # The second stood there for 3 s and got the gate 0.1 s after the first let it go; the third came 4 s too late.
    attempts = [attempt(10, 0), attempt(18.1, 3), attempt(30.1, 0)]
    found = journal(attempts, [line(0.0, 10, ready_s=9)] * 3)

    assert found.gaps_s == pytest.approx((0.1,))
    assert found.overhead_s == pytest.approx((59 - 22, 59 - 25, 59 - 22))


def test_the_builds_gate_is_not_the_gpus() -> None:
    waits = [event(5, "gate-waited", gate="build", seconds=4), event(6, "gate-released", gate="build", held_s=1)]
    both = [event(0, "attempt-started"), *waits, event(50, "attempt-ended")]

    found = journal([both], [line(0.0, 10)])

    assert found.gaps_s == ()
    assert found.overhead_s == pytest.approx((50 - 4 - 22,))


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.95, 4.0), (0.25, 1.0)])
def test_a_percentile_is_a_value_that_was_there(share: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value


def test_the_same_seed_gives_the_same_episodes_and_each_four_take_as_long_as_any_four() -> None:
    shape = Shape(scale=45)
    drawn = episodes(20, 7, shape, ("part_04", "part_05"))

    assert drawn == episodes(20, 7, shape, ("part_04", "part_05"))
    assert drawn != episodes(20, 8, shape, ("part_04", "part_05"))
    assert {round(sum(each.turn_s for each in drawn[at : at + 4]), 2) for at in range(0, 20, 4)} == {64.0}
