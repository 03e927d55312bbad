"""Processes of Matins that begin as forks of one which has imported it already: importing takes longer than all else
that a server or a command does to start. In every other way they are processes of their own: environment, files,
signals, memory.

    process = preloaded().start(["up"], environment, log)      as subprocess.Popen, with what tests use of that
    done = preloaded().run(["episode", "list"], environment, 60)
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from orchestrator.cli.main import run
from orchestrator.machines import agent_file

POLL_S = 0.02
MESSAGE_BYTES = 1 << 18
MODULES = (
    "orchestrator.cli.app",
    "orchestrator.service.embedded",
    "orchestrator.web.app",
    # What is imported only as the parts start.
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "kombu.transport.memory",
    "kombu.transport.redis",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a process is to run: paths of a control group's `cgroup.procs`, and of a network namespace."""

    group: str
    network: str


class Process:
    """One that was forked. As with Popen, its pid is nobody else's until it was seen to have ended."""

    def __init__(self, parent: Preloaded, pid: int, words: Sequence[str]) -> None:
        self._parent = parent
        self._words = words
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._parent.ask({"poll": self.pid})["status"]
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        while (status := self.poll()) is None:
            if timeout is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(list(self._words), timeout)
            time.sleep(POLL_S)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Preloaded:
    """The process that has imported everything. It ends with the one that made it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())]
        root = Path(__file__).parents[1]
        self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, cwd=root)
        theirs.close()

    def start(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        out: IO[Any],
        errors: IO[Any] | None = None,
        place: Place | None = None,
    ) -> Process:
        """`matins WORDS`, or `python WORDS` where they begin with -m, with nothing to read, writing to files."""
        where = asdict(place) if place else None
        asked = {"start": list(words), "environment": dict(environment), "folder": os.getcwd(), "place": where}
        return Process(self, self.ask(asked, out.fileno(), (errors or out).fileno())["pid"], words)

    def run(
        self, words: Sequence[str], environment: Mapping[str, str], limit_s: float, place: Place | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What `matins WORDS` wrote, once it ended. Raises TimeoutExpired, and then it is killed."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            process = self.start(words, environment, out, errors, place)
            try:
                status = process.wait(limit_s)
            finally:
                process.kill()
            return subprocess.CompletedProcess(list(words), status, _text(out), _text(errors))

    def ask(self, question: Mapping[str, Any], *descriptors: int) -> Any:
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(question).encode()], descriptors)
            answer = self._socket.recv(MESSAGE_BYTES)
        assert answer, f"the preloaded process is gone: {self._process.poll()}"
        return json.loads(answer)


@cache
def preloaded() -> Preloaded:
    return Preloaded()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8")


def _import_everything() -> None:
    for name in MODULES:
        importlib.import_module(name)
    agent_file.build()
    gc.freeze()


def _serve(listener: socket.socket) -> int:
    """Until nobody asks any more; in each fork it returns the exit status of what the fork was for."""
    ended: dict[int, int] = {}
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(listener, MESSAGE_BYTES, 2)
        if not message:
            return 0
        asked = json.loads(message)
        if "poll" in asked:
            _bury(asked["poll"], ended)
            listener.send(json.dumps({"status": ended.get(asked["poll"])}).encode())
            continue
        pid = os.fork()
        if pid == 0:
            listener.close()
            return _become(asked, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        listener.send(json.dumps({"pid": pid}).encode())


def _bury(child: int, ended: dict[int, int]) -> None:
    """Notes how it ended, if it has."""
    if child not in ended:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            ended[child] = os.waitstatus_to_exitcode(status)


def _become(asked: dict[str, Any], out: int, errors: int) -> int:
    for standard, descriptor in ((1, out), (2, errors)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    if asked["place"]:
        _go_to(Place(**asked["place"]))
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.argv = ["matins", *asked["start"]]
    if asked["start"][0] == "-m":
        runpy.run_module(asked["start"][1], run_name="__main__")
        return 0
    return run(asked["start"])


def _go_to(place: Place) -> None:
    from tests.fleet_lab import kernel  # it imports this module, by a detour

    Path(place.group).write_text(str(os.getpid()))
    namespace = os.open(place.network, os.O_RDONLY)
    kernel.enter_network(namespace)
    os.close(namespace)


if __name__ == "__main__":
    _import_everything()
    sys.exit(_serve(socket.socket(fileno=int(sys.argv[1]))))
