"""What is done next for a machine that wakes."""

from __future__ import annotations

from datetime import datetime

from orchestrator.domain.wake import GpuNeed, WakeAttempt, WakeRecord, WakeStage
from orchestrator.planning.wake_steps import LOOK_S, RESEND_S, Look, Send, came, missed, next_step, sent
from tests.unit.planning.sleepers import NOW, seconds, waking


def after(since_s: float) -> datetime:
    return NOW + seconds(since_s)


def begun(**changes: object) -> WakeAttempt:
    return waking(since_s=0, **changes)


def through(wake: WakeAttempt, *stages: WakeStage, each_s: float = 5) -> WakeAttempt:
    for nth, stage in enumerate(stages, start=1):
        wake = came(wake, stage, after(nth * each_s))
    return wake


def test_first_a_packet_is_sent_and_then_the_link_is_looked_for() -> None:
    assert next_step(begun(), NOW) == Send()
    assert next_step(sent(begun(), 6, NOW), NOW) == Look(stage=WakeStage.LINK, limit_s=LOOK_S[WakeStage.LINK])


def test_packets_are_repeated_until_the_ssh_port_answers() -> None:
    wake = sent(begun(), 6, NOW)
    assert isinstance(next_step(wake, after(RESEND_S - 0.1)), Look)
    assert next_step(wake, after(RESEND_S)) == Send()
    linked = came(sent(wake, 6, after(RESEND_S)), WakeStage.LINK, after(6))
    assert next_step(linked, after(2 * RESEND_S)) == Send()
    assert next_step(came(linked, WakeStage.TCP, after(9)), after(60)) == Look(stage=WakeStage.SSH, limit_s=10.0)
    assert linked.packets == 12


def test_each_stage_is_timed_from_the_one_before() -> None:
    wake = through(sent(begun(), 6, after(0.5)), WakeStage.LINK, WakeStage.TCP)
    assert [(time.stage, time.seconds) for time in wake.came] == [
        (WakeStage.PACKET, 0.5),
        (WakeStage.LINK, 4.5),
        (WakeStage.TCP, 5),
    ]


def test_it_is_over_when_all_stages_came() -> None:
    wake = through(sent(begun(), 6, NOW), *list(WakeStage)[1:])
    record = next_step(wake, after(31))
    assert isinstance(record, WakeRecord) and record.ready and record.reason == "" and record.seconds == 31


def test_a_machine_that_never_had_a_gpu_is_ready_after_its_hello() -> None:
    wake = through(sent(begun(gpu=GpuNeed.NONE), 6, NOW), *list(WakeStage)[1:-1])
    assert isinstance(next_step(wake, after(31)), WakeRecord)


def test_at_the_deadline_it_fails_with_the_stage_that_did_not_come_and_what_was_seen_instead() -> None:
    wake = missed(through(sent(begun(), 6, NOW), WakeStage.LINK), "connection refused")
    assert isinstance(next_step(wake, after(179)), Look | Send)
    record = next_step(wake, after(180))
    assert isinstance(record, WakeRecord)
    assert (record.ready, record.failed_stage) == (False, WakeStage.TCP)
    assert record.reason == "link up, but the SSH port does not answer: connection refused"


def test_a_look_ends_by_the_deadline() -> None:
    wake = through(sent(begun(), 6, NOW), WakeStage.LINK, WakeStage.TCP, WakeStage.SSH, WakeStage.BOOT_ID)
    assert next_step(wake, after(170)) == Look(stage=WakeStage.HELLO, limit_s=10)


def test_what_was_seen_before_a_stage_came_is_not_told_of_the_next() -> None:
    wake = came(missed(sent(begun(), 6, NOW), "no answer in time"), WakeStage.LINK, after(3))
    assert wake.missing == ""


def test_a_sighting_out_of_turn_changes_nothing() -> None:
    wake = sent(begun(), 6, NOW)
    assert came(wake, WakeStage.HELLO, after(1)) == wake
