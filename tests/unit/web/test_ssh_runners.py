"""Adding a runner over SSH: what is taken, what is refused, and how another key is pinned."""

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
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOqUnfMdGN4SQuoOpZHT/JXf4TYmvKoeMvpsaU1X4pS4"


@pytest.fixture
def body(tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    key.chmod(0o600)
    place = {"host": "10.0.0.2", "user": "matins", "key_path": str(key), "host_key": PINNED}
    return {"name": "gpu1", "kind": "ssh", **place}


def test_a_runner_over_ssh_is_added_with_its_pinned_key_and_a_home_of_its_own(
    api: TestClient, body: dict[str, Any]
) -> None:
    added = api.post(f"{V1}/runners", json={**body, "host_key": f"{PINNED} root@gpu1"})
    assert added.status_code == 201, added.text
    shown = {name: added.json()[name] for name in ("host", "port", "user", "home", "host_key")}
    assert shown == {
        "host": "10.0.0.2",
        "port": 22,
        "user": "matins",
        "home": ".matins-runner",
        "host_key": PINNED,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"host": "-oProxyCommand=x"},
        {"host": ""},
        {"user": "a b"},
        {"port": 0},
        {"host_key": ""},
        {"host_key": "ssh-ed25519 AAAA"},
        {"home": "/a;b"},
        {"key_path": "key"},
        {"key_path": "/nonexistent/key"},
        {"key_path": "/etc/hostname"},
        {"kind": "telnet"},
    ],
    ids=str,
)
def test_what_cannot_be_reached_is_not_added(api: TestClient, body: dict[str, Any], change: dict[str, Any]) -> None:
    answer = api.post(f"{V1}/runners", json={**body, **change})
    assert answer.status_code == 422, answer.text
    assert api.get(f"{V1}/runners/gpu1").status_code == 404


def test_a_key_file_that_others_can_read_is_refused(api: TestClient, body: dict[str, Any]) -> None:
    Path(body["key_path"]).chmod(0o644)
    assert "chmod 600" in api.post(f"{V1}/runners", json=body).text


def test_two_runners_never_share_a_home(api: TestClient, body: dict[str, Any]) -> None:
    assert api.post(f"{V1}/runners", json=body).status_code == 201
    twin = {**body, "name": "gpu2"}
    assert api.post(f"{V1}/runners", json=twin).status_code == 409
    assert api.post(f"{V1}/runners", json={**twin, "home": "second"}).status_code == 201


def test_adding_it_again_pins_another_key_and_nothing_else(api: TestClient, rig: Rig, body: dict[str, Any]) -> None:
    assert api.post(f"{V1}/runners", json=body).status_code == 201
    assert api.post(f"{V1}/runners", json=body).status_code == 409
    assert api.post(f"{V1}/runners", json={**body, "host": "10.0.0.3", "host_key": OTHER}).status_code == 409

    again = api.post(f"{V1}/runners", json={**body, "host_key": OTHER})
    assert (again.status_code, again.json()["host_key"]) == (201, OTHER)
    with rig.services.store.reading() as session:
        (event,) = session.exec(select(RunnerEventRow).where(RunnerEventRow.event == "keys-pinned")).all()
        assert event.data["was"]["host_key"] == PINNED


def test_adding_it_again_changes_what_is_stated_of_it_this_time_and_keeps_the_rest(
    api: TestClient, rig: Rig, body: dict[str, Any]
) -> None:
    stated = {"tags": ["fast"], "slots": {"agent": 2}, "watts": {"idle": 60, "rest": 40}, "price_per_kwh": 0.3}
    assert api.post(f"{V1}/runners", json={**body, **stated}).status_code == 201
    again = api.post(f"{V1}/runners", json={**body, "slots": {"build": 3}, "watts": {"busy": 400}, "tags": []})
    assert again.status_code == 201, again.text
    seen = again.json()
    assert (seen["tags"], seen["slots"]) == (["fast"], {"agent": 2, "build": 3, "buffer": 2})
    assert {name: seen["prices"][name] for name in ("idle_w", "busy_w", "rest_w", "energy_usd_per_kwh")} == {
        "idle_w": 60,
        "busy_w": 400,
        "rest_w": 40,
        "energy_usd_per_kwh": 0.3,
    }
    assert api.post(f"{V1}/runners", json={**body, "tags": ["big"]}).json()["tags"] == ["big"]
    with rig.services.store.reading() as session:
        events = session.exec(select(RunnerEventRow).where(RunnerEventRow.event == "facts-changed")).all()
    assert [sorted(event.data["was"]) for event in events] == [["build_slots", "prices"], ["tags"]]


def test_the_key_of_a_host_that_does_not_answer_is_not_made_up(api: TestClient) -> None:
    assert api.post(f"{V1}/runners/host-key", json={"host": "-x"}).status_code == 422
    said = api.post(f"{V1}/runners/host-key", json={"host": "127.0.0.1", "port": 1})
    assert (said.status_code, "refused" in said.text) == (409, True)
