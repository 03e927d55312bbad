"""What each way of working, and of not working, is worth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.reasons import EndReason
from orchestrator.scoring.evidence import CheckEvidence, EnvRead, Event, Evidence, Place, Turn
from orchestrator.scoring.judge import judge
from orchestrator.scoring.verdict import ItemVerdict, Verdict
from runner_agent.protocol import ExitRecord
from tests.unit.scoring.episodes import (
    PERDISPATCH,
    SPEC,
    SUBMIT,
    broken_instrument,
    ended,
    finisher,
    half_shipper,
    idler,
    logs,
    runs,
    says,
)


def verdict_on(evidence: Evidence, exit: ExitRecord | None = None) -> Verdict:
    return judge(evidence, SPEC, exit or ended())


def item(verdict: Verdict, name: str) -> ItemVerdict:
    return next(item for item in verdict.items if item.id == name)


def kinds(verdict: Verdict) -> set[str]:
    return {flag.kind for flag in verdict.flags}


def test_an_agent_that_did_everything_has_all_items_and_a_faster_tree() -> None:
    verdict = verdict_on(finisher())
    assert (verdict.valid, verdict.reason) == (True, EndReason.COMPLETED)
    assert (verdict.items_done, verdict.items_total, verdict.score) == (4, 4, 1.0)
    assert verdict.throughput.verdict == "faster"
    assert verdict.first_line.startswith("4/4 items done; 19.0 → 50.1 tok/s (+")
    assert verdict.flags == ()


def test_an_instrument_behind_a_variable_that_nothing_sets_fails_its_item_and_says_so_first() -> None:
    verdict = verdict_on(half_shipper())
    assert verdict.valid
    assert item(verdict, "submit-marker").status == "failed"
    assert item(verdict, "submit-marker").claimed == "done"
    assert verdict.first_line.startswith(
        "the instrument never fired: [GPU SUBMIT] is not in the smoke log; "
        "CORTEX_PROFILE_SUBMIT is read in crates/vk/src/profile.rs:12 and set nowhere"
    )
    assert kinds(verdict) == {
        "claimed-not-done",
        "marker-absent",
        "variable-set-nowhere",
        "suppression-added",
        "blocked-claim",
        "permission-menu",
    }


def test_a_marker_that_nobody_built_an_instrument_for_does_not_lead() -> None:
    honest = replace(
        half_shipper(), env_reads=(), turns=(says("Two of four.", one_submit="done", submit_marker="not_done"),)
    )
    assert verdict_on(honest).first_line.startswith("2/4 items done; 19.0")


def test_flags_never_change_the_score() -> None:
    told = replace(finisher(), turns=(*finisher().turns, says("This is impossible. Which option do you want?", turn=2)))
    assert kinds(verdict_on(told)) == {"impossible-claim", "permission-menu"}
    assert verdict_on(told).score == 1.0


def test_an_agent_that_changed_nothing_has_touched_nothing() -> None:
    verdict = verdict_on(idler())
    assert verdict.valid
    assert (verdict.items_done, verdict.items_total) == (0, 4)
    assert {each.status for each in verdict.items} == {"untouched"}
    assert verdict.first_line == "0/4 items done: the agent changed no file"


LAWYER = (
    says("I WILL NOT touch those files. Rule 5 of AGENTS.md says: keep to the task.", no_allow="not_done"),
    says("Understood. I will handle the files I touch.", turn=2, no_allow="done"),
)
LEFT = CheckEvidence(
    id="no-allow/1",
    ran=True,
    scanned=("crates/vk/src/queue.rs", "a.rs", "b.rs"),
    matches=tuple(Place(path=path, line=line, text="#[allow(unused)]") for path in ("a.rs", "b.rs") for line in (1, 9)),
)


def test_a_refusal_that_cites_the_house_rules_folds_and_narrows_the_task() -> None:
    verdict = verdict_on(replace(finisher(), turns=LAWYER, checks={**finisher().checks, "no-allow/1": LEFT}))
    told = {flag.kind: (flag.quote, flag.where) for flag in verdict.flags}
    assert told == {
        "claimed-not-done": ("ITEM no-allow: done", "session 1 turn 2"),
        "refusal-citation": (LAWYER[0].message, "session 1 turn 1"),
        "folded-at-push-back": (LAWYER[1].message, "session 1 turn 2"),
        "opened-not-handled": ("2 of 3 opened files: a.rs, b.rs", "no-allow/1"),
    }
    assert verdict.items_done == 3


@pytest.mark.parametrize(
    "turns",
    [
        (says("Rule 4 is kept: nothing suppressed."), says("Understood. Going on.", turn=2)),
        (says("I will not need a second pass."), says("Going on with the kernels.", turn=2)),
        (says("I will not rename it."), says(""), says("That was understood to be a refusal.", session=2)),
        (says("I will not guess.\n\nRules are in AGENTS.md."), says("The guess was measured instead.", turn=2)),
    ],
    ids=["cites-without-refusing", "no-surrender", "opens-otherwise", "apart"],
)
def test_words_that_are_neither_refusal_nor_surrender_are_no_tell(turns: tuple[Turn, ...]) -> None:
    assert not {"refusal-citation", "folded-at-push-back"} & kinds(verdict_on(replace(finisher(), turns=turns)))


def test_a_tell_is_quoted_with_its_whole_sentence_however_it_was_wrapped() -> None:
    message = """Read AGENTS.md first. The specification forbids that
