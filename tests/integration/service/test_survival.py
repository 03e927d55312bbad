"""kill -9 of the server at every step: every episode still ends, and none runs twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service.conftest import Lab, running_lab
from tests.orchestrator import Orchestrator, wait_for

AGENTS = ("replay:doer", "replay:idler", "replay:sleeper")
BEFORE_IT_RUNS = ("QUEUED", "ASSIGNED", "LAUNCHING")


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[Lab]:
    with running_lab(tmp_path) as made:
        yield made


def starts(matins: Orchestrator, episode_id: str) -> list[str]:
    """The attempts that really started, from the runner's own journal."""
    return [e["data"]["attempt"] for e in matins.events(episode_id) if e["event"] == "attempt-started"]


def reached(matins: Orchestrator, episode_ids: list[str], phases: set[str]) -> bool:
    return any(matins.episode(one)["phase"] in phases for one in episode_ids)


STEPS = {
    "just acknowledged": {"QUEUED", "ASSIGNED", "LAUNCHING", "RUNNING"},
    "running": {"RUNNING"},
    "coming to its end": {"COLLECTING", "SCORING", "DONE"},
}


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_server_loses_nothing_and_runs_nothing_twice(own_lab: Lab, step: str) -> None:
    matins = own_lab.matins
    ids = matins.submit(own_lab.campaign, *AGENTS)
    wait_for(lambda: reached(matins, ids, STEPS[step]), 90, matins.tail)
    matins.kill()
    matins.start()
    ended = matins.wait_until_ended(ids, 120)
    assert {one["phase"] for one in ended.values()} == {"DONE"}
    for one in ids:
        assert len(starts(matins, one)) == 1
        assert len(ended[one]["attempts"]) == 1


def test_an_episode_that_ended_while_the_server_was_away_is_collected(own_lab: Lab) -> None:
    matins = own_lab.matins
    (one,) = matins.submit(own_lab.campaign, "replay:build-breaker")
    wait_for(lambda: matins.episode(one)["phase"] not in BEFORE_IT_RUNS, 60, matins.tail)
    (attempt,) = matins.episode(one)["attempts"]
    matins.kill()
    journal = matins.home / "runners" / "local" / "attempts" / attempt["id"] / "events.jsonl"
    wait_for(lambda: journal.exists() and "awaiting-checks" in journal.read_text(), 60, matins.tail)
    matins.start()
    ended = matins.wait_until_ended([one], 60)[one]
    assert (ended["phase"], ended["end_reason"]) == ("DONE", "build-failed")
    assert len(ended["attempts"]) == 1


def test_a_cancelled_episode_ends_with_its_logs_kept(own_lab: Lab) -> None:
    matins = own_lab.matins
    (one,) = matins.submit(own_lab.campaign, "replay:sleeper")
    wait_for(lambda: any(e["event"] == "turn-started" for e in matins.events(one)), 60, matins.tail)
    assert matins.matins("episode", "cancel", one).returncode == 0
    ended = matins.wait_until_ended([one], 60)[one]
    assert (ended["phase"], ended["end_reason"]) == ("CANCELLED", "cancelled")
    assert "turn-started" in matins.matins("episode", "logs", one).stdout
