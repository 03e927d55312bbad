"""How runners are woken over HTTP: what `add` takes, what it refuses, and what operators may ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paramiko
import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from orchestrator.store.tables import RunnerEventRow
from tests.unit.service.rig import Rig

V1 = "/api/v1"
PINNED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG8+v+oyplBbSeUkAVIqAT2ZOJ77Ww7R22gJmAWn6TTc"
WAKING = {"mac": "AA-BB-CC-DD-EE-01", "broadcast": "10.0.0.255", "interface": "eth1", "secureon": "00:11:22:33:44:55"}


@pytest.fixture
def body(tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    key.chmod(0o600)
    place = {"host": "10.0.0.2", "user": "matins", "key_path": str(key), "host_key": PINNED}
    return {"name": "gpu1", "kind": "ssh", **place}


def test_a_runner_with_a_mac_can_be_woken_and_its_password_is_never_shown(
    api: TestClient, body: dict[str, Any]
) -> None:
    added = api.post(f"{V1}/runners", json={**body, **WAKING})
    assert added.status_code == 201, added.text
    shown = {name: added.json()[name] for name in ("mac", "broadcast", "interface", "secureon", "sleeps")}
    assert shown == {
        "mac": "aa:bb:cc:dd:ee:01",
        "broadcast": "10.0.0.255",
        "interface": "eth1",
        "secureon": True,
        "sleeps": "suspend",
    }
    assert "00:11:22:33:44:55" not in api.get(f"{V1}/runners/gpu1").text


@pytest.mark.parametrize(
    "change",
    [
        {"mac": "ff:ff:ff:ff:ff:ff"},
        {"mac": "aa:bb"},
        {"mac": ""},
        {"broadcast": "10.0.0.999"},
        {"broadcast": "gpu1"},
        {"interface": "a/b"},
        {"secureon": "secret"},
        {"sleeps": "hibernate"},
    ],
    ids=str,
)
def test_what_wakes_nothing_is_refused(api: TestClient, body: dict[str, Any], change: dict[str, Any]) -> None:
    answer = api.post(f"{V1}/runners", json={**body, **WAKING, **change})
    assert answer.status_code == 422, answer.text
    assert api.get(f"{V1}/runners/gpu1").status_code == 404


def test_this_machine_cannot_wake_itself(api: TestClient) -> None:
    answer = api.post(f"{V1}/runners", json={"name": "here", "kind": "local", "mac": "aa:bb:cc:dd:ee:01"})
    assert (answer.status_code, "cannot wake itself" in answer.text) == (422, True)


def test_adding_a_runner_again_says_how_it_is_woken_and_forgets_nothing(
    api: TestClient, rig: Rig, body: dict[str, Any]
) -> None:
    assert api.post(f"{V1}/runners", json=body).json()["sleeps"] is None
    again = api.post(f"{V1}/runners", json={**body, **WAKING})
    assert (again.status_code, again.json()["mac"], again.json()["sleeps"]) == (201, "aa:bb:cc:dd:ee:01", "suspend")
    third = api.post(f"{V1}/runners", json={**body, "mac": WAKING["mac"], "sleeps": "power-off"})
    assert (third.json()["interface"], third.json()["sleeps"]) == ("eth1", "power-off")
    assert api.post(f"{V1}/runners", json={**body, **WAKING, "sleeps": "power-off"}).status_code == 409
    with rig.services.store.reading() as session:
        events = session.exec(select(RunnerEventRow).where(RunnerEventRow.event == "waking-changed")).all()
        assert [event.data["was"].get("sleeps") for event in events] == [None, "suspend"]


def test_a_runner_is_drained_resumed_and_removed_with_a_name(api: TestClient) -> None:
    by = {"by": "ada", "reason": "new fan"}
    assert api.post(f"{V1}/runners/local/drain", json=by).json() == {"runner": "local", "state": "draining"}
    assert api.get(f"{V1}/runners/local").json()["service"] == "DRAINING"
    assert api.post(f"{V1}/runners/local/resume", json={"by": "ada"}).status_code == 200
    assert api.post(f"{V1}/runners/local/remove", json=by).json() == {"runner": "local", "state": "retired"}
    assert api.post(f"{V1}/runners/local/drain", json=by).status_code == 409
    events = api.get(f"{V1}/runners/local").json()["events"]
    assert [(event["event"], event["actor"]) for event in events] == [
        ("draining", "ada"),
        ("resumed", "ada"),
        ("retired", "ada"),
    ]


def test_a_machine_without_a_mac_is_neither_woken_nor_put_to_sleep(api: TestClient, body: dict[str, Any]) -> None:
    api.post(f"{V1}/runners", json=body)
    woken = api.post(f"{V1}/runners/gpu1/wake", json={"by": "ada"})
    assert (woken.status_code, "add its MAC address" in woken.text) == (409, True)
    assert api.post(f"{V1}/runners/gpu1/sleep", json={"by": "ada"}).status_code == 409
    assert api.post(f"{V1}/runners/gpu1/sleep", json={"by": "ada", "how": "hibernate"}).status_code == 422
    assert api.post(f"{V1}/runners/none/wake", json={"by": "ada"}).status_code == 404


def test_a_wake_is_begun_and_its_state_told(api: TestClient, body: dict[str, Any]) -> None:
    api.post(f"{V1}/runners", json={**body, **WAKING})
    begun = api.post(f"{V1}/runners/gpu1/wake", json={"by": "ada"}).json()
    assert (begun["runner"], begun["ready"], begun["stages"], begun["under_way"]) == ("gpu1", False, [], True)
    assert api.get(f"{V1}/runners/gpu1/wake").json() == begun
    shown = api.get(f"{V1}/runners/gpu1").json()
    assert shown["state"] == "waking"
    assert shown["why"].startswith("gpu1 is waking, 0 s of ")


def test_the_doctor_answers_with_each_prerequisite(api: TestClient) -> None:
    said = api.post(f"{V1}/runners/local/doctor").json()
    assert said["runner"] == "local"
    assert said["prerequisites"][0]["name"] == "connection"
    assert {each["result"] for each in said["prerequisites"]} <= {"pass", "fail", "unknown"}


def test_the_fleet_is_told_at_once_with_the_queue_in_its_order(api: TestClient, rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.up_to("RUNNING", one)
    two, three = rig.submit(count=2)
    seen = api.get(f"{V1}/fleet").json()
    assert seen["counts"]["running"] == 1
    assert seen["episodes"][0]["id"] == one
    assert {two, three} == {episode["id"] for episode in seen["episodes"][1:]}
    assert seen["counts"]["queued"] == 2 and seen["oldest_queued_at"]
    assert [(runner["name"], runner["running"]) for runner in seen["runners"]] == [("local", [one])]


def test_every_problem_of_an_import_is_said_at_once_and_nothing_is_added(api: TestClient, body: dict[str, Any]) -> None:
    wanted = [
        {**body, "name": "GPU 1", "mac": "nonsense", "line": 3},
        {**body, "name": "gpu2", "line": 4},
        {**body, "name": "gpu3", "line": 5},
    ]
    said = api.post(f"{V1}/runners/import", json={"runners": wanted})
    assert said.status_code == 422
    problems = [(each["line"], each["where"]) for each in said.json()["error"]["problems"]]
    assert problems == [(3, "GPU 1"), (3, "GPU 1"), (5, "gpu3")]
    assert "has that home already" in said.json()["error"]["problems"][2]["message"]
    assert [runner["name"] for runner in api.get(f"{V1}/runners").json()["runners"]] == ["local"]


def test_an_import_adds_all_and_again_changes_nothing(api: TestClient, body: dict[str, Any]) -> None:
    wanted = [{**body, "name": "gpu1"}, {**body, "name": "gpu2", "host": "10.0.0.3", **WAKING}]
    checked = api.post(f"{V1}/runners/import", json={"runners": [{**wanted[0], "host_key": ""}], "check": True})
    assert (checked.status_code, checked.json()) == (201, {"runners": []})
    keyless = api.post(f"{V1}/runners/import", json={"runners": [{**wanted[0], "host_key": ""}]})
    assert keyless.status_code == 422

    first = api.post(f"{V1}/runners/import", json={"runners": wanted}).json()["runners"]
    assert [(runner["name"], runner["import"]) for runner in first] == [("gpu1", "added"), ("gpu2", "added")]
    wanted[0] |= {"mac": "aa:bb:cc:dd:ee:07"}
    again = api.post(f"{V1}/runners/import", json={"runners": wanted}).json()["runners"]
    assert [(runner["name"], runner["import"]) for runner in again] == [("gpu1", "changed"), ("gpu2", "unchanged")]