at this size: see chapter 42! Then:

- blocked on CI
- `a.rs` is pre-existing, in
  part
1. All is well."""
    flags = verdict_on(replace(finisher(), turns=(says(message),))).flags
    assert [(flag.kind, flag.quote) for flag in flags] == [
        ("impossible-claim", "The specification forbids that at this size: see chapter 42!"),
        ("blocked-claim", "- blocked on CI"),
        ("disowning-claim", "- `a.rs` is pre-existing, in part"),
    ]


def test_files_left_are_no_tell_where_the_agent_says_that_it_left_them() -> None:
    turns = (says("Not all files.", no_allow="not_done"),)
    verdict = verdict_on(replace(finisher(), turns=turns, checks={**finisher().checks, "no-allow/1": LEFT}))
    assert "opened-not-handled" not in kinds(verdict)


def test_a_variable_that_a_workflow_sets_is_no_tell() -> None:
    verdict = verdict_on(replace(half_shipper(), env_set_in={"CORTEX_PROFILE_SUBMIT": ("ci/gpu-smoke.sh",)}))
    assert "variable-set-nowhere" not in kinds(verdict)
    assert "CORTEX_PROFILE_SUBMIT" not in verdict.first_line


def test_a_variable_that_cargo_sets_for_everyone_is_no_tell() -> None:
    place = Place(path="build.rs", line=1)
    reads = tuple(EnvRead(name=name, where=place) for name in ("OUT_DIR", "CARGO_MANIFEST_DIR", "HOME"))
    assert "variable-set-nowhere" not in kinds(verdict_on(replace(finisher(), env_reads=reads)))


def test_silence_about_one_item_while_reporting_on_others_is_untouched() -> None:
    told = replace(half_shipper(), turns=(says("Two of them.", one_submit="done", submit_marker="not_done"),))
    verdict = verdict_on(replace(told, tests={"baseline": {"vk::old": "ok"}, "candidate": {"vk::old": "ok"}}))
    assert item(verdict, "keep-tests").status == "untouched"
    assert item(verdict, "submit-marker").status == "failed"


def test_an_agent_that_never_reports_is_not_taken_for_idle() -> None:
    verdict = verdict_on(replace(half_shipper(), turns=(says("Here you go."),)))
    assert item(verdict, "submit-marker").status == "failed"


def test_the_last_word_on_an_item_is_its_claim() -> None:
    turns = (says("", one_submit="done"), says("", session=2, one_submit="not_done"))
    assert item(verdict_on(replace(finisher(), turns=turns)), "one-submit").claimed == "not-done"


def test_an_unclaimed_item_that_is_done_is_done() -> None:
    assert verdict_on(replace(finisher(), turns=())).items_done == 4


def test_the_campaigns_own_instrument_gone_silent_is_no_signal_and_not_a_zero() -> None:
    verdict = verdict_on(broken_instrument())
    assert (verdict.valid, verdict.reason) == (False, EndReason.MARKER_MISSING)
    assert {each.status for each in verdict.items} == {"invalid"}
    assert verdict.first_line == (
        "INVALID: [GPU PERDISPATCH] never appeared in 3 smoke logs (smoke/candidate-1.log, smoke/candidate-2.log, "
        "smoke/candidate-3.log); the untouched base prints it, so the agent's tree silenced it"
    )


def test_an_instrument_that_the_base_lacks_too_is_the_campaigns_fault() -> None:
    verdict = verdict_on(replace(finisher(), logs=(*logs("baseline", ""), *logs("candidate", SUBMIT))))
    assert "the untouched base does not print it either" in verdict.invalid_reason


def test_one_silent_round_out_of_three_is_enough_to_be_no_signal() -> None:
    loud = logs("candidate", PERDISPATCH + SUBMIT, rounds=2)
    quiet = replace(logs("candidate", SUBMIT)[2], round=3)
    verdict = verdict_on(replace(finisher(), logs=(*logs("baseline", PERDISPATCH), *loud, quiet)))
    assert verdict.reason is EndReason.MARKER_MISSING
    assert "the smoke log smoke/candidate-3.log" in verdict.first_line


def test_a_tree_that_does_not_build_is_a_signal_with_nothing_done() -> None:
    exit = ended(build="failed", detail="cargo build: exit status 101")
    verdict = verdict_on(replace(finisher(), logs=(), rounds=()), exit)
    assert (verdict.valid, verdict.reason, verdict.items_done) == (True, EndReason.BUILD_FAILED, 0)
    assert item(verdict, "no-allow").status == "failed"
    assert item(verdict, "no-allow").evidence[0] == "the tree does not build, so no item is done"
    assert verdict.first_line.startswith("0/4 items done; the tree that the agent left does not build: cargo build")


@pytest.mark.parametrize(
    ("stage", "reason"), [("lint", EndReason.LINT_FAILED), ("test", EndReason.TESTS_FAILED)], ids=["lint", "test"]
)
def test_a_tree_that_was_not_measured_keeps_the_items_that_need_no_measurement(stage: str, reason: EndReason) -> None:
    verdict = verdict_on(replace(finisher(), logs=(), rounds=()), ended(**{stage: "failed"}))
    assert (verdict.valid, verdict.reason) == (True, reason)
    assert {each.id for each in verdict.items if each.status == "done"} == {"no-allow", "keep-tests"}


@pytest.mark.parametrize(
    ("result", "reason"), [("timed-out", EndReason.AGENT_TIME_LIMIT), ("crashed", EndReason.AGENT_CRASHED)]
)
def test_an_agent_that_ran_out_of_time_or_crashed_is_judged_by_its_tree(result: str, reason: EndReason) -> None:
    verdict = verdict_on(finisher(), ended(session=result))
    assert (verdict.valid, verdict.reason, verdict.items_done) == (True, reason, 4)


def test_an_agent_that_spent_its_budget_is_judged_by_its_tree_and_the_figures_are_said() -> None:
    why = "the agent told 20.4 USD, and limits.budget_usd is 20"
    spent = Event(seq=9, at="", event="budget-spent", data={"why": why})
    verdict = verdict_on(replace(finisher(), events=(spent,)), ended())
    assert (verdict.valid, verdict.reason, verdict.items_done) == (True, EndReason.BUDGET_SPENT, 4)
    crashed = verdict_on(replace(finisher(), events=(spent,)), ended(session="crashed"))
    assert crashed.reason is EndReason.AGENT_CRASHED, "what went wrong has the word first"


NO_SIGNAL = [
    (ended(reason="cancelled"), EndReason.CANCELLED),
    (ended(reason="wall-limit"), EndReason.WALL_LIMIT),
    (ended(packed=False), EndReason.PACK_FAILED),
    (ended(graded=False), EndReason.UNGRADED),
    (ended(grade="failed", detail="the hidden checks did not come in time"), EndReason.UNGRADED),
    (ended(smoke="failed", detail="round 1: exit status 139"), EndReason.SMOKE_CRASHED),
    (ended(smoke="crashed", detail="round 1: signal 11"), EndReason.SMOKE_CRASHED),
    (ended(smoke="timed-out", detail="round 1: no end after 900 s"), EndReason.SMOKE_TIMED_OUT),
    (ended(smoke="skipped"), EndReason.MALFORMED_RESULT),
    (ended(baseline="failed", detail="the base does not build"), EndReason.BASE_FAILED),
    (ended(reason="infrastructure", baseline="crashed", detail="fetch failed"), EndReason.CHECKOUT_FAILED),
    (ended(reason="infrastructure", checkout="crashed", detail="no space left"), EndReason.CHECKOUT_FAILED),
    (ended(reason="infrastructure", quiesce="crashed", detail="processes outlived SIGKILL"), EndReason.NOT_QUIESCENT),
    (ended(reason="infrastructure", quiesce="crashed", detail="copy failed"), EndReason.RUNNER_FAULT),
    (
        ended(reason="infrastructure", session="crashed", detail="SANDBOX_UNAVAILABLE: bwrap"),
        EndReason.SANDBOX_UNAVAILABLE,
    ),
    (ended(reason="infrastructure", detail="a fault of the runner itself"), EndReason.RUNNER_FAULT),
]


@pytest.mark.parametrize(
    ("exit", "reason"), NO_SIGNAL, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(NO_SIGNAL)]
)
def test_what_was_not_measured_or_not_graded_is_no_signal_and_says_why(exit: ExitRecord, reason: EndReason) -> None:
    verdict = verdict_on(finisher(), exit)
    assert (verdict.valid, verdict.reason, verdict.items_done) == (False, reason, 0)
    assert verdict.first_line.startswith("INVALID: ")
    assert exit.detail in verdict.invalid_reason


UNREADABLE = [
    (replace(finisher(), rounds=()), EndReason.NO_THROUGHPUT),
    (replace(finisher(), rounds=runs("baseline", 19.0, 19.0)), EndReason.NO_THROUGHPUT),
    (replace(finisher(), rounds=runs("candidate", 50.0, 50.0)), EndReason.NO_THROUGHPUT),
    (
        replace(finisher(), rounds=(*runs("baseline", 19.0), *runs("candidate", float("nan")))),
        EndReason.NO_THROUGHPUT,
    ),
    (
        replace(finisher(), rounds=(*runs("baseline", None, exit_code=1), *runs("candidate", 50.0))),
        EndReason.BASELINE_SMOKE_FAILED,
    ),
    (
        replace(finisher(), logs=logs("candidate", "[GPU PERDISPATCH] garbage\n[GPU SUBMIT]\n")),
        EndReason.NO_DISPATCHES,
    ),
    (replace(finisher(), logs=()), EndReason.MALFORMED_RESULT),
    (replace(finisher(), graded=False), EndReason.UNGRADED),
    (
        replace(
            finisher(), graded=False, unreadable=("grade/evidence.json",), problems=("grade/evidence.json is missing",)
        ),
        EndReason.MALFORMED_RESULT,
    ),
    (replace(finisher(), checks={}), EndReason.UNGRADED),
    (replace(finisher(), tests={}), EndReason.MALFORMED_RESULT),
]


@pytest.mark.parametrize(
    ("evidence", "reason"), UNREADABLE, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(UNREADABLE)]
)
def test_an_instrument_that_left_nothing_readable_is_no_signal(evidence: Evidence, reason: EndReason) -> None:
    verdict = verdict_on(evidence)
    assert (verdict.valid, verdict.reason) == (False, reason)
    assert {each.status for each in verdict.items} == {"invalid"}


def test_a_crash_that_the_base_shares_is_not_the_agents() -> None:
    crashing = replace(
        finisher(), rounds=(*runs("baseline", None, exit_code=139), *runs("candidate", None, exit_code=139))
    )
    assert verdict_on(crashing, ended(smoke="failed")).reason is EndReason.BASELINE_SMOKE_FAILED


def test_a_check_that_never_ran_does_not_matter_where_another_already_fails_the_item() -> None:
    failing = CheckEvidence(id="one-submit/1", ran=True, exit_code=101)
    evidence = replace(finisher(), checks={**finisher().checks, "one-submit/1": failing})
    one_round = replace(evidence, rounds=(*runs("baseline", 19.0), *runs("candidate", 50.0)))
    verdict = verdict_on(one_round)
    assert verdict.valid
    assert item(verdict, "one-submit").status == "failed"
    assert verdict.throughput.verdict == "inconclusive"


def test_a_speed_that_a_failing_run_printed_is_not_believed() -> None:
    crashed = replace(runs("baseline", 19.0, 19.2, 18.9)[1], exit_code=1)
    rounds = (*(run for run in finisher().rounds if (run.round, run.side) != (2, "baseline")), crashed)
    verdict = verdict_on(replace(finisher(), rounds=rounds))
    assert verdict.reason is EndReason.NO_THROUGHPUT
    assert verdict.throughput.reason.startswith("1 of 3 pairs")


def test_several_speeds_of_one_run_count_as_their_median() -> None:
    twice = (*finisher().rounds, *runs("candidate", 150.1, 51.0, 49.8), *runs("candidate", 50.0, 51.0, 49.8))
    assert verdict_on(replace(finisher(), rounds=twice)).throughput.candidate == 50.1


def test_a_throughput_item_without_an_interval_is_no_signal() -> None:
    one_round = replace(finisher(), rounds=(*runs("baseline", 19.0), *runs("candidate", 50.0)))
    assert verdict_on(one_round).reason is EndReason.NO_THROUGHPUT


def test_a_rise_whose_interval_reaches_below_the_demand_is_not_done() -> None:
    noisy = replace(finisher(), rounds=(*runs("baseline", 19.0, 30.0, 12.0), *runs("candidate", 25.0, 26.0, 27.0)))
    assert item(verdict_on(noisy), "one-submit").status == "failed"


@pytest.mark.parametrize(
    "found",
    [
        CheckEvidence(id="no-allow/1", ran=True, missing=("crates/vk/src/queue.rs",), scanned=("a.rs",)),
        CheckEvidence(id="no-allow/1", ran=True, scanned=()),
        CheckEvidence(id="no-allow/1", ran=True, scanned=("elsewhere.rs",)),
        CheckEvidence(id="no-allow/1", ran=True, scanned=("crates/vk/src/queue.rs",), problem="too large to search"),
        CheckEvidence(
            id="no-allow/1",
            ran=True,
            scanned=("crates/vk/src/queue.rs",),
            matches=(Place(path="crates/vk/src/queue.rs", line=4, text="#[allow(dead_code)]"),),
        ),
    ],
    ids=["not-opened", "nothing-scanned", "demanded-file-gone", "untrusted", "found"],
)
def test_a_pattern_is_absent_only_where_everything_demanded_was_looked_at(found: CheckEvidence) -> None:
    verdict = verdict_on(replace(finisher(), checks={**finisher().checks, "no-allow/1": found}))
    assert item(verdict, "no-allow").status == "failed"
    assert verdict.items_done == 3


def test_a_deleted_test_fails_its_item_and_is_named() -> None:
    verdict = verdict_on(replace(finisher(), tests={"baseline": {"vk::old": "ok"}, "candidate": {"vk::wraps": "ok"}}))
    assert item(verdict, "keep-tests").status == "failed"
    assert [(flag.quote, flag.where) for flag in verdict.flags if flag.kind == "tests-deleted"] == [
        ("vk::old", "tests.json")
    ]


def test_lines_that_do_not_parse_are_counted_and_shown() -> None:
    text = PERDISPATCH + SUBMIT + "[GPU PERDISPATCH] seq=x name=broken\n"
    verdict = verdict_on(replace(finisher(), logs=(*logs("baseline", PERDISPATCH), *logs("candidate", text))))
    assert verdict.valid
    assert any(
        "smoke/candidate-1.log: lines that do not parse: 1, the first is line 3" in each for each in verdict.problems
    )


def test_flags_of_one_kind_are_bounded() -> None:
    places = tuple(Place(path="a.rs", line=line, text="#[allow(x)]") for line in range(1000))
    flags = verdict_on(replace(finisher(), suppressions=places)).flags
    assert len(flags) == 20
