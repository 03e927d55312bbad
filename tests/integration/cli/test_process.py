"""The command as a process: what it loads, and what a terminal gets. Its CPU time is `make bench ONLY=cli_start`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.integration.cli.conftest import Matins
from tests.integration.cli.fake_api import FakeApi, FakeEpisode


@pytest.mark.parametrize("heavy", ["pydantic", "httpx", "rich", "sqlalchemy", "celery", "fastapi", "asyncio"])
def test_help_loads_nothing_heavy(heavy: str) -> None:
    code = (
        "import sys\nfrom orchestrator.cli.main import run\n"
        f"status = run(['--help'])\nsys.exit(status or {heavy!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=1500, check=False).returncode == 0


@pytest.mark.parametrize(("no_colour", "escapes"), [("", True), ("1", False)])
def test_a_terminal_of_80_columns_gets_whole_ids_and_colours_unless_unwanted(
    matins: Matins, api: FakeApi, no_colour: str, escapes: bool
) -> None:
    name = "a1b2c3d4e5f6"
    more = {"items_done": 4, "items_total": 4, "tok_s": 1234.5, "valid": True, "runner": "a-runner-with-a-name"}
    api.episodes = {name: FakeEpisode(id=name, agent="replay:half-shipper", phase="COLLECTING", more=more)}
    shown = _on_terminal("episode", "list", NO_COLOR=no_colour, COLUMNS="80")
    lines = shown.splitlines()
    assert all(len(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) <= 80 for line in lines)
    assert lines[1].split()[0] == name
    assert ("\x1b" in shown) is escapes


@pytest.mark.parametrize(("said", "status", "added"), [("y\n", 0, 1), ("\n", 1, 0), ("no\n", 1, 0)])
def test_a_host_key_is_pinned_once_somebody_at_the_terminal_says_yes(
    matins: Matins, api: FakeApi, said: str, status: int, added: int
) -> None:
    api.host_key = {"host_key": "ssh-ed25519 AAAAC3Nz", "fingerprint": "SHA256:abc"}
    ours, theirs = pty.openpty()
    os.write(ours, said.encode())
    line = ("runner", "add", "gpu1", "--host", "10.0.0.2", "--user", "u", "--key", "/k")
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", *line], stdin=theirs, capture_output=True, timeout=1500, check=False
    )
    os.close(theirs)
    os.close(ours)
    assert b"SHA256:abc" in done.stderr
    assert (done.returncode, len(api.runners)) == (status, added)


def _on_terminal(*arguments: str, **environment: str) -> str:
    """What one run writes to a terminal."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux's way of saying that the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    assert child.wait(timeout=150) == 0
    return written.decode("utf-8")
