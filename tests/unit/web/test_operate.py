"""Operators over HTTP: each act with a name, each refusal with a reason."""

from __future__ import annotations

from fastapi.testclient import TestClient

from tests.unit.service.rig import Rig

V1 = "/api/v1"


def test_a_runner_is_declared_dead_with_a_name_and_taken_back(api: TestClient, rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.up_to("RUNNING", one)
    body = {"by": "ada", "reason": "smoke came out"}
    refused = api.post(f"{V1}/runners/local/declare-dead", json=body)
    assert refused.status_code == 409
    assert "it is not dead" in refused.json()["error"]["message"]
    said = api.post(f"{V1}/runners/local/declare-dead", json={**body, "force": True})
    assert said.json() == {"runner": "local", "state": "out of service", "episodes": [one]}
    assert api.get(f"{V1}/runners/local").json()["state"] == "out of service"
    assert api.post(f"{V1}/runners/local/resume", json={"by": "ada"}).status_code == 200
    events = api.get(f"{V1}/runners/local").json()["events"]
    assert [(event["event"], event["actor"]) for event in events] == [("declared-dead", "ada"), ("resumed", "ada")]


def test_a_death_without_a_reason_or_of_a_stranger_is_refused(api: TestClient) -> None:
    assert api.post(f"{V1}/runners/local/declare-dead", json={"by": "ada"}).status_code == 422
    assert api.post(f"{V1}/runners/local/declare-dead", json={"by": "", "reason": "x"}).status_code == 422
    assert api.post(f"{V1}/runners/nosuch/declare-dead", json={"reason": "x"}).status_code == 404
    assert api.post(f"{V1}/runners/nosuch/resume", json={}).status_code == 404


def test_a_cancelled_episode_is_tried_afresh_under_a_new_id(api: TestClient, rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    api.post(f"{V1}/episodes/{one}/cancel", json={"by": "ada"})
    rig.run()
    new = api.post(f"{V1}/episodes/{one}/retry", json={"by": "ada"})
    assert (new.status_code, new.json()["retry_of"], new.json()["phase"]) == (201, one, "QUEUED")
    again = api.post(f"{V1}/episodes/{one}/retry", json={})
    assert again.status_code == 409
    assert new.json()["id"] in again.json()["error"]["message"]


def test_an_episode_is_judged_again_from_what_was_kept(api: TestClient, rig: Rig, done: str) -> None:
    before = api.get(f"{V1}/episodes/{done}").json()
    said = api.post(f"{V1}/episodes/{done}/rescore", json={"by": "ada"})
    assert (said.status_code, said.json()["valid"]) == (200, True)
    assert api.get(f"{V1}/episodes/{done}").json() == before
    (preflight,) = rig.preflights()
    assert api.post(f"{V1}/episodes/{preflight.id}/rescore", json={}).status_code == 409
