"""A disk that is full: a real one, small, mounted as MATINS_HOME where nobody but the server sees it."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components import need
from tests.integration.service.toy import make_toy
from tests.orchestrator import Orchestrator, Part

DISK_BYTES = 2 << 20
UNREACHABLE = 3


class OnSmallDisk(Orchestrator):
    """Its home is a file system of DISK_BYTES in a mount namespace of its own; `disk` is its path from here."""

    def _make_parts(self) -> list[Part]:
        mount = f"mount -t tmpfs -o size={DISK_BYTES},mode=0700 tmpfs {shlex.quote(str(self.home))}"
        namespace = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--mount", "--map-root-user")
        server = f"{mount} && exec {shlex.quote(sys.executable)} -m orchestrator.cli up"
        return [self._part("up", command=(*namespace, "sh", "-c", server))]

    @property
    def disk(self) -> Path:
        return Path(f"/proc/{self.parts[0].pid}/root{self.home}")

    def fill(self) -> None:
        """Every byte."""
        handle = os.open(self.disk / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        size = 1 << 16
        while size:
            try:
                size = size if os.write(handle, b"x" * size) == size else size // 2
            except OSError as error:
                assert error.errno == errno.ENOSPC
                size //= 2
        os.close(handle)

    def clear(self) -> None:
        (self.disk / "filler").unlink()


@pytest.fixture
def matins(tmp_path: Path) -> Iterator[OnSmallDisk]:
    need("git", "unshare", "mount")
    home = tmp_path / "small" / "home"
    home.mkdir(parents=True)
    server = OnSmallDisk(home, agents_path=str(tmp_path / "agents"), token="of-this-test")
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.mark.fault(16)
def test_a_submission_that_finds_the_disk_full_is_refused_whole_and_taken_once_there_is_room(
    matins: OnSmallDisk, tmp_path: Path
) -> None:
    campaign = make_toy(tmp_path, tmp_path / "token")
    matins.fill()
    for _ in range(2):
        refused = matins.matins("episode", "submit", str(campaign), "--agent", "replay:doer", "-n", "100")
        assert refused.returncode == UNREACHABLE, refused.stderr
        assert "full" in refused.stderr
    assert matins.json("episode", "list", "--all") == []
    matins.clear()
    submitted = matins.json("episode", "submit", str(campaign), "--agent", "replay:doer", "-n", "100")
    assert len(submitted["episodes"]) == 100
    kinds = Counter(one["kind"] for one in matins.json("episode", "list", "--all", "--limit", "1000"))
    assert kinds == {"episode": 100, "preflight": 1}
