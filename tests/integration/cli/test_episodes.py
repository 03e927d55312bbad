"""Submitting, listing, showing, explaining and cancelling."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from orchestrator.cli.account import account
from tests.integration.cli.conftest import Matins
from tests.integration.cli.fake_api import FakeApi, FakeEpisode

VERDICT = {
    "valid": True,
    "first_line": "4 of 4 items done; 31.2 → 52.1 tok/s.",
    "items_done": 1,
    "items_total": 2,
    "items": [
        {"id": "one-submit", "title": "One submit", "status": "done", "claimed": "done", "evidence": ["test passed"]},
        {"id": "profile", "title": "Profile", "status": "untouched", "claimed": None, "evidence": []},
    ],
    "throughput": {"baseline": 31.2, "candidate": 52.1, "change": 0.67, "low": 0.6, "high": 0.74, "verdict": "faster"},
    "flags": [{"kind": "suppression-added", "quote": "#[allow(dead_code)]", "where": "src/lib.rs:3"}],
    "problems": [],
}


def _ended() -> FakeEpisode:
    more = {
        "valid": True,
        "items_done": 1,
        "items_total": 2,
        "tok_s": 52.1,
        "first_line": VERDICT["first_line"],
        "verdict": VERDICT,
        "stages": [{"stage": "build", "result": "ok", "seconds": 12.34, "detail": ""}],
        "attempts": [{"id": "x", "fence": 1, "runner": "local", "phase": "completed"}],
    }
    return FakeEpisode(id="a1b2c3d4e5f6", phase="DONE", more=more)


def test_submit_prints_the_new_ids_alone_on_standard_output(matins: Matins, api: FakeApi) -> None:
    api.on_submit = lambda body: [FakeEpisode(id=f"a{n}", agent=name) for n, name in enumerate(body["agents"])]
    Path("campaign.toml").write_text('[[session]]\n[[session.turn]]\nsay_file = "say/first.md"\n', encoding="utf-8")
    Path("say").mkdir()
    Path("say/first.md").write_text("Make it fast.", encoding="utf-8")
    outcome = matins("episode", "submit", "campaign.toml", "--agent", "replay:a", "--agent", "replay:b", "-n", "2")
    assert (outcome.status, outcome.out) == (0, "a0\na1\n")
    _, _, body = api.asked[-1]
    assert body["bundle"]["files"] == {"say/first.md": base64.b64encode(b"Make it fast.").decode()}
    assert body["bundle"]["directory"] == str(Path.cwd())
    assert (body["agents"], body["count"], body["priority"]) == (["replay:a", "replay:b"], 2, 0)
    assert body["by"] == account()
    assert matins("episode", "submit", "campaign.toml", "--agent", "replay:a", "--by", "ben").status == 0
    assert api.asked[-1][2]["by"] == "ben"


def test_every_problem_of_a_campaign_is_a_line_with_place_and_remedy(matins: Matins, api: FakeApi) -> None:
    Path("c.toml").write_text("name = 3\n", encoding="utf-8")
    api.problems = [
        {"line": 1, "where": "name", "message": "should be text", "remedy": "quote it"},
        {"line": 0, "where": "", "message": "has no item", "remedy": "add [[item]]"},
    ]
    outcome = matins("campaign", "check", "c.toml")
    assert outcome.status == 2
    assert outcome.err.splitlines() == [
        "c.toml:1: name: should be text — quote it",
        "c.toml: has no item — add [[item]]",
    ]
    as_json = matins("campaign", "check", "c.toml", "--json")
    assert (as_json.status, json.loads(as_json.out)["problems"]) == (2, api.problems)


def test_a_file_outside_the_folder_is_refused_together_with_what_the_api_finds(matins: Matins, api: FakeApi) -> None:
    text = '[[session]]\n[[session.turn]]\nsay_file = "../secret.md"\n[[item]]\n'
    Path("c.toml").write_text(text, encoding="utf-8")
    Path("../secret.md").write_text("secret", encoding="utf-8")
    api.problems = [
        {"line": 3, "where": "session.turn", "message": "the file is not attached", "remedy": ""},
        {"line": 4, "where": "item", "message": "has no check", "remedy": "add one"},
    ]
    outcome = matins("episode", "submit", "c.toml", "--agent", "replay:idler")
    lines = outcome.err.splitlines()
    assert outcome.status == 2
    assert [line.split(": ")[0] for line in lines] == ["c.toml:3", "c.toml:4"]
    assert "inside the campaign's folder" in lines[0]
    assert "c2VjcmV0" not in json.dumps(api.asked)


def test_a_file_with_broken_toml_is_sent_so_that_the_api_says_what_is_wrong(matins: Matins, api: FakeApi) -> None:
    Path("c.toml").write_text("name = [\n", encoding="utf-8")
    api.problems = [{"line": 2, "where": "", "message": "not TOML", "remedy": "close the list"}]
    assert matins("campaign", "check", "c.toml").err == "c.toml:2: not TOML — close the list\n"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (8 * 1024 * 1024 + 1)], ids=["undecodable", "oversized"])
def test_a_campaign_file_that_is_no_reasonable_text_is_2(matins: Matins, api: FakeApi, content: bytes) -> None:
    Path("c.toml").write_bytes(content)
    outcome = matins("campaign", "check", "c.toml")
    assert (outcome.status, api.asked) == (2, [])
    assert outcome.err.startswith("c.toml")


def test_a_campaign_without_problems_says_so(matins: Matins) -> None:
    Path("c.toml").write_text("", encoding="utf-8")
    assert matins("campaign", "check", "c.toml").out == "decode: no problems; 4 items, 2 sessions\n"


def test_list_is_plain_when_piped_and_keeps_ids_whole(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1b2c3d4e5f6": _ended(), "b1": FakeEpisode(id="b1")}
    lines = matins("episode", "list").out.splitlines()
    assert lines[0].split() == [
        "ID",
        "CAMPAIGN",
        "AGENT",
        "PHASE",
        "ITEMS",
        "TOK/S",
        "VERDICT",
        "END",
        "RUNNER",
        "SUBMITTED",
    ]
    assert lines[1].split()[:7] == ["a1b2c3d4e5f6", "decode", "replay:finisher", "DONE", "1/2", "52.1", "valid"]
    assert lines[1].endswith("2026-11-21T08:00:00Z")
    assert all(ord(character) < 128 for line in lines for character in line)


def test_list_as_json_is_what_the_api_says(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1b2c3d4e5f6": _ended()}
    assert json.loads(matins("episode", "list", "--json").out) == [_ended().summary()]


def test_list_hides_preflights_unless_all_are_asked_for(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"p1": FakeEpisode(id="p1", more={"kind": "preflight"})}
    assert "p1" not in matins("episode", "list").out
    assert "p1" in matins("episode", "list", "--all").out


def test_show_begins_with_the_first_line_of_the_verdict(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1b2c3d4e5f6": _ended()}
    lines = matins("episode", "show", "a1b").out.splitlines()
    assert lines[0] == VERDICT["first_line"]
    shown = "\n".join(lines)
    for part in (
        "done       one-submit: One submit (the agent says: done)",
        "test passed",
        "untouched  profile",
        "31.2 → 52.1",
        "+67.0 % [+60.0, +74.0]",
        "suppression-added: #[allow(dead_code)]  (src/lib.rs:3)",
        "build      ok             12.3",
        "fence 1 on local: completed",
    ):
        assert part in shown


def test_show_with_events_tells_all_that_happened(matins: Matins, api: FakeApi) -> None:
    episode = _ended()
    episode.steps = [{"event": "stage-finished", "data": {"stage": "build", "result": "ok", "seconds": 3.0}}]
    api.episodes = {episode.id: episode}
    assert "stage-finished  stage=build result=ok seconds=3.0" in matins("episode", "show", "a1", "--events").out


def test_nothing_an_agent_wrote_can_steer_the_terminal(matins: Matins, api: FakeApi) -> None:
    more = {"first_line": "fine\x1b]0;owned\x07", "detail": "\x1b[2J"}
    api.episodes = {"a1": FakeEpisode(id="a1", phase="DONE", agent="x\x1b[31m", more=more)}
    for command in ("show", "watch"):
        assert "\x1b" not in matins("episode", command, "a1").out
    assert "\x1b" not in matins("episode", "list").out


def test_explain_prints_the_state_and_the_reasons(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": FakeEpisode(id="a1")}
    out = matins("episode", "explain", "a1").out
    assert out == "QUEUED\n  It waits for a runner.\n  None has the tag vulkan.\n"


def test_cancel_says_where_each_episode_stands(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"a1": FakeEpisode(id="a1"), "b2": FakeEpisode(id="b2")}
    assert matins("episode", "cancel", "a1", "b2").out == "a1  CANCELLED\nb2  CANCELLED\n"
