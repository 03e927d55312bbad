"""What a script can rely on: the exit status, and one plain line that says why."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Matins, Start
from tests.integration.cli.fake_api import FakeApi, FakeEpisode

CAMPAIGN = 'schema = "matins-campaign-1"\nname = "decode"\n'
ASKING = (
    ("episode", "list"),
    ("episode", "show", "a1"),
    ("episode", "watch", "a1"),
    ("episode", "logs", "-f", "a1"),
    ("episode", "cancel", "a1"),
    ("episode", "explain", "a1"),
    ("episode", "pull", "a1"),
    ("runner", "list"),
    ("runner", "show", "local"),
    ("runner", "add", "local", "--local"),
    ("campaign", "check", "campaign.toml"),
    ("episode", "submit", "campaign.toml", "--agent", "replay:idler"),
)


@pytest.fixture(autouse=True)
def campaign(matins: Matins) -> None:
    Path("campaign.toml").write_text(CAMPAIGN, encoding="utf-8")


def test_a_command_that_did_what_was_asked_exits_with_0(matins: Matins) -> None:
    assert matins("runner", "list").status == 0


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_no_orchestrator_is_3_and_names_the_url_and_how_to_start_it(
    matins: Matins, api: FakeApi, command: tuple[str, ...]
) -> None:
    api.stop()
    outcome = matins(*command)
    assert outcome.status == 3
    assert api.url in outcome.err
    assert "matins up" in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_a_wrong_token_is_4_and_names_the_file_that_it_came_from(
    matins: Matins, api: FakeApi, command: tuple[str, ...]
) -> None:
    api.token = "another"
    outcome = matins(*command)
    assert outcome.status == 4
    assert os.path.join(os.environ["MATINS_HOME"], "token") in outcome.err
    assert "fake-token" not in outcome.err


def test_a_missing_token_is_4_and_names_the_file_that_is_missing(matins: Matins) -> None:
    token = Path(os.environ["MATINS_HOME"], "token")
    token.unlink()
    outcome = matins("episode", "list")
    assert (outcome.status, str(token) in outcome.err) == (4, True)


def test_a_token_from_the_environment_is_said_to_come_from_there(
    matins: Matins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATINS_TOKEN", "wrong")
    outcome = matins("episode", "list")
    assert (outcome.status, "MATINS_TOKEN" in outcome.err) == (4, True)


def test_a_token_file_that_others_may_read_is_4(matins: Matins) -> None:
    Path(os.environ["MATINS_HOME"], "token").chmod(0o644)
    outcome = matins("episode", "list")
    assert (outcome.status, "0644" in outcome.err) == (4, True)


@pytest.mark.parametrize(
    "command",
    [
        ("episode", "nonsense"),
        ("episode", "list", "--limit", "0"),
        ("episode", "list", "--nonsense"),
        ("episode", "submit", "campaign.toml"),
        ("episode", "submit", "campaign.toml", "--agent", "x", "-n", "0"),
        ("runner", "add", "r"),
        ("runner", "add", "r", "--host", "10.0.0.2", "--key", "k"),
        ("runner", "add", "r", "--host", "10.0.0.2", "--user", "u"),
        ("runner", "add", "r", "--host", "10.0.0.2", "--user", "u", "--key", "k", "--local"),
        ("runner", "add", "r", "--host", "10.0.0.2", "--port", "0", "--user", "u", "--key", "k"),
        ("runner", "add", "r", "--local", "--slots", "agent=1.5"),
        ("runner", "add", "r", "--local", "--slots", "agent"),
        ("runner", "add", "r", "--local", "--slots", "buffer=-1"),
        ("runner", "add", "r", "--local", "--watts", "idle=-1"),
        ("runner", "add", "r", "--local", "--watts", "idle=1,idle=2"),
        ("runner", "add", "r", "--local", "--price-per-hour", "nan"),
        ("campaign", "check", "absent.toml"),
        ("campaign", "check", "."),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_asks_nothing_of_the_orchestrator(
    matins: Matins, api: FakeApi, command: tuple[str, ...]
) -> None:
    outcome = matins(*command)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.strip()
    assert api.asked == []


def test_without_a_terminal_nobody_confirms_a_host_key_but_the_command_that_would_is_shown(
    matins: Matins, api: FakeApi
) -> None:
    api.host_key = {"host_key": "ssh-ed25519 AAAAC3Nz", "fingerprint": "SHA256:abc"}
    outcome = matins("runner", "add", "r", "--host", "10.0.0.2", "--user", "u", "--key", "/k", "--tag", "a b")
    assert (outcome.status, outcome.out, api.runners) == (2, "", [])
    assert "SHA256:abc" in outcome.err
    assert (
        "matins runner add r --host 10.0.0.2 --user u --key /k --host-key 'ssh-ed25519 AAAAC3Nz' --tag 'a b'"
        in outcome.err
    )


def test_an_address_that_is_none_is_2(matins: Matins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINS_URL", "ftp://nowhere")
    outcome = matins("episode", "list")
    assert (outcome.status, "MATINS_URL" in outcome.err) == (2, True)


@pytest.mark.parametrize("command", [("episode", "show", "a1"), ("runner", "show", "desk")], ids=" ".join)
def test_what_does_not_exist_is_1_in_one_or_two_lines(matins: Matins, command: tuple[str, ...]) -> None:
    outcome = matins(*command)
    assert outcome.status == 1
    assert 1 <= len(outcome.err.splitlines()) <= 2


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
@pytest.mark.parametrize(
    "nonsense",
    [
        b"<html>hello</html>",
        (200, ["a", "list"]),
        (200, {}),
        (200, {"episodes": 1, "runners": {}, "events": None, "files": 0, "lines": 5, "id": 3, "next": "x"}),
        (404, {"detail": "Not Found"}),
        (500, {"error": {"kind": "fault", "message": "the orchestrator failed", "remedy": "see its log"}}),
        (418, "tea"),
    ],
    ids=["html", "list", "empty", "wrong types", "no such route", "fault", "teapot"],
)
def test_an_unexpected_answer_is_1_without_a_traceback(
    matins: Matins, api: FakeApi, command: tuple[str, ...], nonsense: bytes | tuple[int, object]
) -> None:
    api.override = lambda _method, _path: nonsense
    outcome = matins(*command)
    assert outcome.status == 1
    assert "Traceback" not in outcome.err
    assert 1 <= len(outcome.err.splitlines()) <= 2


def test_an_orchestrator_that_is_starting_is_as_good_as_none(matins: Matins, api: FakeApi) -> None:
    api.override = lambda _method, _path: (503, {"error": {"message": "starting"}})
    assert matins("episode", "list").status == 3


def test_a_refused_request_without_problems_is_2_with_its_message(matins: Matins, api: FakeApi) -> None:
    error = {"kind": "bad-input", "message": "there is no agent 'replay:x'", "remedy": "known: idler", "problems": []}
    api.override = lambda _method, _path: (422, {"error": error})
    outcome = matins("episode", "submit", "campaign.toml", "--agent", "replay:x")
    assert outcome.status == 2
    assert "there is no agent 'replay:x'" in outcome.err and "known: idler" in outcome.err


def test_ctrl_c_is_130_without_a_word(api: FakeApi, start: Start) -> None:
    api.episodes["a1"] = FakeEpisode(id="a1", phase="RUNNING", ends={"phase": "RUNNING"}, steps=[_stage("build")])
    child = start("episode", "watch", "a1", "--every", "60")
    assert child.stderr is not None
    assert "build" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=150)
    assert (child.returncode, out, err) == (130, "", "")


def test_a_reader_that_goes_away_is_no_traceback(api: FakeApi, start: Start) -> None:
    api.episodes = {f"{n:012x}": FakeEpisode(id=f"{n:012x}") for n in range(5000)}
    child = start("episode", "list")
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    assert child.wait(timeout=150) in (0, 1)
    assert "Traceback" not in child.stderr.read()


def _stage(name: str) -> dict[str, object]:
    return {"event": "stage-started", "data": {"stage": name}}
