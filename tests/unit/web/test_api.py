"""What the HTTP API answers, and how it says no."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

import orchestrator
from tests.unit.service.rig import Rig

V1 = "/api/v1"


def error(answer: Response, status: int) -> dict[str, Any]:
    """The one shape of every refusal."""
    assert answer.status_code == status, answer.text
    (said,) = answer.json().values()
    assert set(said) == {"kind", "message", "remedy", "problems"}
    assert said["message"] and said["remedy"]
    return said


def bundle(rig: Rig, **changes: Any) -> dict[str, Any]:
    return {**vars(rig.toy.bundle()), **changes}


# Who may ask.


def test_health_says_its_version_without_a_token(stranger: TestClient) -> None:
    answer = stranger.get(f"{V1}/health")
    assert answer.status_code == 200
    assert answer.json()["version"] == orchestrator.__version__


@pytest.mark.parametrize("path", ["/episodes", "/episodes/x", "/episodes/x/files", "/runners", "/config"])
def test_without_the_token_everything_is_refused_alike(stranger: TestClient, path: str) -> None:
    assert error(stranger.get(V1 + path), 401)["kind"] == "not-allowed"
    for said in ("", "Bearer", "Bearer ", "Bearer wrong", "Bearer a-token-", "Basic a-token", "a-token"):
        assert error(stranger.get(V1 + path, headers={"authorization": said}), 401)["kind"] == "not-allowed"


@pytest.mark.parametrize("path", ["/episodes", "/episodes/x/cancel", "/campaigns/check", "/runners"])
def test_without_the_token_nothing_is_changed_whatever_is_sent(stranger: TestClient, rig: Rig, path: str) -> None:
    before = rig.picture()
    error(stranger.post(V1 + path, content=b"not json"), 401)
    assert rig.picture() == before


def test_the_word_bearer_may_be_written_in_any_case(stranger: TestClient) -> None:
    assert stranger.get(f"{V1}/episodes", headers={"authorization": "bEaReR a-token"}).status_code == 200


def test_the_token_is_never_shown(api: TestClient) -> None:
    answer = api.get(f"{V1}/config")
    assert "token" in answer.text
    assert "a-token" not in answer.text


# What does not exist, and what is not clear.


@pytest.mark.parametrize("path", ["", "/events", "/logs", "/explain", "/files", "/files/diff.patch"])
def test_an_episode_that_is_not_there_is_not_found(api: TestClient, path: str) -> None:
    said = error(api.get(f"{V1}/episodes/nosuch{path}"), 404)
    assert said["kind"] == "not-found"
    assert "nosuch" in said["message"]


def test_signs_that_mean_something_to_a_database_mean_nothing_in_an_id(api: TestClient, done: str) -> None:
    for prefix in ("%25", "_", "%2525", "%27", "%00", "ä", f"{done[0]}%25", f"_{done[1:]}"):
        error(api.get(f"{V1}/episodes/{prefix}"), 404)


def test_the_beginning_of_an_id_is_enough_if_it_is_one_episodes(api: TestClient, done: str) -> None:
    assert api.get(f"{V1}/episodes/{done[:8]}").json()["id"] == done


def test_a_beginning_that_several_share_is_refused(api: TestClient, rig: Rig) -> None:
    one, other = rig.submit(count=2)
    rig.rename({one: "shared-1", other: "shared-2"})
    said = error(api.get(f"{V1}/episodes/shared"), 422)
    assert "more than one" in said["message"]
    assert api.get(f"{V1}/episodes/shared-1").json()["id"] == "shared-1"


def test_a_runner_that_is_not_there_is_not_found(api: TestClient) -> None:
    assert error(api.get(f"{V1}/runners/nosuch"), 404)["kind"] == "not-found"


def test_a_page_that_is_not_there_is_refused_in_the_same_shape(api: TestClient) -> None:
    error(api.get(f"{V1}/nosuch"), 404)
    error(api.delete(f"{V1}/episodes"), 405)


# Bodies.


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"bundle": {}}', b'{"bundle": {"text": 1}, "agents": "x"}', b"\xff\xfe"]
)
def test_a_body_that_is_not_what_is_asked_for_is_refused(api: TestClient, body: bytes) -> None:
    answer = api.post(f"{V1}/episodes", content=body, headers={"content-type": "application/json"})
    assert error(answer, 422)["kind"] == "bad-input"


def test_every_problem_of_a_campaign_comes_back_with_its_line(api: TestClient, rig: Rig) -> None:
    broken = bundle(rig)["text"].replace("session_s = ", "session_s = -").replace("rounds = 2", "rounds = 0")
    answer = api.post(f"{V1}/episodes", json={"bundle": bundle(rig, text=broken), "agents": ["replay:doer"]})
    problems = error(answer, 422)["problems"]
    assert len(problems) == 2
    assert all(set(problem) == {"line", "where", "message", "remedy"} and problem["line"] for problem in problems)


@pytest.mark.parametrize(
    "changes",
    [
        {"agents": []},
        {"agents": ["replay:nosuch"]},
        {"agents": ["../../etc:passwd"]},
        {"count": 0},
        {"count": 10_000},
        {"priority": 10**6},
    ],
)
def test_a_submission_that_cannot_be_run_is_refused_and_nothing_kept(
    api: TestClient, rig: Rig, changes: dict[str, Any]
) -> None:
    before = rig.picture()
    error(api.post(f"{V1}/episodes", json={"bundle": bundle(rig), "agents": ["replay:doer"], **changes}), 422)
    assert rig.picture() == before


@pytest.mark.parametrize("base", ["--upload-pack=touch /tmp/x", "$(id)", "main\nx", "nosuch", "a..b"])
def test_a_base_that_is_no_commit_is_refused(api: TestClient, rig: Rig, base: str) -> None:
    text = bundle(rig)["text"].replace('base = "main"', f"base = {base!r}".replace("\\\\n", "\\n"))
    error(api.post(f"{V1}/episodes", json={"bundle": bundle(rig, text=text), "agents": ["replay:doer"]}), 422)


@pytest.mark.parametrize("sign", ["\ud800", "\x00"])
def test_text_that_no_database_takes_is_refused(api: TestClient, rig: Rig, sign: str) -> None:
    text = bundle(rig)["text"].replace("Faster by a fifth", f"Faster {sign}")
    content = json.dumps({"bundle": bundle(rig, text=text), "agents": ["replay:doer"]})
    answer = api.post(f"{V1}/episodes", content=content, headers={"content-type": "application/json"})
    error(answer, 422)


def test_a_good_submission_is_answered_with_its_episodes(api: TestClient, rig: Rig) -> None:
    answer = api.post(f"{V1}/episodes", json={"bundle": bundle(rig), "agents": ["replay:doer", "replay:idler"]})
    assert answer.status_code == 201
    said = answer.json()
    assert [(one["agent"], one["phase"]) for one in said["episodes"]] == [
        ("replay:doer", "QUEUED"),
        ("replay:idler", "QUEUED"),
    ]
    assert (said["campaign"], len(said["commit"])) == ("toy", 40)
    listed = api.get(f"{V1}/episodes").json()["episodes"]
    assert {one["id"] for one in listed} == {one["id"] for one in said["episodes"]}
    assert ("tick", None) in rig.bell.rung


@pytest.mark.parametrize(
    "query",
    ["events?after=x", "logs?offset=x", "events?after=99999999999999999999", "logs?offset=99999999999999999999"],
)
def test_a_number_that_is_none_or_too_large_is_refused(api: TestClient, done: str, query: str) -> None:
    error(api.get(f"{V1}/episodes/{done}/{query}"), 422)


# An episode's life, seen from outside.


def test_an_episode_can_be_watched_explained_and_read(api: TestClient, rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    attempt_id = rig.up_to("RUNNING", one)
    fake = rig.runners["local"]
    fake.enter(attempt_id, "build")
    fake.log(attempt_id, "logs/build-1.log", b"Compiling\n")
    rig.beat(2)
    said = api.get(f"{V1}/episodes/{one}/explain").json()
    assert said["state"] == "RUNNING"
    assert "in stage build" in said["lines"][0]
    logs = api.get(f"{V1}/episodes/{one}/logs").json()
    assert "Compiling\n" in logs["text"] and not logs["ended"]
    events = api.get(f"{V1}/episodes/{one}/events").json()
    assert [e["event"] for e in events["events"]][-1] == "stage-started"
    assert api.get(f"{V1}/episodes/{one}/events?after={events['next']}").json()["events"] == []
    error(api.get(f"{V1}/episodes/{one}/files"), 409)
    rig.run()
    shown = api.get(f"{V1}/episodes/{one}").json()
    assert (shown["phase"], shown["valid"], shown["items_done"]) == ("DONE", True, 2)
    assert shown["verdict"]["schema"] == "matins-verdict-1"
    assert [attempt["phase"] for attempt in shown["attempts"]] == ["completed"]
    assert api.get(f"{V1}/episodes/{one}/events").json()["ended"]


def test_a_cancellation_is_asked_for_once_and_of_the_living_only(api: TestClient, rig: Rig) -> None:
    (one,) = rig.submit_accepted()
    rig.up_to("RUNNING", one)
    for _ in range(2):
        assert api.post(f"{V1}/episodes/{one}/cancel").status_code == 200
    asked = [e for e in api.get(f"{V1}/episodes/{one}/events").json()["events"] if e["event"] == "cancel-requested"]
    assert len(asked) == 1
    rig.run()
    assert rig.ended(one) == ("CANCELLED", "cancelled")
    assert error(api.post(f"{V1}/episodes/{one}/cancel"), 409)["kind"] == "conflict"


# Runners.


def test_a_runner_is_added_once_and_seen_once_it_answered(api: TestClient, rig: Rig) -> None:
    assert api.post(f"{V1}/runners", json={"name": "second", "slots": {"agent": 3}}).status_code == 201
    error(api.post(f"{V1}/runners", json={"name": "second"}), 409)
    assert api.get(f"{V1}/runners/second").json()["state"] == "unknown"
    rig.observe()
    seen = api.get(f"{V1}/runners/local").json()
    assert (seen["state"], seen["os"]) == ("idle", "Debian GNU/Linux 12, kernel 6.1")


@pytest.mark.parametrize("body", [{"name": "UP"}, {"name": "../x"}, {"name": "a", "slots": {"agent": 0}}, {}])
def test_a_runner_that_cannot_be_is_refused(api: TestClient, body: dict[str, Any]) -> None:
    error(api.post(f"{V1}/runners", json=body), 422)
