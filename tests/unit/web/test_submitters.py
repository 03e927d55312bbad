"""Episodes belong to whoever submitted them, and the slots are shared out among those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.unit.service.rig import Rig, Toy

V1 = "/api/v1"


def submit(api: TestClient, rig: Rig, **changes: Any) -> dict[str, Any]:
    body = {"bundle": vars(rig.toy.bundle()), "agents": ["replay:doer"], **changes}
    answer = api.post(f"{V1}/episodes", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["episodes"][0]


def test_who_submitted_an_episode_is_shown_of_it_and_of_its_preflight(api: TestClient, rig: Rig) -> None:
    one = submit(api, rig, by="ada")
    assert one["submitter"] == "ada"
    assert api.get(f"{V1}/episodes/{one['id']}").json()["submitter"] == "ada"
    listed = api.get(f"{V1}/episodes", params={"kind": ""}).json()["episodes"]
    assert [(each["kind"], each["submitter"]) for each in listed].count(("preflight", "ada")) == 1
    happened = api.get(f"{V1}/episodes/{one['id']}/events").json()["events"]
    assert happened[0]["data"]["by"] == "ada"


def test_a_client_that_names_nobody_submits_as_whoever_has_the_token(api: TestClient, rig: Rig) -> None:
    assert submit(api, rig)["submitter"] == "someone with the token"


@pytest.mark.parametrize("name", ["", "a" * 101])
def test_a_name_that_is_none_is_refused(api: TestClient, rig: Rig, name: str) -> None:
    body = {"bundle": vars(rig.toy.bundle()), "agents": ["replay:doer"], "by": name}
    assert api.post(f"{V1}/episodes", json=body).status_code == 422
    assert rig.all_ended()


def test_an_episode_that_is_tried_afresh_is_of_whoever_asked_for_that(api: TestClient, rig: Rig) -> None:
    one = submit(api, rig, by="ada")["id"]
    api.post(f"{V1}/episodes/{one}/cancel", json={"by": "ada"})
    rig.settle()
    assert api.post(f"{V1}/episodes/{one}/retry", json={"by": "ben"}).json()["submitter"] == "ben"


def test_two_slots_are_shared_by_two_submitters_however_many_the_first_one_queued(the_toy: Toy, tmp_path: Path) -> None:
    rig = Rig(the_toy, tmp_path / "shared", slots=2)
    many = rig.submit_accepted(count=4, by="ada")
    rig.clock.advance(1)
    (one,) = rig.submit_accepted(by="ben")
    rig.run()
    started = sorted((row.started_at, row.id) for row in map(rig.episode, (*many, one)))
    assert {episode for _, episode in started[:2]} == {many[0], one}
