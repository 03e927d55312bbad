"""`trace`: the time line of an episode, whole and verified, to a file or to output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Matins
from tests.integration.cli.fake_api import FakeApi, FakeEpisode

TRACE = b'{"traceEvents": []}\n'


@pytest.fixture
def episode(api: FakeApi) -> FakeEpisode:
    episode = FakeEpisode(id="a1", phase="DONE", files={"result.json": b"{}\n", "smoke/trace.json": TRACE})
    episode.seal()
    api.episodes = {"a1": episode}
    return episode


def test_the_trace_goes_to_output_as_it_is(matins: Matins, episode: FakeEpisode) -> None:
    outcome = matins("episode", "trace", "a1")
    assert (outcome.status, outcome.out.encode()) == (0, episode.files["smoke/trace.json"])


def test_the_trace_goes_to_a_file_and_the_file_is_named(matins: Matins, episode: FakeEpisode) -> None:
    outcome = matins("episode", "trace", "a1", "--out", "trace.json", "--json")
    assert json.loads(outcome.out) == {"id": "a1", "path": "trace.json", "bytes": len(TRACE)}
    assert Path("trace.json").read_bytes() == TRACE


def test_an_episode_without_a_trace_is_1_with_what_makes_one(matins: Matins, episode: FakeEpisode) -> None:
    del episode.files["smoke/trace.json"]
    episode.seal()
    outcome = matins("episode", "trace", "a1")
    assert outcome.status == 1
    assert "matins episode rescore a1" in outcome.err


def test_a_file_that_cannot_be_written_is_1_without_a_traceback(matins: Matins, episode: FakeEpisode) -> None:
    outcome = matins("episode", "trace", "a1", "--out", "nowhere/trace.json")
    assert outcome.status == 1
    assert "nowhere/trace.json cannot be written" in outcome.err
