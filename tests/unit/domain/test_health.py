"""The ladder of health: what moves a machine where, and what never does."""

from __future__ import annotations

from itertools import product

import pytest

from orchestrator.domain.device import Health
from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.health import LADDER, Finding, blames_machine, judged
from orchestrator.domain.reasons import MEANINGS, EndReason


@pytest.mark.parametrize("was", [Health.UNKNOWN, Health.SUSPECT, Health.QUARANTINED])
def test_a_canary_that_passed_lifts_to_good_from_anywhere(was: Health) -> None:
    assert judged(was, Finding.PASSED) is Health.GOOD


@pytest.mark.parametrize("finding", [Finding.FAILED, Finding.BROKE_DOWN, Finding.DRIFTED, Finding.WAKES_FAILED])
@pytest.mark.parametrize("was", list(Health))
def test_what_was_proven_against_it_quarantines_from_anywhere(was: Health, finding: Finding) -> None:
    assert judged(was, finding) is Health.QUARANTINED


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (Health.GOOD, Health.SUSPECT),
        (Health.UNKNOWN, Health.SUSPECT),
        (Health.SUSPECT, Health.SUSPECT),
        (Health.QUARANTINED, Health.QUARANTINED),
    ],
)
def test_blame_makes_suspect_and_never_lifts_a_quarantine(was: Health, becomes: Health) -> None:
    assert judged(was, Finding.BLAMED) is becomes


def test_only_a_canary_makes_good() -> None:
    assert {finding for (_, finding), health in LADDER.items() if health is Health.GOOD} == {Finding.PASSED}


def test_trust_that_was_not_proven_is_given_back_as_unknown() -> None:
    assert judged(Health.QUARANTINED, Finding.WOKE) is Health.UNKNOWN
    assert judged(Health.QUARANTINED, Finding.RESUMED) is Health.UNKNOWN
    assert judged(Health.SUSPECT, Finding.RESUMED) is Health.UNKNOWN
    assert judged(Health.SUSPECT, Finding.VOID) is Health.UNKNOWN
    assert judged(Health.GOOD, Finding.RESUMED) is Health.GOOD


def test_a_rung_is_in_the_ladder_only_if_it_moves() -> None:
    assert all(start is not end for (start, _), end in LADDER.items())
    for health, finding in product(Health, Finding):
        assert judged(health, finding) is LADDER.get((health, finding), health)


@pytest.mark.parametrize("reason", EndReason)
def test_whose_doing_an_end_was(reason: EndReason) -> None:
    blamed = MEANINGS[reason].blames == "machine"
    assert blames_machine(EpisodeKind.EPISODE, reason) is blamed
    assert not blames_machine(EpisodeKind.CANARY, reason), "a canary judges; it is not judged"
    measured = reason in (EndReason.BASE_FAILED, EndReason.BASELINE_SMOKE_FAILED)
    assert blames_machine(EpisodeKind.PREFLIGHT, reason) is (blamed and not measured)


def test_the_doing_of_agents_operators_and_links_blames_no_machine() -> None:
    innocent = {reason for reason, means in MEANINGS.items() if means.kind in ("agent", "operator")}
    innocent |= {EndReason.CHECKOUT_FAILED, EndReason.ARTIFACTS_LOST, EndReason.LAUNCH_REFUSED}
    innocent |= {EndReason.SCORING_FAILED, EndReason.CAMPAIGN_REFUSED}
    assert not any(MEANINGS[reason].blames for reason in innocent)
