"""One machine with two cards: attempts are for one of them, from the plan to what the runner is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.store.tables import RunnerRow
from tests.unit.planning.builders import LARGE, SMALL
from tests.unit.service.rig import Rig


@pytest.fixture
def two_cards(rig: Rig) -> Rig:
    runner = rig.runners["local"]
    runner.said = replace(runner.said, gpus=(SMALL, LARGE))
    return rig


def devices_sent(rig: Rig) -> dict[str, str]:
    """By episode, the device in what the runner was sent."""
    specs = [attempt.spec for attempt in rig.runners["local"].attempts.values() if attempt.spec is not None]
    return {spec.episode_id: spec.gpu for spec in specs}


def test_two_episodes_at_once_are_for_two_devices(two_cards: Rig) -> None:
    one, two = two_cards.submit_accepted(count=2)
    attempts = [two_cards.up_to("RUNNING", one), two_cards.up_to("RUNNING", two)]
    assert {two_cards.attempt(attempt).gpu for attempt in attempts} == {"small", "large"}
    assert devices_sent(two_cards) == {one: two_cards.attempt(attempts[0]).gpu, two: two_cards.attempt(attempts[1]).gpu}


def test_a_device_that_is_free_again_gets_the_next_episode(two_cards: Rig) -> None:
    for _ in range(2):
        (one,) = two_cards.submit_accepted()
        two_cards.run()
        assert two_cards.episode(one).phase == "DONE"
    assert list(devices_sent(two_cards).values()) == ["small", "small"]


def test_with_one_device_quarantined_all_are_for_the_other(two_cards: Rig) -> None:
    judge(two_cards, "small")
    one, two = two_cards.submit_accepted(count=2)
    for episode in (one, two):
        two_cards.up_to("RUNNING", episode)
    assert devices_sent(two_cards) == {one: "large", two: "large"}


def test_the_device_outlives_the_process_that_chose_it(two_cards: Rig) -> None:
    (one,) = two_cards.submit_accepted()
    attempt = two_cards.up_to("LAUNCHING", one)
    two_cards.restart()
    assert two_cards.up_to("RUNNING", one) == attempt
    assert devices_sent(two_cards) == {one: two_cards.attempt(attempt).gpu} == {one: "small"}


def judge(rig: Rig, gpu: str) -> None:
    with rig.store.writing() as session:
        row = session.get_one(RunnerRow, "local")
        row.devices = {**row.devices, gpu: {"health": "QUARANTINED", "detail": "hot", "since": rig.clock().isoformat()}}
        session.add(row)
