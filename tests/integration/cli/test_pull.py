"""`pull`: whole, verified and inside the folder that was named, or not at all."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.components import need
from tests.integration.cli.conftest import Matins
from tests.integration.cli.fake_api import FakeApi, FakeEpisode

PULL = ("episode", "pull", "a1", "--out", "out")
FOLDER = Path("out/decode/a1")


@pytest.fixture
def episode(api: FakeApi) -> FakeEpisode:
    files = {"result.json": b"{}\n", "agent/session-1/stream.jsonl": b"x" * 700_000, "smoke/empty.log": b""}
    episode = FakeEpisode(id="a1", phase="DONE", files=files)
    episode.seal()
    api.episodes = {"a1": episode}
    return episode


def test_pull_makes_a_folder_that_sha256sum_verifies(matins: Matins, episode: FakeEpisode) -> None:
    need("sha256sum")
    outcome = matins(*PULL)
    assert outcome.status == 0
    assert outcome.out == f"a1  4 files  683.8 KiB  verified  {FOLDER}\n"
    assert {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()} == set(episode.files)
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=FOLDER, check=True, timeout=150)
    assert [path.name for path in Path("out/decode").iterdir()] == ["a1"]


def test_pull_again_sends_nothing_twice_and_mends_what_was_damaged(
    matins: Matins, api: FakeApi, episode: FakeEpisode
) -> None:
    matins(*PULL)
    (FOLDER / "result.json").write_bytes(b"[]\n")
    api.asked.clear()
    outcome = matins(*PULL, "--json")
    assert json.loads(outcome.out)[0]["received_bytes"] == 3 + len(episode.files["SHA256SUMS"])
    assert (FOLDER / "result.json").read_bytes() == b"{}\n"
    sent = [path.rpartition("/files/")[2] for _, path, _ in api.asked if "/files/" in path]
    assert sent == ["result.json", "SHA256SUMS"]


def test_pull_goes_on_where_the_connection_broke(matins: Matins, api: FakeApi, episode: FakeEpisode) -> None:
    api.cuts["agent/session-1/stream.jsonl"] = 300_000
    outcome = matins(*PULL)
    assert outcome.status == 0
    resumed = [asked for asked in api.ranges if asked]
    assert len(resumed) == 1 and 0 < int(resumed[0].removeprefix("bytes=").rstrip("-")) <= 300_000


def test_pull_goes_on_where_an_earlier_pull_was_interrupted(matins: Matins, api: FakeApi, episode: FakeEpisode) -> None:
    api.cuts["agent/session-1/stream.jsonl"] = 300_000
    api.override = lambda _method, path: (503, {}) if api.ranges and "stream" in path else None
    assert matins(*PULL, "--away-limit", "0").status == 3
    assert not (FOLDER / "agent/session-1/stream.jsonl").exists()
    api.override = lambda _method, _path: None
    assert matins(*PULL).status == 0
    assert any(asked and asked != "bytes=0-" for asked in api.ranges)


def test_a_file_that_arrives_damaged_once_is_fetched_again(matins: Matins, api: FakeApi, episode: FakeEpisode) -> None:
    api.damage["result.json"] = 1
    assert matins(*PULL).status == 0
    assert (FOLDER / "result.json").read_bytes() == b"{}\n"


def test_a_file_that_stays_damaged_is_1_and_never_takes_its_place(
    matins: Matins, api: FakeApi, episode: FakeEpisode
) -> None:
    api.damage["result.json"] = 99
    outcome = matins(*PULL)
    assert (outcome.status, outcome.out) == (1, "")
    assert "result.json arrives damaged" in outcome.err
    assert not (FOLDER / "result.json").exists()


def test_checksums_that_do_not_cover_every_file_are_1(matins: Matins, api: FakeApi, episode: FakeEpisode) -> None:
    episode.files["late.log"] = b"added after the checksums"
    outcome = matins(*PULL)
    assert (outcome.status, "late.log is not covered" in outcome.err) == (1, True)


def test_checksums_that_contradict_the_files_are_1(matins: Matins, api: FakeApi, episode: FakeEpisode) -> None:
    wrong = episode.files["SHA256SUMS"].replace(hashlib.sha256(b"{}\n").hexdigest().encode(), b"0" * 64)
    episode.files["SHA256SUMS"] = wrong
    outcome = matins(*PULL)
    assert (outcome.status, "result.json does not match" in outcome.err) == (1, True)


@pytest.mark.parametrize(
    "name",
    ["../escape", "/etc/escape", "a/../../escape", "a//b", "./a", "a\\b", "a/", "", "a\nb", "x" * 2000],
)
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_written(
    matins: Matins, api: FakeApi, episode: FakeEpisode, name: str
) -> None:
    listed = {"campaign": "decode", "files": [{"path": name, "size": 1, "sha256": "0" * 64}]}
    api.override = lambda _method, path: (200, listed) if path.endswith("/files") else None
    assert matins(*PULL).status == 1
    assert not Path("out").exists()


@pytest.mark.parametrize("campaign", ["..", "a/b", "/tmp", ""])
def test_a_campaign_name_that_leads_elsewhere_is_refused(
    matins: Matins, api: FakeApi, episode: FakeEpisode, campaign: str
) -> None:
    episode.campaign = campaign
    assert matins(*PULL).status == 1
    assert not Path("out").exists()


def test_a_link_in_the_folder_does_not_lead_a_file_elsewhere(
    matins: Matins, api: FakeApi, episode: FakeEpisode, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    FOLDER.mkdir(parents=True)
    (FOLDER / "agent").symlink_to(elsewhere)
    outcome = matins(*PULL)
    assert (outcome.status, list(elsewhere.iterdir())) == (1, [])
    assert "link" in outcome.err


def test_an_episode_without_artifacts_yet_is_1_with_the_reason(matins: Matins, api: FakeApi) -> None:
    api.episodes = {"b2": FakeEpisode(id="b2", phase="RUNNING")}
    outcome = matins("episode", "pull", "b2")
    assert (outcome.status, "no artifacts yet" in outcome.err) == (1, True)


def test_a_folder_that_cannot_be_written_is_1_without_a_traceback(matins: Matins, episode: FakeEpisode) -> None:
    Path("out").write_text("a file", encoding="utf-8")
    outcome = matins(*PULL)
    assert (outcome.status, "cannot be written" in outcome.err) == (1, True)
