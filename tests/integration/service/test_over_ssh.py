"""A whole episode on a runner that is reached over SSH: added, launched, pulled, and the host's key kept to."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from runner_agent import locks
from runner_agent.home import Home
from tests.components import need
from tests.integration.service.toy import make_toy
from tests.locks import asked_for
from tests.orchestrator import Json, Orchestrator, wait_for
from tests.sshd import Sshd


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path / "sshd") as running:
        yield running


@pytest.fixture
def matins(tmp_path: Path) -> Iterator[Orchestrator]:
    need("bwrap", "git")
    running = Orchestrator(
        tmp_path / "home", agents_path=str(tmp_path / "lab" / "agents"), tick_s="0.3", observe_s="0.3"
    )
    try:
        yield running.start()
    finally:
        running.stop()


def shown(matins: Orchestrator) -> Json:
    return matins.get("runners/gpu1")


@pytest.mark.fault(5, 30)
def test_an_episode_on_a_runner_over_ssh(tmp_path: Path, sshd: Sshd, matins: Orchestrator) -> None:
    campaign = make_toy(tmp_path / "lab", matins.home / "token")
    place = ("--host", "127.0.0.1", "--port", str(sshd.port), "--user", sshd.user, "--key", str(sshd.key))
    add = ("runner", "add", "gpu1", *place, "--home", str(tmp_path / "remote"), "--slots", "agent=4")

    # Nobody is there to confirm the key: nothing is added, and the command that would pin it is printed.
    told = matins.matins(*add)
    assert (told.returncode, matins.get("runners")["runners"]) == (2, [])
    command = next(line for line in told.stderr.splitlines() if "--host-key" in line)
    words = shlex.split(command.partition("matins runner")[2])
    assert sshd.host_key in words
    assert matins.matins("runner", *words).returncode == 0
    assert shown(matins)["host_key"] == sshd.host_key
    wait_for(lambda: shown(matins)["state"] == "idle", 60, matins.tail)

    # The orchestrator dies while the runner is about to start what was asked for: it is started once, and adopted.
    home = Home(tmp_path / "remote")
    with locks.held(home.launch_lock):
        (one,) = matins.submit(campaign, "replay:doer")
        wait_for(lambda: asked_for(home.launch_lock, "launch"), 60, matins.tail)
        (preflight,) = matins.get("episodes?kind=preflight")["episodes"]
        assert preflight["phase"] == "LAUNCHING"
        matins.kill()
    matins.start()

    # The episode does not mind that every connection to its machine breaks.
    wait_for(lambda: started(matins, one), 60, matins.tail)
    sshd.kill()
    sshd.start()
    ended = matins.wait_until_ended([one], 90)[one]
    assert (ended["phase"], ended["end_reason"], ended["items_done"]) == ("DONE", "completed", 2)
    assert ([attempt["runner"] for attempt in ended["attempts"]], ended["runner"]) == (["gpu1"], "gpu1")
    for episode in (ended, matins.episode(preflight["id"])):
        (attempt,) = episode["attempts"]
        assert starts(home, attempt["id"]) == 1
    pulled = matins.matins("episode", "pull", one, "--out", str(tmp_path / "pulled"))
    assert pulled.returncode == 0, pulled.stderr
    folder = tmp_path / "pulled" / "toy" / one
    assert (folder / "diff.patch").stat().st_size > 0
    # Its repository is a folder of the orchestrator's machine, where no other machine could fetch it.
    assert json.loads((folder / "launch.json").read_text())["deliver"] == "push"

    # Another key at the same address is not talked to, until somebody pins it.
    sshd.kill_sessions()
    sshd.change_host_key()
    wait_for(lambda: shown(matins)["state"] == "unreachable", 60, matins.tail)
    wait_for(lambda: "was pinned" in shown(matins)["detail"], 60, matins.tail)
    counted = 'matins_link_errors_total{kind="host-key-changed",runner="gpu1"} '
    text = httpx.get(f"{matins.url}/metrics").text
    assert counted in text and f"{counted}0.0" not in text
    again = matins.matins(*add, "--host-key", sshd.host_key)
    assert again.returncode == 0, again.stderr
    wait_for(lambda: shown(matins)["state"] == "idle", 60, matins.tail)
    assert matins.matins(*add, "--host-key", sshd.host_key).returncode == 1


def started(matins: Orchestrator, one: str) -> bool:
    return any(event["event"] == "turn-started" for event in matins.events(one))


def starts(home: Home, attempt_id: str) -> int:
    """What the runner's own ledger says."""
    lines = [json.loads(line) for line in home.ledger.read_text().splitlines()]
    return sum(line["event"] == "started" and line["attempt_id"] == attempt_id for line in lines)
