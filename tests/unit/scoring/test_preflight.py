"""A campaign may run only where its instruments fire on the base and nobody earns an item there."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.scoring.evidence import CheckEvidence
from orchestrator.scoring.judge import judge_preflight
from runner_agent.measure.decision import Rule
from tests.unit.scoring.episodes import PERDISPATCH, SPEC, SUBMIT, ended, finisher, idler, logs, runs


def test_a_base_on_which_every_item_fails_is_accepted_with_its_speed() -> None:
    preflight = judge_preflight(idler(), SPEC, ended(session="skipped"))
    assert preflight.accepted
    assert preflight.problems == ()
    assert preflight.baseline_tok_s == 19.0


def test_a_preflight_that_measures_the_base_once_is_enough() -> None:
    base_only = replace(idler(), rounds=runs("candidate", 19.0, 19.4), logs=logs("candidate", PERDISPATCH))
    spec = replace(SPEC, items=SPEC.items[1:])
    preflight = judge_preflight(base_only, spec, ended())
    assert (preflight.accepted, preflight.baseline_tok_s) == (True, 19.2)


def test_two_rounds_are_enough_to_accept_a_campaign_that_measures_until_a_change_is_settled() -> None:
    (faster,) = (check for check in SPEC.items[0].checks if check.kind == "throughput")
    item = replace(SPEC.items[0], checks=(faster,))
    adaptive = replace(SPEC, rule=Rule(mode="adaptive"), items=(item,))
    twice = replace(idler(), rounds=(*runs("baseline", 19.0, 19.2), *runs("candidate", 19.1, 19.0)))
    assert judge_preflight(twice, adaptive, ended()).problems == ()


def test_an_item_that_already_passes_is_named() -> None:
    marked = replace(idler(), logs=(*logs("baseline", PERDISPATCH), *logs("candidate", PERDISPATCH + SUBMIT)))
    preflight = judge_preflight(marked, SPEC, ended())
    assert not preflight.accepted
    (problem,) = preflight.problems
    assert problem.startswith("item submit-marker already passes on the base: nobody earns it")


def test_every_item_that_passes_is_named_at_once() -> None:
    assert len(judge_preflight(finisher(), SPEC, ended()).problems) == 4


def test_an_instrument_that_is_silent_on_the_base_is_refused() -> None:
    silent = replace(idler(), logs=(*logs("baseline", ""), *logs("candidate", "")))
    marker, dispatches = judge_preflight(silent, SPEC, ended()).problems
    assert "[GPU PERDISPATCH] never appeared" in marker
    assert marker.endswith(
        "the instrument is not plugged in: let the smoke script, or `smoke.env`, set what it waits for"
    )
    assert "no dispatch could be read" in dispatches


def test_every_instrument_that_is_missing_is_named_at_once() -> None:
    silent = replace(idler(), rounds=(), logs=(*logs("baseline", ""), *logs("candidate", "")))
    problems = judge_preflight(silent, SPEC, ended()).problems
    assert [each.split(" ")[4] for each in problems] == ["[GPU", "no", "no"]
    assert all(each.startswith("on the untouched base: ") for each in problems)


def test_a_base_that_fails_a_stage_is_refused_with_the_stage() -> None:
    (problem,) = judge_preflight(idler(), SPEC, ended(lint="failed", detail="cargo clippy: exit status 101")).problems
    assert problem.startswith("on the untouched base: ")
    assert "cargo clippy: exit status 101" in problem


def test_a_check_that_never_ran_cannot_tell_that_the_item_fails() -> None:
    without = {name: found for name, found in idler().checks.items() if name != "no-allow/1"}
    (problem,) = judge_preflight(replace(idler(), checks=without), SPEC, ended()).problems
    assert problem.startswith("item no-allow cannot be judged on the base")


def test_a_check_that_cannot_work_is_refused_though_it_fails() -> None:
    broken = CheckEvidence(id="no-allow/1", ran=True, problem="the check cannot be run: missing )")
    (problem,) = judge_preflight(
        replace(idler(), checks={**idler().checks, "no-allow/1": broken}), SPEC, ended()
    ).problems
    assert problem == "check no-allow/1 cannot work on the base: the check cannot be run: missing )"
