"""An episode from its submission to its end, and what the doorbell has to do with it: nothing."""

from __future__ import annotations

from orchestrator.store.tables import ChunkRow, EventRow, RunnerRow
from tests.unit.service.leavings import leavings
from tests.unit.service.rig import Rig


def test_an_episode_goes_from_submission_to_done_and_its_preflight_accepts_the_campaign(rig: Rig) -> None:
    (one,) = rig.submit()
    (preflight,) = rig.preflights()
    rig.run()
    assert rig.ended(preflight.id)[0] == "DONE"
    assert (rig.campaign().acceptance, rig.campaign().acceptance_detail) == ("accepted", "")
    assert rig.ended(one) == ("DONE", "completed")
    result = rig.episode(one).result
    assert result is not None
    assert (result["valid"], result["items_done"], result["items_total"]) == (True, 2, 2)
    assert set(rig.starts().values()) == {1}
    assert len(rig.starts()) == 2


def test_an_episode_waits_for_the_preflight_of_its_campaign(rig: Rig) -> None:
    (one,) = rig.submit()
    rig.settle()
    assert rig.episode(one).phase == "QUEUED"
    assert rig.preflights()[0].phase == "RUNNING"


def test_the_hidden_checks_travel_only_once_the_agent_is_gone(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    rig.settle()
    known = rig.runners["local"].attempts[attempt_id]
    assert known.spec is not None
    assert [check.id for check in known.spec.checks] == ["faster/0"]
    assert known.checks is None
    rig.runners["local"].await_checks(attempt_id)
    rig.settle()
    assert [check.id for check in known.checks or ()] == ["file/0"]


def test_the_runner_deletes_only_after_the_verdict_is_committed(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("SCORING", one)
    assert not rig.runners["local"].attempts[attempt_id].acknowledged
    rig.run()
    assert rig.runners["local"].attempts[attempt_id].acknowledged
    assert rig.attempt(attempt_id).acknowledged_at is not None


def test_every_doorbell_rung_five_times_gives_one_start(rig: Rig) -> None:
    ids = rig.submit(count=2)
    for _ in range(200):
        if rig.all_ended():
            break
        rig.clock.advance(1)
        rig.bell.tick()
        while rig.bell.rung:
            rig.bell.rung[1:1] = [rig.bell.rung[0]] * 4 if len(rig.bell.rung) < 50 else []
            for _ in range(5):
                if rig.bell.rung:
                    rig.answer_one()
        rig.work()
    assert [rig.ended(one) for one in ids] == [("DONE", "completed")] * 2
    assert set(rig.starts().values()) == {1}
    assert len(rig.starts()) == len(rig.acts("launch")) == 3


def test_a_doorbell_that_was_lost_is_rung_again_by_the_next_tick(rig: Rig) -> None:
    rig.bell.deaf = True
    (one,) = rig.submit_accepted()
    rig.tick()
    rig.observe()
    for _ in range(3):
        rig.tick()
    assert rig.episode(one).phase == "LAUNCHING"
    assert not rig.starts()
    rig.bell.deaf = False
    rig.tick()
    assert ("perform", rig.acts("launch")[0].id) in rig.bell.rung
    rig.run()
    assert rig.ended(one)[0] == "DONE"


def test_an_observation_whose_doorbell_was_lost_is_made_within_a_minute_or_so(rig: Rig) -> None:
    rig.bell.deaf = True
    rig.tick()
    rig.bell.deaf = False
    rig.beat(61)
    assert rig.wires["local"].calls["report"] == 1


def test_with_no_doorbell_at_all_ticks_alone_find_the_work(rig: Rig) -> None:
    rig.bell.deaf = True
    (one,) = rig.submit_accepted()
    for _ in range(40):
        rig.clock.advance(1)
        rig.tick()
        rig.observe()
        for act_id in rig.due():
            rig.perform(act_id)
        rig.work()
    assert rig.ended(one) == ("DONE", "completed")
    assert set(rig.starts().values()) == {1}


def test_a_second_submission_of_an_accepted_campaign_adds_no_preflight(rig: Rig) -> None:
    rig.submit()
    rig.run()
    (again,) = rig.submit()
    assert len(rig.preflights()) == 1
    rig.run()
    assert rig.ended(again)[0] == "DONE"


def test_a_second_submission_while_the_preflight_runs_waits_for_the_same_one(rig: Rig) -> None:
    rig.submit()
    rig.settle()
    rig.submit()
    assert len(rig.preflights()) == 1


def test_a_refused_campaign_that_is_submitted_again_gets_another_preflight(rig: Rig) -> None:
    rig.leave = lambda spec: leavings(spec, build="failed")
    (first,) = rig.submit()
    rig.run()
    assert rig.ended(first) == ("FAILED", "campaign-refused")
    rig.leave = leavings
    (second,) = rig.submit()
    rig.run()
    assert rig.ended(second) == ("DONE", "completed")
    assert rig.ended(first) == ("FAILED", "campaign-refused")
    assert len(rig.preflights()) == 2


def test_a_campaign_whose_base_does_not_build_is_refused_and_says_why(rig: Rig) -> None:
    rig.leave = lambda spec: leavings(spec, build="failed")
    (one,) = rig.submit()
    rig.run()
    assert rig.ended(rig.preflights()[0].id) == ("DONE", "build-failed")
    assert rig.campaign().acceptance == "refused"
    assert "on the untouched base: The tree" in rig.episode(one).detail
    assert len(rig.starts()) == 1


def test_more_episodes_than_slots_run_one_after_the_other(rig: Rig) -> None:
    ids = rig.submit_accepted(count=5)
    rig.settle()
    running = [one for one in ids if rig.episode(one).phase == "RUNNING"]
    assert len(running) == 2
    rig.run()
    assert {rig.ended(one)[0] for one in ids} == {"DONE"}


def test_an_attempt_past_its_session_leaves_its_slot_to_the_next(rig: Rig) -> None:
    ids = rig.submit_accepted(count=4)
    rig.settle()
    first = next(one for one in ids if rig.episode(one).phase == "RUNNING")
    rig.runners["local"].enter(rig.episode(first).attempt_id or "", "smoke")
    rig.settle()
    assert [rig.episode(one).phase for one in ids].count("RUNNING") == 3
    assert rig.episode(first).phase == "RUNNING"


def test_an_attempt_is_told_how_many_may_build_on_its_machine(rig: Rig) -> None:
    with rig.store.writing() as session:
        session.get_one(RunnerRow, "local").build_slots = 3
    (one,) = rig.submit_accepted()
    spec = rig.runners["local"].attempts[rig.up_to("RUNNING", one)].spec
    assert spec is not None
    assert (spec.build_slots, spec.alone) == (3, False)


def test_an_attempt_is_told_that_it_has_its_machine_alone(rig: Rig) -> None:
    with rig.store.writing() as session:
        session.get_one(RunnerRow, "local").agent_slots = 1
    (one,) = rig.submit_accepted()
    spec = rig.runners["local"].attempts[rig.up_to("RUNNING", one)].spec
    assert spec is not None
    assert spec.alone


def test_what_no_report_had_brought_is_heard_before_the_runner_may_forget_it(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("COLLECTING", one)
    runner = rig.runners["local"]
    runner.event(attempt_id, "last-words")
    runner.log(attempt_id, "logs/build.log", b"and a last line\n")
    for kind in ("collect", "score", "acknowledge"):
        rig.perform(next(act.id or 0 for act in rig.acts(kind) if act.attempt_id == attempt_id))
    assert runner.attempts[attempt_id].acknowledged
    assert [row.event for row in rig.rows(EventRow) if row.attempt_id == attempt_id].count("last-words") == 1
    assert "and a last line\n" in [row.text for row in rig.rows(ChunkRow)]
