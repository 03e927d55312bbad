"""An instrument that did not fire says why; a clock that cannot be right is flagged and changes no score."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.artifacts import readings
from orchestrator.domain.reasons import EndReason
from orchestrator.scoring.evidence import EnvRead, Evidence, Place
from orchestrator.scoring.judge import judge
from orchestrator.scoring.specification import Specification
from orchestrator.scoring.verdict import Verdict
from tests.unit.scoring.episodes import PERDISPATCH, SPEC, SUBMIT, broken_instrument, ended, finisher, logs

SLOW = r"(?P<name>\w+) (?:(?P<shader_ns>\d+)+)+x$"
READ = EnvRead(name="CORTEX_PROFILE", where=Place(path="crates/vk/src/profile.rs", line=12))


def verdict_on(evidence: Evidence, spec: Specification = SPEC) -> Verdict:
    return judge(evidence, spec, ended())


def candidate(text: str, wall_s: float | None = 10.0) -> Evidence:
    rounds = tuple(replace(run, wall_s=wall_s) for run in finisher().rounds)
    return replace(finisher(), rounds=rounds, logs=(*logs("baseline", PERDISPATCH), *logs("candidate", text + SUBMIT)))


def flagged(evidence: Evidence) -> dict[str, str]:
    return {flag.where: flag.kind for flag in verdict_on(evidence).flags}


def test_a_silenced_instrument_names_the_variable_that_nothing_sets_in_the_first_line() -> None:
    verdict = verdict_on(replace(broken_instrument(), env_reads=(READ,)))
    assert verdict.reason is EndReason.MARKER_MISSING
    assert verdict.first_line.startswith("INVALID: [GPU PERDISPATCH] never appeared")
    assert verdict.first_line.endswith("; CORTEX_PROFILE is read in crates/vk/src/profile.rs:12 and set nowhere")


def test_a_variable_that_something_sets_is_not_blamed() -> None:
    evidence = replace(broken_instrument(), env_reads=(READ,), env_set_in={"CORTEX_PROFILE": ("ci/gpu-smoke.sh",)})
    assert "CORTEX_PROFILE" not in verdict_on(evidence).first_line


def test_dispatches_that_took_longer_than_the_run_are_flagged_once_and_change_no_score() -> None:
    long = candidate(PERDISPATCH.replace("88120", "88120000000"))
    assert flagged(long) == {"smoke/candidate-1.log": "dispatch-time-exceeds-wall"}
    assert verdict_on(long).score == verdict_on(candidate(PERDISPATCH)).score == 1.0


def test_dispatches_are_held_against_what_was_printed_where_no_wall_time_is_known() -> None:
    text = PERDISPATCH.replace("88120", "8812000000") + "[GPU THROUGHPUT] tokens=256 seconds=5.118 tok_s=50.02\n"
    assert flagged(candidate(text, wall_s=None)) == {"smoke/candidate-1.log": "dispatch-time-exceeds-wall"}


@pytest.mark.parametrize(("measured", "kinds"), [("10.0003", []), ("1.0000", ["tick-rate-disagrees"]), ("x", [])])
def test_ticks_that_the_host_s_clock_contradicts_are_flagged(measured: str, kinds: list[str]) -> None:
    text = f"[GPU TICKS] method=calibrated stated_ns=10.0000 measured_ns={measured} agrees=?\n"
    assert list(flagged(candidate(PERDISPATCH + text)).values()) == kinds


def test_dispatches_that_account_for_next_to_nothing_are_a_note() -> None:
    problems = verdict_on(candidate(PERDISPATCH)).problems
    assert any(
        "smoke/candidate-1.log: dispatches took 0.0001 s in sum of a run of 10.000 s" in each for each in problems
    )


def test_the_numbers_of_malformed_lines_stand_in_the_verdict() -> None:
    text = PERDISPATCH + "[GPU PERDISPATCH] seq=x\n" + PERDISPATCH + "[GPU PERDISPATCH]\n[GPU PERD\n"
    told = "smoke/candidate-1.log: lines that do not parse: 3, the first is line 2: '[GPU PERDISPATCH] seq=x'"
    assert f"{told}; the next: 4, 5" in verdict_on(candidate(text)).problems


def test_a_reading_that_was_given_up_says_so_where_there_is_no_signal() -> None:
    evidence = candidate("")
    stopped = readings.read(evidence, replace(SPEC, dispatches="", throughput=""))[0]
    given_up = tuple(
        replace(log, reading=replace(log.reading, stopped="dispatches: the expression took too long on line 3"))
        for log in stopped.logs
        if log.reading is not None
    )
    verdict = verdict_on(replace(evidence, logs=given_up), replace(SPEC, must_print=(), dispatches=SLOW))
    assert verdict.reason is EndReason.NO_DISPATCHES
    assert "the expression took too long on line 3" in verdict.first_line


def test_an_expression_read_in_a_child_finds_what_it_finds_here() -> None:
    spec = replace(SPEC, dispatches=r"name=(?P<name>\w+) .*shader_ns=(?P<shader_ns>\d+)", throughput=r"x(?P<tok_s>\d)x")
    one = replace(finisher(), logs=logs("candidate", PERDISPATCH + "x9x\n", rounds=1))
    evidence, parts = readings.read(one, spec)
    assert [row.shader_ns for part in parts for row in part.rows()] == [88120]
    assert [(log.reading.dispatches, log.reading.speeds) for log in evidence.logs if log.reading] == [(1, 1)]


def test_an_expression_that_took_too_long_is_not_tried_again_and_is_told_of_each_log() -> None:
    spec = replace(SPEC, dispatches=SLOW)
    evidence, parts = readings.read(candidate(PERDISPATCH), spec, wall_s=0.001)
    told = {log.reading.stopped for log in evidence.logs if log.reading}
    assert told == {"dispatches: the expression took too long and was stopped (smoke/baseline-1.log)"}
    assert parts == ()
