"""A fake orchestrator on a free port, and the command line pointed at it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.cli.main import run
from tests.integration.cli.fake_api import TOKEN, FakeApi
from tests.orchestrator import free_port


@dataclass(frozen=True, kw_only=True)
class Outcome:
    status: int
    out: str
    err: str


Matins = Callable[..., Outcome]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    fake = FakeApi(free_port())
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def matins(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Matins:
    """Runs one command line in an empty folder of its own."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MATINS_HOME", str(home))
    monkeypatch.setenv("MATINS_URL", api.url)
    token = home / "token"
    token.write_text(f"{TOKEN}\n", encoding="ascii")
    token.chmod(0o600)

    def command(*arguments: str) -> Outcome:
        status = run(arguments)
        captured = capsys.readouterr()
        return Outcome(status=status, out=captured.out, err=captured.err)

    return command


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(matins: Matins) -> Iterator[Start]:
    """Starts one command line as a process of its own; it is ended with the test."""
    children: list[subprocess.Popen[str]] = []

    def command(*arguments: str) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "orchestrator.cli", *arguments]
        pipe = subprocess.PIPE
        child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)
        children.append(child)
        return child

    yield command
    for child in children:
        child.kill()
        child.communicate()
