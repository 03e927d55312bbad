"""What a grading that comes late makes of the exit record that there was."""

from __future__ import annotations

from dataclasses import replace

from runner_agent.protocol import Check, Command, ExitRecord, GradeRequest, LaunchSpec, StageRecord, from_json
from runner_agent.regrade import OWN_TOOLS_LIMIT_S, limit_s, regraded, superseded
from tests.unit.runner_agent.test_attempts import LAUNCH

BUILD = StageRecord(stage="build", result="failed", seconds=1.0, detail="exit status 1")
GRADE = StageRecord(stage="grade", result="failed", seconds=2.0, detail="the hidden checks did not come in time")
EARLIER = ExitRecord(
    attempt_id="a", fence=2, reason="completed", detail="", stages=(BUILD, GRADE), graded=False, packed=True,
    started_at="2026-01-01T00:00:00.000Z", finished_at="2026-01-01T01:00:00.000Z",
)  # fmt: skip
NOW = "2026-01-03T00:00:00.000Z"


def check(limit_s: float) -> Check:
    return Check(id="a/1", item="a", kind="command", command=Command(argv=("true",), limit_s=limit_s))


def test_that_checks_came_late_is_no_failure_and_all_else_stands() -> None:
    assert superseded(EARLIER.stages) == (BUILD, replace(GRADE, result="skipped"))


def test_the_new_record_is_graded_and_keeps_when_it_began() -> None:
    stages = (*superseded(EARLIER.stages), replace(GRADE, result="ok", detail="2 checks"))
    assert regraded(EARLIER, stages, "", NOW) == replace(EARLIER, stages=stages, graded=True, finished_at=NOW)


def test_a_problem_leaves_the_record_as_it_was_and_is_said() -> None:
    record = regraded(EARLIER, (BUILD,), "cancelled", NOW)
    assert replace(record, detail="") == EARLIER
    assert record.detail == f"ungraded; grading was resumed at {NOW} and did not end well: cancelled"


def test_the_bound_is_what_its_commands_may_take() -> None:
    spec = replace(from_json(LaunchSpec, LAUNCH), checks=(check(10), replace(check(5), command=None)))
    request = GradeRequest(attempt_id="a", episode_id="e", fence=2, checks=(check(30),))
    assert limit_s(spec, request) == 10 + 30 + spec.limits.checkout_s + OWN_TOOLS_LIMIT_S
