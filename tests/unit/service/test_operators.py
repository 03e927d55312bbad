"""What operators do: a machine declared dead and taken back, an episode tried afresh, artifacts judged again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.artifacts.sums import verify
from orchestrator.errors import Conflict
from orchestrator.service.again import rescore, retry
from orchestrator.service.operate import declare_dead
from orchestrator.store.tables import EventRow, RunnerEventRow, RunnerRow
from tests.unit.service.leavings import broke_down, leavings
from tests.unit.service.rig import Rig, Toy


@pytest.fixture
def two(the_toy: Toy, tmp_path: Path) -> Rig:
    return Rig(the_toy, tmp_path / "two", runners=("a", "b"), slots=1)


def told(rig: Rig, episode_id: str) -> list[str]:
    return [row.event for row in rig.rows(EventRow) if row.episode_id == episode_id and row.source == "orchestrator"]


# A machine that will not come back.


def test_a_runner_that_answered_a_moment_ago_is_not_dead(rig: Rig) -> None:
    rig.beat()
    with pytest.raises(Conflict, match=r"runner local answered \d+ s ago.*it is not dead"):
        declare_dead(rig.services, "local", by="ada", reason="smoke came out")
    assert rig.rows(RunnerRow)[0].service == "IN_SERVICE"
    assert rig.rows(RunnerEventRow) == []


@pytest.mark.fault(19)
def test_after_a_machine_was_declared_dead_its_episode_is_done_elsewhere_and_its_return_changes_nothing(
    two: Rig,
) -> None:
    (one,) = two.submit_accepted()
    first = two.up_to("RUNNING", one)
    (dead,) = [name for name, link in two.runners.items() if first in link.attempts]
    two.cut(dead)
    for _ in range(5):
        two.beat(60)
    assert declare_dead(two.services, dead, by="ada", reason="smoke came out") == [one]
    for _ in range(30):
        two.beat(20)
        two.work()
    second = two.attempts(one)[1]
    assert two.ended(one) == ("DONE", "completed")
    assert (two.attempt(first).ended, second.ended) == ("runner-lost", "completed")
    assert second.runner != dead
    assert two.attempt(first).failure_detail == "declared dead by ada: smoke came out"
    # It comes back, still running what nobody wants any more.
    two.runners[dead].attempts[first].cancel_asked = False
    before = two.episode(one)
    two.heal()
    two.settle()
    assert two.runners[dead].attempts[first].cancel_asked
    for _ in range(4):
        two.work()
        two.beat(20)
    assert two.runners[dead].attempts[first].acknowledged
    assert (two.home / "attempts" / first / "diff.patch").is_file()
    assert two.episode(one) == before


def test_who_declared_what_and_why_stands_in_both_logs(two: Rig) -> None:
    (one,) = two.submit_accepted()
    runner = two.attempt(two.up_to("RUNNING", one)).runner
    two.declare_dead(runner)
    two.take_back(runner)
    events = [(row.event, row.actor) for row in two.rows(RunnerEventRow) if row.runner == runner]
    assert events == [("declared-dead", "ada"), ("resumed", "ada")]
    (said,) = [row for row in two.rows(EventRow) if row.event == "runner-declared-dead"]
    assert said.episode_id == one
    assert said.data == {"runner": runner, "by": "ada", "why": "smoke came out"}


def test_a_runner_taken_back_gets_nothing_while_it_may_still_run_something_old(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    first = rig.up_to("RUNNING", one)
    rig.declare_dead()
    rig.take_back()
    for _ in range(5):
        rig.beat(20)
    assert rig.episode(one).phase == "QUEUED"
    assert rig.runners["local"].attempts[first].cancel_asked
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert [row.ended for row in rig.attempts(one)] == ["runner-lost", "completed"]


@pytest.mark.fault(18)
def test_a_launch_that_waited_for_a_machine_declared_dead_is_never_sent(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    first = rig.up_to("LAUNCHING", one)
    rig.cut()
    rig.beat()
    rig.declare_dead()
    rig.beat()
    rig.heal()
    rig.take_back()
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert first not in rig.starts()


def test_an_episode_whose_artifacts_are_here_is_not_lost_with_its_machine(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.up_to("SCORING", one)
    assert rig.declare_dead() == []
    rig.settle()
    assert rig.ended(one) == ("DONE", "completed")


# Afresh.


def test_a_failed_episode_is_tried_afresh_as_a_new_one_and_stays_as_it_was(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.leave = lambda spec: broke_down(spec, "SANDBOX_UNAVAILABLE: none")
    rig.run()
    before = rig.episode(one)
    rig.leave = leavings
    new, _ = retry(rig.services, one, "ada")
    with pytest.raises(Conflict, match=f"is being retried as {new.id}"):
        retry(rig.services, one, "ada")
    rig.run()
    assert rig.ended(new.id) == ("DONE", "completed")
    assert rig.episode(new.id).retry_of == one
    assert rig.episode(one) == before
    assert told(rig, one)[-1] == "retried-by-hand"


def test_only_what_has_ended_without_a_valid_verdict_is_tried_afresh(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    with pytest.raises(Conflict, match="has not ended"):
        retry(rig.services, one, "ada")
    rig.run()
    with pytest.raises(Conflict, match="DONE with a valid verdict"):
        retry(rig.services, one, "ada")


# Again.


def test_what_could_not_be_scored_gets_its_verdict_once_it_can(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    folder = rig.home / "attempts" / rig.up_to("SCORING", one)
    (folder / "verifier").write_text("a file where a folder belongs")
    rig.run()
    assert rig.ended(one) == ("FAILED", "scoring-failed")
    ended_at = rig.episode(one).ended_at
    (folder / "verifier").unlink()
    rescore(rig.services, one, "ada")
    assert rig.ended(one) == ("DONE", "completed")
    assert rig.episode(one).ended_at == ended_at
    assert (rig.episode(one).result or {})["valid"] is True
    assert verify(folder) == []


def test_scoring_again_gives_the_same_and_says_who_asked(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.run()
    before = rig.episode(one)
    rescore(rig.services, one, "ada")
    assert rig.episode(one) == before
    (said,) = [row for row in rig.rows(EventRow) if row.event == "episode-rescore"]
    assert said.data["by"] == "ada"
    assert said.data["before"] == said.data["after"]
    assert verify(rig.home / "attempts" / str(before.attempt_id)) == []


def test_without_artifacts_there_is_nothing_to_judge_again(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.run()
    shutil.rmtree(rig.home / "attempts" / str(rig.episode(one).attempt_id))
    with pytest.raises(Conflict, match="not here any more"):
        rescore(rig.services, one, "ada")
    rig.cancel(*rig.submit())
    rig.run()
