"""The orchestrator that the demo starts if none answers, and stops again if it started it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli import terminal
from orchestrator.cli.answers import Health, read
from orchestrator.cli.client import Client
from orchestrator.cli.connection import Connection
from orchestrator.cli.errors import Failed, Unreachable
from orchestrator.cli.patience import Clock

UP = (sys.executable, "-P", "-m", "orchestrator.cli", "up")
UNTIL_EOF = "--until-eof"
HEALTHY_WITHIN_S = 90.0
STOPPED_WITHIN_S = 30.0
POLL_S = 0.2
TAIL_LINES = 20


@dataclass(frozen=True, kw_only=True)
class Service:
    """`child` is the process that was started here; None if one answered already."""

    child: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """End the process that was started here, if it still is that process. What it watches over goes on."""
        if self.child is None or self.child.poll() is not None:
            return
        terminal.note(f"Stopping the orchestrator that was started here (pid {self.child.pid}).")
        self.child.terminate()
        try:
            self.child.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            terminal.note(f"It did not end within {STOPPED_WITHIN_S:g} s and is killed: nothing is lost by that.")
            self.child.kill()
            self.child.wait()


def ensure_running(
    where: Connection, command: tuple[str, ...] = UP, clock: Clock | None = None, *, keep: bool = False
) -> Service:
    """Whatever answers at the URL, or else a detached child with its log in `up.log`. Unless it is to be kept it ends
    with this process, however that ends. Raises Failed with the tail of that log if it does not become healthy."""
    if version := _version(where):
        terminal.note(f"An orchestrator answers at {where.url} (version {version}).")
        return Service()
    log = where.home / "up.log"
    with log.open("ab") as opened:
        log.chmod(0o600)
        begin = opened.tell()
        # Nobody writes into that pipe. A kill of this process alone closes it, and a signal at its parent's death would
        # be lost with the thread that started the child.
        child = subprocess.Popen(
            command if keep else (*command, UNTIL_EOF),
            stdin=subprocess.DEVNULL if keep else subprocess.PIPE,
            stdout=opened,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    terminal.note(f"No orchestrator answers at {where.url}: started `matins up` (pid {child.pid}, log {log}).")
    service = Service(child=child)
    try:
        _wait_until_healthy(where, child, log, begin, clock or Clock())
    except BaseException:
        service.stop()
        raise
    return service


def _wait_until_healthy(where: Connection, child: subprocess.Popen[bytes], log: Path, begin: int, clock: Clock) -> None:
    deadline = clock.now() + HEALTHY_WITHIN_S
    while not _version(where):
        ended = child.poll()
        if ended is not None or clock.now() >= deadline:
            why = f"ended with status {ended}" if ended is not None else f"did not answer within {HEALTHY_WITHIN_S:g} s"
            for line in tail(log, begin):
                terminal.note(f"  {line}")
            raise Failed(f"The orchestrator {why}; above is the end of {log}.", "Try `matins up` by itself.")
        clock.sleep(POLL_S)


def _version(where: Connection) -> str:
    """The version of what answers; empty if nothing does. Raises UnexpectedAnswer if it is no orchestrator."""
    try:
        with Client(where) as client:
            return read(Health, client.get("/api/v1/health")).version
    except Unreachable:
        return ""


def tail(log: Path, begin: int) -> list[str]:
    """The last lines that were written to `log` after `begin`, at most TAIL_LINES."""
    with log.open("rb") as opened:
        opened.seek(begin)
        return opened.read().decode("utf-8", "replace").splitlines()[-TAIL_LINES:]
