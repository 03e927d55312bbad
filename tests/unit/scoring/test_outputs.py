"""Output comes before speed: a candidate that computes something else is judged, and its speed counts for nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchestrator.domain.reasons import EndReason
from orchestrator.scoring.evidence import Evidence, Side, SmokeLog
from orchestrator.scoring.judge import judge, judge_preflight
from runner_agent.measure.outputs import difference, outputs
from tests.unit.scoring.episodes import PERDISPATCH, SPEC, SUBMIT, ended, finisher, idler, runs

EQUAL = replace(SPEC, equal=("[OUT]",))


def printed(side: Side, *texts: str) -> tuple[SmokeLog, ...]:
    return tuple(
        SmokeLog(round=number, side=side, path=f"smoke/{side}-{number}.log", text=f"{PERDISPATCH}{SUBMIT}{text}\n")
        for number, text in enumerate(texts, 1)
    )


def episode(base: tuple[str, ...], candidate: tuple[str, ...]) -> Evidence:
    return replace(finisher(), logs=(*printed("baseline", *base), *printed("candidate", *candidate)))


SAME = ("[OUT] 1 2 3", "[OUT] 4 5 6", "[OUT] 7 8 9")


def test_the_same_output_lets_time_count() -> None:
    verdict = judge(episode(SAME, SAME), EQUAL, ended())
    assert (verdict.valid, verdict.items_done, verdict.throughput.verdict) == (True, 4, "faster")


@pytest.mark.parametrize(
    ("third", "told"),
    [
        ("[OUT] 7 8 8", "output 1 is '[OUT] 7 8 9' on the base and '[OUT] 7 8 8' on the candidate"),
        ("nothing", "output 1 is '[OUT] 7 8 9' on the base and missing on the candidate"),
        ("[OUT] 7 8 9\n[OUT] more", "output 2 is missing on the base and '[OUT] more' on the candidate"),
    ],
)
def test_another_output_is_a_signal_without_a_speed(third: str, told: str) -> None:
    verdict = judge(episode(SAME, (*SAME[:2], third)), EQUAL, ended())
    assert (verdict.valid, verdict.reason, verdict.items_done) == (True, EndReason.COMPLETED, 3)
    found = verdict.throughput
    assert (found.verdict, found.change, found.reason) == (
        "inconclusive",
        None,
        f"the output differs in round 3: {told}",
    )
    assert (found.baseline, found.candidate) == (19.0, 50.1)
    (flag,) = (flag for flag in verdict.flags if flag.kind == "output-differs")
    assert flag.quote == found.reason
    assert found.reason in verdict.first_line
    line = next(line for item in verdict.items for line in item.evidence if "throughput" in line)
    assert line.endswith(f"no speed counts: {found.reason}")


def test_a_base_without_the_output_proves_nothing_of_a_candidate() -> None:
    verdict = judge(episode(("", "", ""), SAME), EQUAL, ended())
    assert (verdict.valid, verdict.reason) == (False, EndReason.MARKER_MISSING)
    assert "no line of `smoke.equal` ([OUT]) stands in 3 smoke logs" in verdict.first_line


def test_a_campaign_whose_base_prints_no_output_is_refused() -> None:
    base = replace(idler(), logs=printed("candidate", "", "", ""), rounds=runs("candidate", 19.0, 19.1, 19.2))
    found = judge_preflight(base, EQUAL, ended())
    assert not found.accepted
    assert "no line of `smoke.equal` ([OUT]) stands in 3 smoke logs" in found.problems[0]


def test_a_campaign_whose_base_never_prints_the_same_twice_is_refused() -> None:
    logs = (*printed("baseline", *SAME), *printed("candidate", *SAME[:2], "[OUT] 9"))
    found = judge_preflight(replace(idler(), logs=logs), EQUAL, ended())
    assert not found.accepted
    assert "though both are the untouched base: `smoke.equal` cannot be held" in found.problems[0]


def test_a_speed_above_the_ceiling_is_flagged_and_changes_no_score() -> None:
    verdict = judge(finisher(), replace(SPEC, ceiling_tok_s=50.5), ended())
    assert [(flag.quote, flag.where) for flag in verdict.flags if flag.kind == "impossible-speed"] == [
        ("51.0 tok/s, and the ceiling is 50.5", "smoke/candidate-2.log")
    ]
    assert verdict.score == judge(finisher(), SPEC, ended()).score


def test_a_ceiling_below_the_base_is_refused() -> None:
    problems = judge_preflight(idler(), replace(SPEC, ceiling_tok_s=10.0), ended()).problems
    assert "the untouched base runs at 19.0 tok/s, above `smoke.ceiling_tok_s` = 10: raise it" in problems


def test_what_stands_before_the_mark_and_colours_do_not_count() -> None:
    assert outputs("12:01 [OUT] a\r\nnoise\n\x1b[32m12:02 [OUT] b\x1b[0m  \n", ("[OUT]",)) == ("[OUT] a", "[OUT] b")
    assert outputs("[OUT] a", ()) == ()


@given(some.lists(some.text(max_size=8), max_size=5), some.lists(some.text(max_size=8), max_size=5))
def test_only_equal_outputs_have_no_difference(before: list[str], after: list[str]) -> None:
    assert (difference(before, after) == "") == (before == after)
