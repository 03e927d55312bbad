"""Asking over HTTP whether messages arrive."""

from __future__ import annotations

from dataclasses import replace

from fastapi.testclient import TestClient
from pydantic import SecretStr

from orchestrator.machines.messenger import REFUSED, FakeMessenger
from orchestrator.web.app import create_app
from tests.unit.service.rig import Rig

TEST = "/api/v1/notify/test"


def test_each_place_is_said_to_have_taken_it_or_not_and_none_of_its_url_is(rig: Rig) -> None:
    urls = ("json://ada:geheim@hook.example", "slack://a/b/c")
    settings = rig.services.settings.model_copy(update={"notify": tuple(map(SecretStr, urls))})
    services = replace(rig.services, settings=settings, messenger=FakeMessenger(broken={urls[0]: 1}))
    api = TestClient(create_app(services, "a-token"), headers={"authorization": "Bearer a-token"})
    answer = api.post(TEST)
    assert answer.json()["places"] == [
        {"place": 1, "service": "json", "sent": False, "problem": REFUSED},
        {"place": 2, "service": "slack", "sent": True, "problem": ""},
    ]
    shown = answer.text + api.get("/api/v1/config").text
    assert "********" in shown
    assert "geheim" not in shown
    assert "hook.example" not in shown


def test_where_nobody_is_told_the_answer_says_what_to_set(api: TestClient) -> None:
    answer = api.post(TEST)
    assert answer.status_code == 409
    assert "MATINS_NOTIFY" in answer.json()["error"]["remedy"]


def test_a_stranger_sends_nothing(stranger: TestClient) -> None:
    assert stranger.post(TEST).status_code == 401
