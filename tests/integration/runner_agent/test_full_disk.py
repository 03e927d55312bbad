"""A runner whose disk is full says so; its results are never silently fewer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.domain.reasons import EndReason
from orchestrator.scoring.stages import ended_before_verdict
from runner_agent.protocol import ExitRecord, from_json
from tests.components import need


@pytest.mark.fault(21)
def test_a_disk_that_is_full_as_the_attempt_ends_is_told_by_its_exit_record(tmp_path: Path) -> None:
    need("bwrap", "git", "mount namespace")
    disk = tmp_path / "disk"
    disk.mkdir()
    # The supervisor comes to its end in a mount namespace that goes with its last process.
    scene = "mount -t tmpfs -o size=64m tmpfs $0 && exec $1 -m tests.integration.runner_agent.full_disk $0"
    argv = ["unshare", "--mount", "sh", "-c", scene, str(disk), sys.executable]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert told.returncode == 0, told.stderr
    said = json.loads(told.stdout)
    assert said["status"]["phase"] == "exited"
    record = from_json(ExitRecord, said["status"]["exit"])
    assert (record.packed, record.graded) == (False, False)
    assert f"the disk that holds {disk}/home is full" in record.detail
    assert "could not be packed" in record.detail
    end = ended_before_verdict(record)
    assert end is not None
    assert end[0] == EndReason.PACK_FAILED
