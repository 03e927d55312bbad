"""A program that was not built from the judged tree is no signal; a measurement of another episode is marked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.reasons import EndReason
from orchestrator.scoring.evidence import Event, Evidence
from orchestrator.scoring.judge import judge
from tests.unit.scoring.episodes import PERDISPATCH, SPEC, SUBMIT, ended, finisher, logs

TREE, OTHER = "a" * 40, "b" * 40
BUILT = Event(seq=1, at="", event="built", data={"tree": TREE, "programs": 3})


def printing(text: str, *events: Event) -> Evidence:
    told = (*logs("baseline", PERDISPATCH), *logs("candidate", PERDISPATCH + SUBMIT + text))
    return replace(finisher(), logs=told, events=(*finisher().events, *events))


def test_a_smoke_stage_that_refused_stale_programs_is_no_signal_and_says_what_differed() -> None:
    exit = ended(smoke="failed", detail="stale-binary: what the build made is not as it was made any more: app")
    verdict = judge(finisher(), SPEC, exit)
    assert (verdict.valid, verdict.reason) == (False, EndReason.STALE_BINARY)
    assert verdict.first_line.startswith("INVALID: What was to be measured is not what the agent's tree builds")
    assert verdict.first_line.endswith("any more: app")


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        (f"[MATINS TREE] {TREE}\n", EndReason.COMPLETED),
        (f"[MATINS TREE] {OTHER}\n", EndReason.STALE_BINARY),
        (f"[MATINS TREE] {TREE}\n[MATINS TREE] {OTHER}\n", EndReason.STALE_BINARY),
        ("[MATINS TREE] unknown\n", EndReason.COMPLETED),
        ("", EndReason.COMPLETED),
    ],
)
def test_a_program_that_prints_the_hash_of_another_tree_is_no_signal(printed: str, reason: EndReason) -> None:
    assert judge(printing(printed, BUILT), SPEC, ended()).reason is reason


def test_a_hash_says_nothing_where_the_runner_noted_none() -> None:
    assert judge(printing(f"[MATINS TREE] {OTHER}\n"), SPEC, ended()).reason is EndReason.COMPLETED


def test_a_reused_measurement_names_the_episode_that_made_it() -> None:
    reused = Event(seq=2, at="", event="smoke-reused", data={"from": "e-1", "attempt": "a-1"})
    verdict = judge(printing("", BUILT, reused), SPEC, ended())
    assert verdict.valid
    assert verdict.throughput.reused_from == "e-1"
    assert verdict.first_line.endswith("measured in episode e-1")
    assert judge(printing("", BUILT), SPEC, ended()).throughput.reused_from is None


def test_a_smoke_test_that_builds_for_itself_is_said_and_stays_a_signal() -> None:
    rewrote = Event(seq=2, at="", event="smoke-rewrote", data={"count": 1, "paths": ["target/release/app"]})
    verdict = judge(printing("", BUILT, rewrote), SPEC, ended())
    assert verdict.valid
    assert any("rewrote target/release/app" in problem for problem in verdict.problems)
