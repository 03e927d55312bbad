"""Faults of the orchestrator, of links and of machines, by number, in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import LinkError, LinkRefused
from orchestrator.store.asking import ask
from orchestrator.store.queries import live_log
from orchestrator.store.record import record_report
from orchestrator.store.tables import EventRow
from runner_agent.protocol import ReportRequest
from tests.unit.service.rig import Rig, Toy

HOUR_S = 3600.0
SIX_HOURS_OF_BEATS = 72


def away_for_six_hours(rig: Rig) -> None:
    rig.cut()
    for _ in range(SIX_HOURS_OF_BEATS):
        rig.beat(HOUR_S / 12)


@pytest.mark.fault(1)
def test_a_process_that_dies_after_the_intake_and_before_any_ring_loses_nothing(rig: Rig) -> None:
    rig.bell.deaf = True
    (one,) = rig.submit_accepted()
    rig.restart()
    rig.bell.deaf = False
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert list(rig.starts().values()) == [1]


@pytest.mark.fault(3)
def test_a_slot_that_was_leased_by_a_process_that_died_is_used_or_given_back(the_toy: Toy, tmp_path: Path) -> None:
    rig = Rig(the_toy, tmp_path / "two", runners=("a", "b"), slots=1)
    (one,) = rig.submit_accepted()
    rig.up_to("ASSIGNED", one)
    holder = str(rig.episode(one).runner)
    rig.restart()
    rig.cut(holder)
    rig.observe(holder)
    rig.beat()
    assert rig.episode(one).runner != holder
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")


@pytest.mark.fault(19)
def test_after_six_hours_without_a_link_the_attempt_is_adopted_and_its_result_collected(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    away_for_six_hours(rig)
    assert rig.episode(one).phase == "RUNNING"
    rig.runners["local"].await_checks(attempt_id)
    rig.heal()
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert rig.starts() == {attempt_id: 1}


@pytest.mark.fault(19)
def test_an_attempt_that_ended_ungraded_while_nobody_came_is_graded_when_somebody_does(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    away_for_six_hours(rig)
    rig.runners["local"].finish(attempt_id, {"diff.patch": b""}, gradable=True)
    rig.heal()
    rig.settle()
    known = rig.runners["local"].attempts[attempt_id]
    assert (known.status.phase, [check.id for check in known.checks or ()]) == ("running", ["file/0"])
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert (rig.episode(one).result or {})["valid"] is True
    assert rig.starts() == {attempt_id: 1}


def test_an_ungraded_attempt_that_nobody_wants_is_collected_as_it_is(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    rig.cut()
    rig.cancel(one)
    rig.runners["local"].finish(attempt_id, {"diff.patch": b""}, gradable=True)
    rig.heal()
    rig.run()
    assert rig.ended(one) == ("CANCELLED", "cancelled")
    assert rig.wires["local"].calls["grade"] == 0


@pytest.mark.fault(20)
def test_a_reboot_is_seen_by_its_boot_id_and_the_attempt_made_again_where_it_was_or_elsewhere(
    the_toy: Toy, tmp_path: Path
) -> None:
    rig = Rig(the_toy, tmp_path / "two", runners=("a", "b"), slots=1)
    (one,) = rig.submit_accepted()
    first = rig.attempt(rig.up_to("RUNNING", one))
    rig.runners[first.runner].reboot("boot-2")
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    again = rig.attempts(one)[1]
    assert (rig.attempt(first.id).ended, again.fence) == ("runner-lost", 2)
    assert again.runner != first.runner
    assert (rig.home / "attempts" / first.id).is_dir(), "what the failed attempt left is kept"


def test_an_attempt_whose_folder_vanished_without_a_reboot_is_lost_on_proof(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    first = rig.up_to("RUNNING", one)
    rig.runners["local"].lose(first)
    rig.run()
    assert [row.ended for row in rig.attempts(one)] == ["attempt-lost", "completed"]


@pytest.mark.fault(18)
def test_a_launch_that_arrives_after_its_cancellation_starts_nothing(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.wires["local"].delayed = 1
    rig.up_to("LAUNCHING", one)
    rig.answer()
    rig.cancel(one)
    rig.bell.rung.clear()
    rig.tick()
    rig.perform(rig.acts("cancel")[0].id)
    rig.wires["local"].deliver()
    rig.run()
    assert rig.ended(one) == ("CANCELLED", "cancelled")
    assert not rig.starts()


@pytest.mark.fault(17, 18)
def test_a_launch_that_arrives_late_is_the_one_start_there_is(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.wires["local"].delayed = 1
    attempt_id = rig.up_to("LAUNCHING", one)
    rig.answer()
    rig.wires["local"].deliver()
    rig.run()
    rig.wires["local"].deliver()
    assert rig.ended(one) == ("DONE", "completed")
    assert rig.starts() == {attempt_id: 1}


@pytest.mark.fault(9, 18)
def test_a_cancel_that_arrives_after_the_end_was_noted_leaves_nothing_on_the_runner(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    rig.runners["local"].lose(attempt_id)
    rig.cancel(one)
    rig.tick()

    def it_is_found_to_be_gone_and_forgotten() -> None:
        for _ in range(3):
            rig.beat()
        assert rig.attempts(one)[0].acknowledged_at

    rig.wires["local"].before["cancel"] = [it_is_found_to_be_gone_and_forgotten]
    rig.perform(rig.acts("cancel")[0].id)
    assert rig.runners["local"].attempts[attempt_id].status.phase == "cancelled"
    rig.run()
    assert rig.runners["local"].attempts[attempt_id].acknowledged
    assert rig.ended(one) == ("CANCELLED", "cancelled")


@pytest.mark.fault(18)
def test_a_launch_is_not_given_up_before_the_runner_promised_never_to_start_it(the_toy: Toy, tmp_path: Path) -> None:
    rig = Rig(the_toy, tmp_path / "two", runners=("a", "b"), slots=1)
    (one,) = rig.submit_accepted()
    preflight = set(rig.starts())
    rig.up_to("LAUNCHING", one)
    wire = rig.wires[rig.attempts(one)[0].runner]
    wire.delayed = 1
    rig.answer()
    wire.before["launch"] = [LinkRefused("runner-fault", "no space left on device")] * 20
    wire.before["cancel"] = [LinkError("no answer in 20 s")] * 40
    for _ in range(30):
        rig.beat(60)
    wire.deliver()
    assert set(rig.starts()) - preflight == {rig.attempts(one)[0].id}
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert len(rig.attempts(one)) == 1


@pytest.mark.fault(10)
def test_a_process_frozen_past_its_claim_changes_nothing_when_it_goes_on(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("LAUNCHING", one)
    (launch,) = rig.acts("launch")

    def others_go_on() -> None:
        rig.clock.advance(HOUR_S)
        rig.beat()
        rig.runners["local"].die(attempt_id)
        rig.run()

    rig.wires["local"].after["launch"] = [others_go_on]
    rig.perform(launch.id)
    before = rig.picture()
    rig.settle()
    assert rig.picture() == before
    assert rig.ended(one) == ("DONE", "completed")
    assert [row.ended for row in rig.attempts(one)] == ["supervisor-died", "completed"]
    assert set(rig.starts().values()) == {1}


@pytest.mark.fault(10)
def test_a_launch_frozen_before_its_call_is_refused_for_its_fence(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("LAUNCHING", one)
    (launch,) = rig.acts("launch")

    def it_is_declared_dead_and_done_again() -> None:
        rig.declare_dead()
        rig.take_back()
        rig.run()

    rig.wires["local"].before["launch"] = [it_is_declared_dead_and_done_again]
    rig.perform(launch.id)
    rig.settle()
    assert rig.ended(one) == ("DONE", "completed")
    assert attempt_id not in rig.starts()
    assert set(rig.starts().values()) == {1}


@pytest.mark.fault(6)
def test_a_log_whose_report_was_cut_off_has_no_gap_and_no_double_byte(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    for piece in (b"one\n", b"two\n", b"three\n"):
        rig.runners["local"].log(attempt_id, "logs/build-1.log", piece)
        rig.wires["local"].after["report"] = [LinkError("reset by peer")]
        rig.beat(2)
        rig.beat(2)
    with rig.store.reading() as session:
        assert live_log(session, attempt_id, 0, "logs/build-1.log") == "one\ntwo\nthree\n"


STORY = [
    "episode-submitted",
    "episode-assign",
    "episode-launch",
    "episode-started",
    "runner-unreachable",
    "runner-back",
    "episode-retry",
    "salvaged",
    "acknowledged",
    "episode-assign",
    "episode-launch",
    "episode-started",
    "checks-sent",
    "episode-ended",
    "episode-collected",
    "episode-scored",
    "acknowledged",
]


def test_the_events_of_an_episode_tell_its_whole_story(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    first = rig.up_to("RUNNING", one)
    rig.cut()
    rig.beat(5)
    rig.beat(5)
    rig.runners["local"].die(first)
    rig.heal()
    rig.run()
    told = [row for row in rig.rows(EventRow) if row.episode_id == one and row.source == "orchestrator"]
    assert [row.event for row in told] == STORY
    by_name = {row.event: row.data for row in told}
    assert by_name["runner-unreachable"] == {"runner": "local", "why": "no answer in 20 s"}
    (again,) = [row.data for row in told if row.event == "episode-retry"]
    assert (again["attempt"], again["runner"], again["reason"]) == (first, "local", "supervisor-died")
    assert again["not_before"] > rig.episode(one).submitted_at.isoformat()
    assert by_name["episode-collected"]["bytes"] > 0
    assert by_name["episode-collected"]["files"] > 0


def test_a_postponed_act_is_told_once_for_each_reason_and_not_for_each_try(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.up_to("LAUNCHING", one)
    rig.cut()
    for _ in range(20):
        rig.beat(60)
    rig.runners["local"].unreachable = "connection refused"
    for _ in range(20):
        rig.beat(60)
    whys = [row.data["why"] for row in rig.rows(EventRow) if row.event == "act-postponed"]
    assert whys == ["no answer in 20 s", "connection refused"]


@pytest.mark.fault(10, 20)
def test_a_report_asked_for_before_a_launch_proves_nothing_of_what_was_launched_since(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("LAUNCHING", one)
    with rig.store.reading() as session:
        asked = ask(session, "local")
    early = rig.runners["local"].report(ReportRequest(cursors=asked.cursors))
    assert early.gone == (attempt_id,)
    rig.runners["local"].reboot("boot-2")
    rig.answer()
    with rig.store.writing() as session:
        record_report(session, "local", early, asked, rig.clock())
    rig.tick()
    assert rig.episode(one).phase == "RUNNING"
    rig.run()
    assert rig.ended(one) == ("DONE", "completed")
    assert rig.starts() == {attempt_id: 1}


@pytest.mark.fault(7, 10)
def test_a_process_frozen_while_it_pulls_does_not_bring_an_ended_episode_back(rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.up_to("COLLECTING", one)
    (collect,) = rig.acts("collect")

    def others_go_on() -> None:
        rig.clock.advance(HOUR_S)
        rig.run()

    rig.wires["local"].after["pull"] = [others_go_on]
    rig.perform(collect.id)
    assert rig.ended(one) == ("DONE", "completed")
    assert len(rig.attempts(one)) == 1
