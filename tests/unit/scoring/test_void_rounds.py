"""A round in which the device throttled is no measurement of either side."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

from orchestrator.scoring.judge import judge
from runner_agent.measure.conditions import Conditions, Discard
from tests.unit.scoring.episodes import SPEC, ended, finisher, runs

THROTTLED = Conditions(discarded=(Discard(round=2, side="baseline", why="throttled in 3 of 20 samples (thermal)"),))
SLOWED = replace(
    finisher(), rounds=(*runs("baseline", 19.0, 9.0, 18.9, 19.1), *runs("candidate", 50.1, 51.0, 49.8, 50.2))
)


def test_a_void_round_is_left_out_of_the_comparison_on_both_sides() -> None:
    found = judge(replace(SLOWED, conditions=THROTTLED), SPEC, ended()).throughput
    assert (found.samples, found.baseline, found.candidate) == (3, 19.0, 50.1)
    assert judge(SLOWED, SPEC, ended()).throughput.samples == 4


def test_the_conditions_are_part_of_the_verdict() -> None:
    verdict = judge(replace(SLOWED, conditions=THROTTLED), SPEC, ended())
    told = json.loads(json.dumps(dataclasses.asdict(verdict)))["conditions"]
    assert told["discarded"] == [{"round": 2, "side": "baseline", "why": "throttled in 3 of 20 samples (thermal)"}]


def test_where_nothing_is_left_to_compare_the_first_line_says_what_the_device_did() -> None:
    why = "throttled in 10 of 10 samples (thermal)"
    discarded = tuple(Discard(round=n, side="candidate", why=why) for n in range(1, 5))
    verdict = judge(replace(SLOWED, conditions=Conditions(discarded=discarded)), SPEC, ended())
    assert (verdict.valid, verdict.throughput.verdict) == (False, "inconclusive")
    assert f"4 rounds are void (round 1, candidate: {why}; round 2, candidate: {why}; " in verdict.first_line
    assert verdict.throughput.reason.endswith(f"round 3, candidate: {why}; and 1 more)")


def test_a_change_that_is_settled_all_the_same_needs_no_excuse() -> None:
    assert judge(replace(SLOWED, conditions=THROTTLED), SPEC, ended()).throughput.reason == ""
