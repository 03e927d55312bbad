"""Runners that are away, dead, or say no; artifacts that are not what they should be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.artifacts.sums import verify
from orchestrator.errors import LinkError, LinkRefused
from orchestrator.planning.explain import explain
from orchestrator.service.places import attempt_folder
from orchestrator.store.convert import to_episode
from orchestrator.store.fleet import load_fleet
from orchestrator.store.tables import EventRow, RunnerRow
from runner_agent.protocol import StageResult
from tests.unit.service.leavings import broke_down, leavings
from tests.unit.service.rig import Rig, Toy


def why(rig: Rig, episode_id: str) -> str:
    with rig.store.reading() as session:
        return " ".join(explain(load_fleet(session), to_episode(rig.episode(episode_id)), rig.clock()))


def tamper(rig: Rig, attempt_id: str) -> None:
    """What the runner packed is no longer what its manifest says."""
    rig.runner_of(attempt_id).attempts[attempt_id].files["diff.patch"] = b"other"


# Unreachable is not dead.


def test_a_runner_unreachable_for_an_hour_restarts_nothing_and_is_adopted_after(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.up_to("RUNNING", one)
    rig.cut()
    for _ in range(12):
        rig.beat(300)
    assert rig.episode(one).phase == "RUNNING"
    assert "Unreachable is not dead" in why(rig, one)
    rig.heal()
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert len(rig.attempts(one)) == 1
    assert set(rig.starts().values()) == {1}


def test_an_attempt_that_ended_while_the_runner_was_away_is_collected(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    rig.cut()
    rig.exit(attempt_id)
    for _ in range(10):
        rig.beat(60)
    rig.heal()
    rig.run()
    assert rig.ended(one)[0] == "DONE"
    assert len(rig.attempts(one)) == 1


def test_a_launch_waits_for_an_unreachable_runner_however_long(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.up_to("LAUNCHING", one)
    rig.cut()
    for _ in range(12):
        rig.beat(300)
    assert rig.episode(one).phase == "LAUNCHING"
    assert len(rig.attempts(one)) == 1
    rig.heal()
    rig.run()
    assert rig.ended(one)[0] == "DONE"


def test_nothing_is_placed_on_an_unreachable_runner(rig: Rig) -> None:
    rig.cut()
    (one,) = rig.submit_accepted()
    rig.settle()
    assert rig.episode(one).phase == "QUEUED"
    assert "is UNREACHABLE: no answer in 20 s" in why(rig, one)
    (row,) = rig.rows(RunnerRow)
    assert row.link_errors["unreachable"] >= 1


def test_nothing_is_placed_on_a_runner_that_cannot_confine_an_agent(rig: Rig) -> None:
    rig.unconfine()
    (one,) = rig.submit_accepted()
    rig.settle()
    assert rig.episode(one).phase == "QUEUED"
    assert "cannot confine an agent: no user namespaces" in why(rig, one)


# Dead is said by the runner, and then the fence rises.


def test_an_attempt_whose_supervisor_died_is_made_again_with_a_higher_fence(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    first = rig.up_to("RUNNING", one)
    rig.runners["local"].die(first)
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert [(row.fence, row.ended) for row in rig.attempts(one)] == [(1, "supervisor-died"), (2, "completed")]
    assert set(rig.starts().values()) == {1}


def test_an_episode_whose_attempts_keep_dying_is_given_up_and_waits_longer_each_time(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    waits: list[timedelta] = []
    for _ in range(3):
        attempt_id = rig.up_to("RUNNING", one)
        rig.runners["local"].die(attempt_id)
        died_at = rig.clock()
        rig.beat()
        if (until := rig.episode(one).not_before) is not None:
            waits.append(until - died_at)
    assert rig.ended(one) == ("FAILED", "supervisor-died")
    assert "no process of the attempt lives" in rig.episode(one).detail
    assert [row.fence for row in rig.attempts(one)] == [1, 2, 3]
    assert [round(wait.total_seconds()) // 10 for wait in waits] == [1, 2]
    assert set(rig.starts().values()) == {1}


def test_a_reboot_kills_what_ran_there_and_all_of_it_is_made_again(rig: Rig) -> None:
    ids = rig.submit_accepted(count=2)
    for one in ids:
        rig.up_to("RUNNING", one)
    rig.runners["local"].reboot("boot-2")
    rig.run()
    assert [len(rig.attempts(one)) for one in ids] == [2, 2]
    assert {rig.ended(one)[0] for one in ids} == {"DONE"}


def test_a_preflight_that_is_given_up_refuses_the_campaigns_episodes_with_the_reason(rig: Rig) -> None:
    ids = rig.submit(count=2)
    (preflight,) = rig.preflights()
    for _ in range(3):
        rig.runners["local"].die(rig.up_to("RUNNING", preflight.id))
        rig.beat()
    rig.settle()
    assert rig.ended(preflight.id) == ("FAILED", "supervisor-died")
    for one in ids:
        assert rig.ended(one) == ("FAILED", "campaign-refused")
        assert "its preflight ended without a verdict (supervisor-died)" in rig.episode(one).detail


# Refusals.


def test_a_launch_refused_for_its_fence_ends_as_launch_refused_and_is_made_again(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.wires["local"].before["launch"] = [LinkRefused("stale-fence", "fence 1 is lower than 4")]
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    first, second = rig.attempts(one)
    assert (first.ended, first.failure_detail) == ("launch-refused", "fence 1 is lower than 4")
    assert rig.starts() == {second.id: 1}


def test_a_launch_that_has_to_wait_for_an_older_attempt_waits(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.wires["local"].before["launch"] = [LinkRefused("not-ended", "it still runs") for _ in range(20)]
    rig.run(after_s=60)
    assert rig.ended(one) == ("DONE", "completed")
    assert len(rig.attempts(one)) == 1


def test_checks_refused_while_the_agent_still_ends_are_sent_again(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.wires["local"].before["grade"] = [LinkRefused("not-ended", "its processes are not yet gone")] * 3
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")


@pytest.mark.parametrize("verb", ["grade", "cancel", "pull", "acknowledge"])
def test_a_fault_that_the_runner_cannot_name_is_tried_again(rig: Rig, verb: str) -> None:
    (one,) = rig.submit_accepted()
    rig.wires["local"].before[verb] = [LinkRefused("runner-fault", "the lock was held for 10 s")]
    if verb == "cancel":
        rig.up_to("RUNNING", one)
        rig.cancel(one)
    rig.run()
    assert rig.wires["local"].calls[verb] >= 1
    assert rig.ended(one)[0] == ("CANCELLED" if verb == "cancel" else "DONE")
    assert len(rig.attempts(one)) == 1


def test_no_second_attempt_lives_beside_one_that_was_started_unheard(the_toy: Toy, tmp_path: Path) -> None:
    rig = Rig(the_toy, tmp_path / "two", runners=("a", "b"), slots=1)
    (one,) = rig.submit_accepted()
    rig.up_to("LAUNCHING", one)
    wire = rig.wires[rig.attempts(one)[0].runner]
    # It is started, the answer is lost, and from then on the runner has a fault that it cannot name.
    wire.after["launch"] = [LinkError("the answer was lost")]
    wire.before["launch"] = []
    rig.answer()
    wire.before["launch"] = [LinkRefused("runner-fault", "no space left on device")] * 20
    for wired in rig.wires.values():
        wired.before["report"] = [LinkError("no answer")] * 40
    for _ in range(30):
        rig.beat(60)
    living = [known for link in rig.runners.values() for known in link.attempts.values()]
    assert [known.status.phase for known in living if not known.cancel_asked] == ["running"]
    rig.run()
    assert rig.ended(one)[0] == "DONE"


# Artifacts.


def test_artifacts_that_do_not_verify_are_pulled_again(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    rig.exit(attempt_id)
    whole = dict(rig.runners["local"].attempts[attempt_id].files)
    tamper(rig, attempt_id)
    rig.beat()
    rig.beat()
    assert rig.episode(one).phase == "COLLECTING"
    rig.runners["local"].attempts[attempt_id].files = whole
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert len(rig.attempts(one)) == 1


def test_artifacts_that_never_verify_are_given_up_as_lost(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    whole: dict[str, dict[str, bytes]] = {}

    def work() -> None:
        for attempt_id, known in list(rig.runners["local"].attempts.items()):
            if known.status.phase == "running":
                rig.exit(attempt_id)
                whole[attempt_id] = dict(known.files)
                tamper(rig, attempt_id)

    for _ in range(60):
        rig.beat(10)
        work()
        if rig.all_ended():
            break
    assert rig.ended(one) == ("FAILED", "artifacts-lost")
    assert "diff.patch' is not what the manifest says" in rig.episode(one).detail
    assert [row.ended for row in rig.attempts(one)] == ["artifacts-lost"] * 3
    assert not any(rig.runners["local"].attempts[attempt_id].acknowledged for attempt_id in whole)
    # What is left is asked for again and again, ever more rarely: giving it up would lose it.
    for attempt_id, files in whole.items():
        rig.runners["local"].attempts[attempt_id].files = files
    rig.beat(2 * 3600)
    rig.run()
    for attempt_id in whole:
        assert rig.runners["local"].attempts[attempt_id].acknowledged
        assert verify(attempt_folder(rig.home, attempt_id)) == []


def test_an_hour_without_the_runner_uses_up_no_try_at_its_artifacts(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("COLLECTING", one)
    rig.cut()
    for _ in range(12):
        rig.beat(300)
    rig.heal()
    whole = dict(rig.runners["local"].attempts[attempt_id].files)
    tamper(rig, attempt_id)
    rig.beat(60)
    rig.runners["local"].attempts[attempt_id].files = whole
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert len(rig.attempts(one)) == 1


# Verdicts.


def test_an_infrastructure_verdict_is_retried(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.leave = lambda spec: (
        broke_down(spec, "SANDBOX_UNAVAILABLE: no user namespaces") if spec.fence == 1 else leavings(spec)
    )
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert [row.ended for row in rig.attempts(one)] == ["sandbox-unavailable", "completed"]
    # Both results are here, so the runner may delete both.
    assert all(known.acknowledged for known in rig.runners["local"].attempts.values())


def test_an_infrastructure_verdict_every_time_fails_the_episode_without_one(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.leave = lambda spec: broke_down(spec, "SANDBOX_UNAVAILABLE: no user namespaces")
    rig.run()
    assert rig.ended(one) == ("FAILED", "sandbox-unavailable")
    assert len(rig.attempts(one)) == 3
    assert rig.episode(one).result is None


@pytest.mark.parametrize(
    ("stage", "result", "reason", "valid"),
    [
        ("build", "failed", "build-failed", True),
        ("test", "failed", "tests-failed", True),
        ("session", "timed-out", "agent-time-limit", True),
        ("smoke", "crashed", "smoke-crashed", False),
        ("smoke", "timed-out", "smoke-timed-out", False),
    ],
)
def test_an_agents_verdict_is_final(rig: Rig, stage: str, result: StageResult, reason: str, valid: bool) -> None:
    (one,) = rig.submit_accepted()
    rig.leave = lambda spec: leavings(spec, **{stage: result})
    rig.run()
    assert rig.ended(one) == ("DONE", reason)
    found = rig.episode(one).result
    assert found is not None and found["valid"] is valid
    assert len(rig.attempts(one)) == 1


def test_what_cannot_be_scored_is_given_up_and_its_artifacts_kept(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("SCORING", one)
    folder = rig.home / "attempts" / attempt_id
    (folder / "verifier").write_text("a file where a folder belongs")
    rig.run()
    assert rig.ended(one) == ("FAILED", "scoring-failed")
    assert len(rig.attempts(one)) == 1
    assert (folder / "diff.patch").is_file()


# Late news.


def test_a_late_report_does_not_bring_an_ended_attempt_back_to_life(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    late = rig.runners["local"].attempts[attempt_id].status
    rig.exit(attempt_id)
    rig.up_to("SCORING", one)
    rig.cut()
    rig.overhear(late)
    rig.settle(10)
    assert rig.ended(one) == ("DONE", "completed")


def test_a_journal_reported_in_pieces_is_told_once(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    fake = rig.runners["local"]
    for stage in ("checkout", "session", "build"):
        fake.enter(attempt_id, stage)
        rig.lose_answer("report")
        rig.beat(2)
        rig.beat(2)
    told = [row.data["stage"] for row in rig.rows(EventRow) if row.source == "runner"]
    assert told == ["checkout", "session", "build"]
