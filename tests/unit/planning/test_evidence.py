"""The evidence for a retry, row by row: proof ends an attempt, silence never does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.actions import BeginCollect, EndCancelled, GiveUp, Retry, SendChecks
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Power
from orchestrator.planning.evidence import PROOF, TABLE, Decision, Fact, decide, examine
from orchestrator.planning.explain import explain
from orchestrator.planning.plan import plan
from orchestrator.planning.policy import Policy
from tests.unit.planning.builders import NOW, attempt, fleet, runner, started, status

AWAY = runner(power=Power.UNREACHABLE, detail="no answer in 20 s")
RUNNING, DEAD = status("running", boot_id="boot-1"), status("dead", boot_id="boot-1")
LATER = NOW + timedelta(seconds=10)


def lost(reason: EndReason) -> Any:
    return lambda action: isinstance(action, Retry) and action.reason is reason


def waits(action: object) -> bool:
    return action is None


def is_a(kind: type) -> Any:
    return lambda action: isinstance(action, kind)


EXITED, GRADABLE = status("exited"), status("exited", gradable=True)
SENT, OVER = frozenset({"checks"}), frozenset({"checks"})
ROWS: dict[str, tuple[dict[str, Any], bool, Any]] = {
    "an act found it lost": ({"failure": EndReason.LAUNCH_REFUSED, "status": RUNNING}, False, is_a(Retry)),
    "an operator said so": ({"failure": EndReason.RUNNER_LOST, "status": RUNNING}, False, lost(EndReason.RUNNER_LOST)),
    "an exit record": ({"status": EXITED}, False, is_a(BeginCollect)),
    "an exit record, and nobody wants it": ({"status": GRADABLE}, True, is_a(BeginCollect)),
    "an exit record from before a reboot": (
        {"status": status("exited", boot_id="boot-1"), "reported_boot_id": "boot-2"},
        False,
        is_a(BeginCollect),
    ),
    "ended ungraded, and the tree is kept": ({"status": GRADABLE}, False, is_a(SendChecks)),
    "ended ungraded, and the checks are on their way": ({"status": GRADABLE, "requested": SENT}, False, waits),
    "ended ungraded, and the checks were refused": (
        {"status": GRADABLE, "requested": SENT, "finished": OVER},
        False,
        is_a(BeginCollect),
    ),
    "a tombstone": ({"status": status("cancelled")}, True, is_a(EndCancelled)),
    "a tombstone that nobody asked for": ({"status": status("cancelled")}, False, lost(EndReason.RUNNER_FAULT)),
    "another boot": ({"status": RUNNING, "reported_boot_id": "boot-2"}, False, lost(EndReason.RUNNER_LOST)),
    "another boot, and dead": ({"status": DEAD, "reported_boot_id": "boot-2"}, False, lost(EndReason.RUNNER_LOST)),
    "the same boot, and dead": ({"status": DEAD, "reported_boot_id": "boot-1"}, False, lost(EndReason.SUPERVISOR_DIED)),
    "the same boot, and gone": (
        {"status": RUNNING, "reported_boot_id": "boot-1", "gone": True},
        False,
        lost(EndReason.ATTEMPT_LOST),
    ),
    "gone, but never seen": ({"gone": True, "reported_boot_id": "boot-1"}, False, waits),
    "a boot that the runner did not name": ({"status": status("running"), "reported_boot_id": "b"}, False, waits),
    "it waits for its checks": ({"status": status("awaiting-checks")}, False, is_a(SendChecks)),
    "it waits for its checks, which were sent": (
        {"status": status("awaiting-checks"), "requested": SENT},
        False,
        waits,
    ),
    "it runs": ({"status": RUNNING, "reported_boot_id": "boot-1"}, False, waits),
    "it was never confirmed": ({}, False, waits),
}


@pytest.mark.fault(19, 20, 22)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_what_is_known_decides_what_follows(row: tuple[dict[str, Any], bool, Any]) -> None:
    known, unwanted, expected = row
    episode = started(cancel_requested=unwanted)
    state = fleet(episodes=(episode,), attempts=(attempt(**known),))
    (action,) = plan(state, Policy(), NOW) or (None,)
    assert expected(action)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_runner_that_does_not_answer_makes_no_attempt_fail(row: tuple[dict[str, Any], bool, Any]) -> None:
    known, unwanted, _ = row
    for cancel in (unwanted, not unwanted):
        here = examine(attempt(**known), runner(), unwanted=cancel)
        away = examine(attempt(**known), AWAY, unwanted=cancel)
        assert (away.decision is Decision.LOST) == (here.decision is Decision.LOST)
        assert away.reason == here.reason


def test_each_row_can_be_reached_and_every_row_of_the_table_is_tried_above() -> None:
    reached = [decide(row.facts) for row in TABLE]
    assert reached == list(TABLE)
    tried = {decide(row.facts).decision for row in TABLE}
    assert tried == set(Decision)


@given(facts=st.frozensets(st.sampled_from(Fact)))
def test_without_proof_there_is_no_retry_whatever_else_is_known(facts: frozenset[Fact]) -> None:
    proven = any(proof <= facts for proof in PROOF)
    assert decide(facts).decision is not Decision.LOST or proven


@given(facts=st.frozensets(st.sampled_from(Fact)))
def test_unreachable_never_means_failed(facts: frozenset[Fact]) -> None:
    silent = decide(facts | {Fact.UNREACHABLE})
    answering = decide(facts - {Fact.UNREACHABLE})
    assert (silent.decision is Decision.LOST) == (answering.decision is Decision.LOST)
    assert all(Fact.UNREACHABLE not in proof for proof in PROOF)


@given(facts=st.frozensets(st.sampled_from(Fact)), cancelled=st.booleans())
def test_what_waits_says_what_for(facts: frozenset[Fact], cancelled: bool) -> None:
    row = decide(facts)
    assert row.says and row.says.format(runner="gpu01", detail="no answer")
    episode = started(cancel_requested=cancelled)
    assert explain(fleet(runners=(AWAY,), episodes=(episode,), attempts=(attempt(),)), episode, LATER)


def test_an_attempt_beyond_the_last_is_given_up_and_not_retried() -> None:
    state = fleet(episodes=(started(fence=3),), attempts=(attempt(fence=3, status=DEAD),))
    (action,) = plan(state, Policy(attempts_max=3), NOW)
    assert isinstance(action, GiveUp)
