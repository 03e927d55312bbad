"""An attempt whose folder is lost while it lives: a launch or a cancel that comes again finds it out and ends it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from orchestrator.errors import LinkRefused
from runner_agent import ledger
from runner_agent.protocol import LaunchSpec
from tests.integration.runner_agent.rig import Rig, request

WAIT = "echo waiting; exec sleep 600"


def lose(rig: Rig, name: str) -> tuple[LaunchSpec, int]:
    """A running attempt without a folder, and the pid of its supervisor."""
    spec = rig.spec(name, WAIT)
    rig.link.launch(spec)
    rig.wait_event(spec, "turn-started")
    folder = rig.home.attempt(spec.attempt_id)
    pid = json.loads(folder.identity.read_text())["pid"]
    # Awake, it may notice first, and end by itself.
    os.kill(pid, signal.SIGSTOP)
    os.rename(folder.root, rig.root / f"lost-{name}")
    shutil.rmtree(rig.root / f"lost-{name}", ignore_errors=True)
    return spec, pid


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def told(rig: Rig, spec: LaunchSpec) -> list[str]:
    return [line["event"] for line in ledger.about(rig.home, spec.attempt_id)]


@pytest.mark.fault(5)
def test_a_launch_that_comes_again_does_not_start_it_anew(rig: Rig) -> None:
    spec, supervisor = lose(rig, "relaunched")
    for _ in range(2):
        with pytest.raises(LinkRefused, match="its folder is gone") as refused:
            rig.link.launch(spec)
        assert refused.value.refusal == "unknown-attempt"
    assert not lives(supervisor)
    assert told(rig, spec) == ["accepted", "started", "found-dead"]


@pytest.mark.fault(9)
def test_a_cancel_ends_it_before_it_sets_a_tombstone(rig: Rig) -> None:
    spec, supervisor = lose(rig, "cancelled")
    assert rig.link.cancel(request(spec)).phase == "cancelled"
    assert not lives(supervisor)
    assert told(rig, spec) == ["accepted", "started", "found-dead", "buried"]


@pytest.mark.fault(5)
def test_one_that_makes_its_folder_anew_as_it_writes_is_ended_before_it_is_called_dead(rig: Rig) -> None:
    spec, supervisor = lose(rig, "rewritten")
    folder = rig.home.attempt(spec.attempt_id)
    (folder.out / "logs").mkdir(parents=True)
    assert rig.status(spec).phase == "dead"
    assert not lives(supervisor)
    assert told(rig, spec) == ["accepted", "started", "found-dead"]
