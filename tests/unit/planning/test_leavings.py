"""What attempts that are over left on their runners, and where the next one goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.domain.actions import Assign, Clear, Forget
from orchestrator.domain.reasons import MEANINGS, EndReason
from orchestrator.domain.runner import Power
from orchestrator.planning.explain import explain
from orchestrator.planning.plan import plan
from orchestrator.planning.policy import Policy
from tests.unit.planning.builders import NOW, attempt, episode, fleet, runner, status

ROWS: dict[str, tuple[dict[str, Any], object]] = {
    "it runs on": ({"status": status("running")}, Clear(attempt_id="e1-a1", act="cancel")),
    "it is being stopped": ({"status": status("running"), "requested": frozenset({"cancel"})}, None),
    "it was never confirmed": ({}, Clear(attempt_id="e1-a1", act="cancel")),
    "its fence is too low to start": ({"finished": frozenset({"cancel"}), "requested": frozenset({"cancel"})}, Forget),
    "it will never start": ({"status": status("cancelled")}, Clear(attempt_id="e1-a1", act="acknowledge")),
    "it has ended": ({"status": status("exited")}, Clear(attempt_id="e1-a1", act="salvage")),
    "it is dead": ({"status": status("dead")}, Clear(attempt_id="e1-a1", act="salvage")),
    "it is being pulled": ({"status": status("dead"), "requested": frozenset({"salvage"})}, None),
    "it is here already": ({"status": status("exited"), "requested": frozenset({"acknowledge"})}, None),
    "it is gone": ({"status": status("running"), "gone": True}, Forget),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_what_is_left_is_stopped_then_kept_then_deleted(row: tuple[dict[str, Any], object]) -> None:
    known, expected = row
    (action,) = plan(fleet(attempts=(attempt(ended=EndReason.RUNNER_LOST, **known),)), Policy(), NOW) or (None,)
    assert (type(action) if expected is Forget else action) == expected


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_runner_that_does_not_answer_is_left_in_peace(row: tuple[dict[str, Any], object]) -> None:
    left = attempt(ended=EndReason.RUNNER_LOST, **row[0])
    away = runner(power=Power.UNREACHABLE)
    assert plan(fleet(runners=(away,), attempts=(left,)), Policy(), NOW) == ()


def test_nothing_is_placed_beside_an_attempt_that_nobody_wants_and_that_may_still_run() -> None:
    stale = attempt("e0", ended=EndReason.RUNNER_LOST, status=status("running", "e0"))
    state = fleet(runners=(runner(agent_slots=4),), episodes=(episode(),), attempts=(stale,))
    assert not [action for action in plan(state, Policy(), NOW) if isinstance(action, Assign)]
    assert "may still run attempt e0-a1" in " ".join(explain(state, episode(), NOW))


def test_a_retry_goes_elsewhere_while_another_runner_fits_even_if_that_one_is_busy() -> None:
    waiting = episode(avoids=frozenset({"a"}))
    both = fleet(runners=(runner("a"), runner("b")), episodes=(waiting,))
    assert plan(both, Policy(), NOW) == (Assign(episode_id="e1", runner="b"),)
    busy = fleet(runners=(runner("a"), runner("b")), episodes=(waiting, episode("e0", phase="RUNNING", runner="b")))
    assert not [action for action in plan(busy, Policy(), NOW) if isinstance(action, Assign)]
    assert "a is avoided: an attempt of this episode failed there" in " ".join(explain(busy, waiting, NOW))


def test_a_retry_comes_back_where_no_other_runner_fits() -> None:
    waiting = episode(avoids=frozenset({"a"}))
    alone = fleet(runners=(runner("a"), runner("b", power=Power.UNREACHABLE)), episodes=(waiting,))
    assert plan(alone, Policy(), NOW) == (Assign(episode_id="e1", runner="a"),)


@pytest.mark.parametrize("reason", [reason for reason in EndReason if MEANINGS[reason].retry])
def test_each_pause_grows_and_is_bounded(reason: EndReason) -> None:
    retry = MEANINGS[reason].retry
    assert retry is not None
    pauses = [retry.pause_s(failed) for failed in range(1, 200)]
    assert pauses == sorted(pauses)
    assert timedelta(seconds=pauses[-1]) <= timedelta(hours=1)
