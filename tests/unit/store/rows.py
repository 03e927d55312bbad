"""A store in a temporary folder with a campaign, a runner and episodes in it."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from orchestrator.domain.episode import Acceptance, EpisodeKind
from orchestrator.store.engine import Store, open_store
from orchestrator.store.tables import CampaignRow, EpisodeRow, RunnerRow
from tests.unit.planning.builders import NOW


@cache
def migrated() -> bytes:
    """What an empty database is, made once: migrations take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        open_store(f"sqlite:///{folder}/test.sqlite3").close()
        return Path(folder, "test.sqlite3").read_bytes()


def fresh_store(folder: Path) -> Store:
    """Whoever opens a database looks whether it wants migrating, which a copy does not."""
    path = folder / "test.sqlite3"
    path.write_bytes(migrated())
    store = open_store(f"sqlite:///{path}")
    with store.writing() as session:
        session.add(campaign_row())
        session.add(runner_row())
    return store


def campaign_row() -> CampaignRow:
    return CampaignRow(
        id="c1",
        key="k1",
        name="decode",
        text="",
        filename="decode.toml",
        directory="/campaigns",
        files={},
        repo_url="/repo",
        commit="0" * 40,
        needs_tags=[],
        acceptance=str(Acceptance.ACCEPTED),
        submitted_at=NOW,
    )


def runner_row() -> RunnerRow:
    return RunnerRow(
        name="local",
        kind="local",
        power="AWAKE",
        operation="NONE",
        service="IN_SERVICE",
        health="UNKNOWN",
        tags=[],
        prices={},
        link_errors={},
        observe_after=NOW,
        added_at=NOW,
    )


def add_episode(store: Store, episode_id: str = "e1") -> None:
    with store.writing() as session:
        session.add(
            EpisodeRow(
                id=episode_id,
                campaign_id="c1",
                kind=str(EpisodeKind.EPISODE),
                agent="replay:finisher",
                phase="QUEUED",
                phase_since=NOW,
                submitted_at=NOW,
            )
        )
