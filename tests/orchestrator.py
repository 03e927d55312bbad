"""A real orchestrator on a free loopback port with a home of its own, in one process or in several, and the command
line beside it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

START_LIMIT_S = 60.0
POLL_S = 0.1

Json = dict[str, Any]


class Part:
    """One process of an orchestrator, logging to `log`: `matins NAME`, unless `command` says otherwise."""

    def __init__(self, name: str, environment: dict[str, str], log: Path, command: Sequence[str] = ()) -> None:
        self.name = name
        self.command = command or (sys.executable, "-m", "orchestrator.cli", name)
        self.log = log
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, **settings: str) -> None:
        """`settings` are of this run alone."""
        more = {f"MATINS_{name.upper()}": value for name, value in settings.items()}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env={**self._environment, **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """kill -9: nothing in it gets a chance to tidy up."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(timeout=30)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def is_frozen(self) -> bool:
        return Path(f"/proc/{self.pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] == "T"

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process is not None and self.runs():
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise

    def says(self, words: str) -> bool:
        return self.log.exists() and words in self.log.read_text("utf-8", "replace")

    def tail(self) -> str:
        return self.log.read_text("utf-8", "replace")[-4000:] if self.log.exists() else ""


class Orchestrator:
    """`start`, `kill` and `stop` act on the server; `matins` runs the command line against it."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{free_port()}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MATINS_")},
            "MATINS_HOME": str(home),
            "MATINS_URL": self.url,
            **{f"MATINS_{name.upper()}": value for name, value in settings.items()},
        }
        self.parts = self._make_parts()

    def _make_parts(self) -> list[Part]:
        return [self._part("up")]

    def _part(self, name: str, label: str = "", command: Sequence[str] = ()) -> Part:
        return Part(name, self._environment, self.home.parent / f"{self.home.name}-{label or name}.log", command)

    @property
    def _server(self) -> subprocess.Popen[bytes] | None:
        """The process of the part that answers."""
        return self.parts[0].process

    @_server.setter
    def _server(self, process: subprocess.Popen[bytes]) -> None:
        self.parts[0].process = process

    @property
    def log(self) -> Path:
        """That of the part which answers."""
        return self.parts[0].log

    def start(self, **settings: str) -> Self:
        """All parts; `settings` are of this run alone."""
        for part in self.parts:
            part.start(**settings)
        wait_for(self.ready, START_LIMIT_S, self.tail)
        return self

    def kill(self) -> None:
        """kill -9: nothing in the server gets a chance to tidy up."""
        for part in self.parts:
            if part.runs():
                part.kill()

    def stop(self) -> None:
        for part in self.parts:
            part.stop()

    def ready(self) -> bool:
        return self._answers()

    def matins(self, *arguments: str, limit_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestrator.cli", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """What a command prints with --json; it must succeed."""
        done = self.matins(*arguments, "--json")
        assert done.returncode == 0, f"matins {' '.join(arguments)}: {done.stderr}{self.tail()}"
        return json.loads(done.stdout)

    def submit(self, campaign: Path, *agents: str) -> list[str]:
        named = [part for agent in agents for part in ("--agent", agent)]
        return [episode["id"] for episode in self.json("episode", "submit", str(campaign), *named)["episodes"]]

    def get(self, path: str) -> Json:
        """An answer of the API: what a test asks often, without starting a command each time."""
        token = (self.home / "token").read_text("utf-8").strip()
        answer = httpx.get(f"{self.url}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        assert answer.status_code == 200, f"{path}: {answer.text}{self.tail()}"
        return answer.json()

    def episode(self, episode_id: str) -> Json:
        return self.get(f"episodes/{episode_id}")

    def events(self, episode_id: str) -> list[Json]:
        return self.get(f"episodes/{episode_id}/events")["events"]

    def wait_until_ended(self, episode_ids: list[str], limit_s: float) -> dict[str, Json]:
        """Every episode as it ended."""
        ended = ("DONE", "FAILED", "CANCELLED")
        wait_for(
            lambda: all(self.episode(one)["phase"] in ended for one in episode_ids),
            limit_s,
            lambda: f"{self.matins('episode', 'list', '--all').stdout}{self.tail()}",
        )
        return {one: self.episode(one) for one in episode_ids}

    def _answers(self) -> bool:
        assert self.parts[0].runs(), f"the server ended\n{self.tail()}"
        try:
            return httpx.get(f"{self.url}/api/v1/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def tail(self) -> str:
        return "\n".join(f"{part.log.name}:\n{part.tail()}" for part in self.parts)


class ScaledOrchestrator(Orchestrator):
    """The same as processes of their own: one API, two workers, two beats, at a database and a broker that are given.

    `api`, `workers` and `beats` are parts that can be killed, frozen and started singly; all get `settings`."""

    def __init__(self, home: Path, *, database_url: str, broker_url: str, **settings: str) -> None:
        super().__init__(home, database_url=database_url, broker_url=broker_url, **settings)

    worker_command: Sequence[str] = ()

    def _make_parts(self) -> list[Part]:
        self.api = self._part("api")
        self.workers = [self._part("worker", f"worker-{number}", self.worker_command) for number in (1, 2)]
        self.beats = [self._part("beat", f"beat-{number}") for number in (1, 2)]
        return [self.api, *self.workers, *self.beats]

    def ready(self) -> bool:
        for part in self.parts:
            assert part.runs(), f"{part.log.name}: it ended\n{part.tail()}"
        return self._answers() and all(part.says(f"{part.name}-started") for part in self.parts)


def wait_for(holds: Callable[[], bool], limit_s: float, explain: Callable[[], str]) -> None:
    """Poll until it holds; fail with an explanation after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s\n{explain()}"
        time.sleep(POLL_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
