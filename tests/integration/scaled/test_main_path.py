"""The main path with database, broker, API, workers and beats as processes of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.scaled.conftest import Lab

PARTS = ("api", "worker", "beat")


@pytest.mark.fault(12, 13)
def test_episodes_are_done_once_by_two_workers_and_two_beats(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    lab = make_lab()
    matins = lab.matins
    ids = matins.submit(lab.campaign, "replay:doer", "replay:idler")
    ended = matins.wait_until_ended(ids, 120)
    assert [ended[one]["phase"] for one in ids] == ["DONE", "DONE"], matins.tail()
    assert [ended[one]["items_done"] for one in ids] == [2, 0]
    for one in ids:
        assert len(ended[one]["attempts"]) == 1
        assert [event["event"] for event in matins.events(one)].count("attempt-started") == 1
    out = tmp_path / "out"
    assert matins.matins("episode", "pull", *ids, "--out", str(out)).returncode == 0
    for one in ids:
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=out / "toy" / one, check=True)
