"""What operators say of single devices over HTTP, and what is shown of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import col, select

from orchestrator.store.tables import RunnerEventRow, RunnerRow
from tests.unit.planning.builders import LARGE, SMALL
from tests.unit.service.rig import Rig

V1 = "/api/v1"
FIRST, SECOND, OTHER = (f"00000000-0{n}00-0000-0000-000000000000" for n in (3, 4, 5))
LOCAL = {"name": "local", "kind": "local"}
BIG = {"uuid": SECOND.upper(), "tags": ["big"], "price_per_hour": 0.1, "watts": {"idle": 20, "busy": 350}}


@pytest.fixture
def cards(rig: Rig) -> Rig:
    """The rig's machine, once it has said which cards it has."""
    runner = rig.runners["local"]
    gpus = replace(SMALL, device_uuid=FIRST), replace(LARGE, device_uuid=SECOND)
    runner.said = replace(runner.said, gpus=gpus)
    rig.observe()
    return rig


def shown(api: TestClient) -> list[dict[str, Any]]:
    return api.get(f"{V1}/runners/local").json()["devices"]


def test_devices_are_shown_in_the_machines_order(api: TestClient, cards: Rig) -> None:
    listed = [(device["uuid"], device["name"], device["vram_bytes"] >> 30, device["health"]) for device in shown(api)]
    assert listed == [(FIRST, "RX 7600", 8, "UNKNOWN"), (SECOND, "RX 7900 XTX", 24, "UNKNOWN")]
    assert shown(api)[0]["tags"] == ["amd", "discrete-gpu", "gpu", "radv", "vulkan"]


def test_what_runs_on_a_device_is_shown_with_it(api: TestClient, cards: Rig) -> None:
    one, two = cards.submit_accepted(count=2)
    attempts = {episode: cards.attempt(cards.up_to("RUNNING", episode)).gpu for episode in (one, two)}
    assert {device["uuid"]: device["running"] for device in shown(api)} == {
        gpu: [episode] for episode, gpu in attempts.items()
    }
    assert api.get(f"{V1}/episodes/{one}").json()["attempts"][0]["gpu"] == attempts[one]


def test_adding_a_runner_again_says_something_of_a_device_and_keeps_how_it_was_judged(
    api: TestClient, cards: Rig
) -> None:
    with cards.store.writing() as session:
        session.get_one(RunnerRow, "local").devices = {SECOND: {"health": "GOOD"}}
    answer = api.post(f"{V1}/runners", json={**LOCAL, "gpus": [BIG]})
    assert answer.status_code == 201, answer.text
    second = shown(api)[1]
    assert (second["health"], "big" in second["tags"]) == ("GOOD", True)
    assert second["prices"] == {"hardware_usd_per_h": 0.1, "asleep_w": 0, "idle_w": 20, "busy_w": 350}
    with cards.store.reading() as session:
        found = select(RunnerEventRow.data).where(col(RunnerEventRow.event) == "devices-changed")
        assert session.exec(found).all() == [{"was": {SECOND: {"health": "GOOD"}}}]
    assert api.post(f"{V1}/runners", json={**LOCAL, "gpus": [BIG]}).status_code == 409


def test_what_is_said_of_a_device_replaces_what_was(api: TestClient, cards: Rig) -> None:
    api.post(f"{V1}/runners", json={**LOCAL, "gpus": [BIG]})
    api.post(f"{V1}/runners", json={**LOCAL, "gpus": [{"uuid": SECOND}]})
    assert (shown(api)[1]["prices"], "big" in shown(api)[1]["tags"]) == (None, False)


def test_a_device_that_the_machine_did_not_report_is_refused_beside_those_that_it_did(
    api: TestClient, cards: Rig
) -> None:
    answer = api.post(f"{V1}/runners", json={**LOCAL, "gpus": [{"uuid": OTHER, "tags": ["big"]}]})
    assert answer.status_code == 422
    assert f"runner local reported no device {OTHER}" in answer.text
    assert f"{FIRST} (RX 7600), {SECOND} (RX 7900 XTX)" in answer.text
    assert all("big" not in device["tags"] for device in shown(api))


@pytest.mark.parametrize(
    ("gpus", "says"),
    [([{"uuid": "card0"}], "'card0' is no deviceUUID"), ([BIG, {"uuid": SECOND}], "named twice")],
)
def test_what_names_no_one_device_is_refused(
    api: TestClient, cards: Rig, gpus: list[dict[str, Any]], says: str
) -> None:
    answer = api.post(f"{V1}/runners", json={**LOCAL, "gpus": gpus})
    assert (answer.status_code, says in answer.text) == (422, True)


def test_a_machine_that_has_not_answered_yet_may_have_any_device(api: TestClient) -> None:
    added = api.post(f"{V1}/runners", json={"name": "new", "kind": "local", "gpus": [BIG]})
    assert added.status_code == 201, added.text
    (device,) = added.json()["devices"]
    assert (device["uuid"], device["reported"], device["tags"]) == (SECOND, False, ["big"])
