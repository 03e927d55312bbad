"""Processes that freeze and die, and a database that goes away, under real episodes on a real runner."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from orchestrator.store.engine import open_store
from orchestrator.store.tables import AttemptRow, EpisodeRow, OutboxRow
from tests.integration.scaled.conftest import Lab, MemoryLab
from tests.orchestrator import free_port, wait_for
from tests.servers import PASSWORD, PostgreSQL

UNREACHABLE = 3


def rows(database: str) -> Any:
    """What a stale act could spoil."""
    store = open_store(database)
    with store.reading() as session:
        found = (
            sorted((row.id, row.phase, row.fence, row.attempt_id) for row in session.exec(select(EpisodeRow)).all()),
            sorted((row.id, row.fence, row.ended, row.failure) for row in session.exec(select(AttemptRow)).all()),
            sorted((row.kind, row.attempt_id) for row in session.exec(select(OutboxRow)).all()),
        )
    store.close()
    return found


@pytest.mark.fault(10)
def test_a_worker_that_was_frozen_past_its_claim_changes_nothing_when_it_wakes(
    make_memory_lab: Callable[..., MemoryLab], database: str
) -> None:
    lab = make_memory_lab(slots=2, claim_s="5")
    matins, (sleeper, other) = lab.matins, lab.matins.workers
    for worker in (sleeper, other):
        worker.stop()
    sleeper.start(failpoints="act-claimed=stop")
    (one,) = matins.submit(lab.campaign, "replay:doer")
    wait_for(sleeper.is_frozen, 30, sleeper.tail)
    other.start()
    ended = matins.wait_until_ended([one], 60)[one]
    assert (ended["phase"], len(ended["attempts"])) == ("DONE", 1)
    wait_for(lambda: all(act.done_at for act in acts(database)), 30, matins.tail)
    before = rows(database)
    sleeper.thaw()
    # It goes on with its act, or finds that the server ended its session meanwhile.
    wait_for(lambda: sleeper.says("act-") or sleeper.says('"task": "perform"'), 30, sleeper.tail)
    assert rows(database) == before
    assert set(lab.runner.starts.values()) == {1}
    assert set(lab.runner.started_episodes().values()) == {1}


def acts(database: str) -> list[OutboxRow]:
    store = open_store(database)
    with store.reading() as session:
        found = list(session.exec(select(OutboxRow)).all())
    store.close()
    return found


@pytest.mark.fault(15)
def test_episodes_run_on_while_the_database_is_gone(make_lab: Callable[..., Lab], postgresql: PostgreSQL) -> None:
    """Gone twice: first it answers nobody, then it is killed and stays away until every stage has ended that needs
    nobody. How long makes no difference: the runner asks for nothing, and who waits for the database asks again."""
    lab = make_lab(claim_s="5")
    matins = lab.matins
    (one,) = matins.submit(lab.campaign, "replay:doer")
    wait_for(lambda: matins.episode(one)["phase"] == "RUNNING", 90, matins.tail)
    attempt = matins.episode(one)["attempts"][0]["id"]
    journal = matins.home / "runners" / "local" / "attempts" / attempt / "events.jsonl"
    wait_for(journal.exists, 60, matins.tail)
    postgresql.freeze()
    try:
        seen = journal.read_text()
        wait_for(lambda: journal.read_text() != seen, 60, matins.tail)
        refused = matins.matins("episode", "submit", str(lab.campaign), "--agent", "replay:idler")
        assert refused.returncode == UNREACHABLE
        assert "the database" in refused.stderr
    finally:
        postgresql.thaw()
    postgresql.kill()
    try:
        refused = matins.matins("episode", "submit", str(lab.campaign), "--agent", "replay:idler")
        assert refused.returncode == UNREACHABLE
        assert "cannot be used now" in refused.stderr
        assert PASSWORD not in refused.stderr
        wait_for(lambda: "awaiting-checks" in journal.read_text(), 60, journal.read_text)
    finally:
        postgresql.start()
    ended = matins.wait_until_ended([one], 90)[one]
    assert (ended["phase"], ended["items_done"], len(ended["attempts"])) == ("DONE", 2, 1)
    assert [event["event"] for event in matins.events(one)].count("attempt-started") == 1
    assert len(matins.get("episodes")["episodes"]) == 1


LACKING = {
    "a broker that others reach": ("the broker memory://localhost/ lives in one process", {}),
    "its broker": (
        "the broker redis://:********@127.0.0.1:1/0 cannot be used",
        {"MATINS_BROKER_URL": f"redis://:{PASSWORD}@127.0.0.1:1/0"},
    ),
    "its database": (
        "the database postgresql://u:***@127.0.0.1:1/d cannot be used",
        {"MATINS_DATABASE_URL": f"postgresql://u:{PASSWORD}@127.0.0.1:1/d"},
    ),
}
STARTS = (
    ("api", "a broker that others reach"),
    ("worker", "a broker that others reach"),
    ("beat", "a broker that others reach"),
    ("api", "its database"),
    ("beat", "its database"),
    ("worker", "its broker"),
)


@pytest.mark.parametrize(("part", "lacks"), STARTS)
def test_a_part_that_lacks_something_says_so_in_one_line(
    part: str, lacks: str, tmp_path: Path, database: str, broker: str
) -> None:
    expected, settings = LACKING[lacks]
    given = {"MATINS_DATABASE_URL": database, **({"MATINS_BROKER_URL": broker} if settings else {}), **settings}
    home = {"MATINS_HOME": str(tmp_path / "a" / "home"), "MATINS_URL": f"http://127.0.0.1:{free_port()}"}
    tried = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", part],
        env={**os.environ, **home, **given},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert tried.returncode == 2, tried.stderr
    assert tried.stderr.startswith(f"matins: {expected}")
    assert PASSWORD not in tried.stderr
