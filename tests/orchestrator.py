"""A real orchestrator on a free loopback port with a home of its own, in one process or in several, and the command
line beside it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from tests.preloaded import Place, Process, preloaded

START_LIMIT_S = 60.0
POLL_S = 0.1
SLOWER_MOST = 5.0
"""Limits are those of a quiet machine: a slow or busy one has so many times as long before a test gives up."""

PORTS = range(10_000, 32_000)
"""Below those that the kernel gives to outgoing connections: nobody's takes a port while its server is started anew."""

Json = dict[str, Any]


class Part:
    """One process of an orchestrator, logging to `log`: `matins NAME`, unless `command` says otherwise. One that begins
    with -m is a module for Python."""

    def __init__(
        self,
        name: str,
        environment: dict[str, str],
        log: Path,
        command: Sequence[str] = (),
        place: Place | None = None,
    ) -> None:
        self.name = name
        self.command = command
        self.place = place
        self.log = log
        self._environment = environment
        self.process: subprocess.Popen[bytes] | Process | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, **settings: str) -> None:
        """`settings` are of this run alone."""
        more = {f"MATINS_{name.upper()}": value for name, value in settings.items()}
        environment = {**self._environment, **more}
        with self.log.open("ab") as log:
            self.process = (
                subprocess.Popen(self.command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                if self.command and self.command[0] != "-m"
                else preloaded().start(self.command or [self.name], environment, log, place=self.place)
            )

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """kill -9: nothing in it gets a chance to tidy up."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(timeout=30 * SLOWER_MOST)

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
                self.process.wait(timeout=30 * SLOWER_MOST)
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
            "MATINS_METRICS_CACHE_S": "0",
            **{f"MATINS_{name.upper()}": value for name, value in settings.items()},
        }
        self.parts = self._make_parts()

    def _make_parts(self) -> list[Part]:
        return [self._part("up")]

    place: Place | None = None
    """Where its processes and commands run; None: where the test does."""

    def _part(self, name: str, label: str = "", command: Sequence[str] = ()) -> Part:
        log = self.home.parent / f"{self.home.name}-{label or name}.log"
        return Part(name, self._environment, log, command, self.place)

    @property
    def _server(self) -> subprocess.Popen[bytes] | Process | None:
        """The process of the part that answers."""
        return self.parts[0].process

    @_server.setter
    def _server(self, process: subprocess.Popen[bytes] | Process) -> None:
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
        return preloaded().run(arguments, self._environment, limit_s * SLOWER_MOST, self.place)

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
        answer = httpx.get(f"{self.url}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"}, timeout=120)
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
            return httpx.get(f"{self.url}/api/v1/health", timeout=20).status_code == 200
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
    """Poll until it holds; fail with an explanation after `limit_s`, SLOWER_MOST times over."""
    limit_s *= SLOWER_MOST
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s\n{explain()}"
        time.sleep(POLL_S)


def free_port() -> int:
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
