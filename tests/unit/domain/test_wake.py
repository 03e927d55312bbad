"""A wake is told by the stages that came and the one that did not."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.domain.wake import ORDER, STAGES, WakeStage, because, wake_answer
from tests.unit.planning.sleepers import NOW, failed, waking, woke


def test_the_stages_come_in_the_order_of_their_evidence() -> None:
    assert [str(stage) for stage in ORDER] == ["packet", "link", "tcp", "ssh", "boot-id", "hello", "vulkan"]
    assert set(ORDER) == set(WakeStage)


def test_every_failure_has_a_name_of_its_own_and_a_remedy() -> None:
    assert len({meaning.missing for meaning in STAGES.values()}) == len(STAGES)
    assert all(meaning.remedy.endswith(".") for meaning in STAGES.values())
    assert because(WakeStage.LINK, "192.0.2.7: no answer in time") == (
        "sent, but no answer to ARP: 192.0.2.7: no answer in time"
    )
    assert because(WakeStage.VULKAN, "") == "SSH up, no Vulkan device"


def test_the_answer_of_a_proven_wake() -> None:
    answer = wake_answer(woke(70))
    assert answer["runner"] == "gpu01" and answer["ready"] is True
    assert answer["stages"][0] == {"name": "packet", "seconds": 10.0} and len(answer["stages"]) == len(ORDER)
    assert (answer["failed_stage"], answer["reason"]) == (None, "")


def test_the_answer_of_a_failed_wake_names_the_stage_and_why() -> None:
    answer = wake_answer(failed(WakeStage.TCP, detail="connection refused"))
    assert answer == {
        "runner": "gpu01",
        "ready": False,
        "stages": [{"name": "packet", "seconds": 1}, {"name": "link", "seconds": 1}],
        "failed_stage": "tcp",
        "reason": "link up, but the SSH port does not answer: connection refused",
    }


def test_only_the_machines_own_answer_is_a_sign_of_life() -> None:
    assert not failed(WakeStage.LINK).showed_life
    assert failed(WakeStage.TCP).showed_life


def test_a_wake_under_way_knows_its_deadline_and_the_next_stage() -> None:
    one = waking(since_s=41)
    assert one.awaited is WakeStage.PACKET
    assert one.deadline == NOW + timedelta(seconds=180 - 41)
