"""A machine reached over SSH as a runner. Every call is one command on one channel: a request in, an answer out.

The command is always the same (`door.py`), and nothing of a repository, a campaign or an agent is ever part of it.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import paramiko

from orchestrator.domain.runner import Address
from orchestrator.errors import BadInput, LinkError, LinkRefused
from orchestrator.machines import agent_file, answers, door, host_keys, pulled
from orchestrator.machines.agent_file import AgentFile
from orchestrator.machines.agent_link import CALL_LIMIT_S, PULL_LIMIT_S, AgentLink
from orchestrator.machines.ssh_connect import connect, shut, translated
from orchestrator.machines.ssh_pool import IDLE_S, Pool
from orchestrator.machines.ssh_watchdog import Watchdog

T = TypeVar("T")

PULL_IDLE_S = 60.0
DEFAULT_HOME = ".matins-runner"

PIECE_BYTES = 64 * 1024
STDERR_BYTES = 64 * 1024

HOST = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9._:%-]{0,253})")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
HOME = re.compile(r"/?[A-Za-z0-9._][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*")


def command(home: str) -> str:
    """What is run on the runner, by its account's shell: to be allowed as a forced command, if any is."""
    return shlex.join(("python3", "-I", "-S", "-c", Path(door.__file__).read_text("utf-8"), home))


def check(address: Address) -> None:
    """Raises BadInput unless every part is of a harmless form."""
    for what, value, form in (("host", address.host, HOST), ("user", address.user, USER), ("home", address.home, HOME)):
        if not form.fullmatch(value):
            raise BadInput(f"{value[:80]!r} cannot be the {what} of a runner", "use plain ASCII names")
    if ".." in address.home.split("/"):
        raise BadInput(f"{address.home!r} cannot be the home of a runner", "leave '..' out")
    if not 1 <= address.port <= 65535:
        raise BadInput(f"{address.port} is no port", "1 to 65535")
    host_keys.read(address.host_key)


class SshLink(AgentLink):
    """A link to the runner at `address`, which was checked. `limit_s` as for every link; `pull_idle_s` is how
    long a pull may bring no byte, `agent` another agent file than the installed one."""

    def __init__(
        self,
        address: Address,
        *,
        limit_s: float = CALL_LIMIT_S,
        pull_idle_s: float = PULL_IDLE_S,
        idle_s: float = IDLE_S,
        agent: AgentFile | None = None,
    ) -> None:
        super().__init__(limit_s)
        check(address)
        self._where = f"{address.user}@{address.host}:{address.port}"
        self._pull_idle_s = pull_idle_s
        self._agent = agent or agent_file.build()
        self._command = command(address.home)
        self._pool = Pool(self._where, lambda within_s: connect(address, within_s), idle_s)

    @contextlib.contextmanager
    def _stream(self, verb: str, request: Any) -> Iterator[BinaryIO]:
        deadline = time.monotonic() + self._limit_s
        with contextlib.ExitStack() as stack:
            sent = self._request(verb, request)
            yield self._with_agent(lambda: stack.enter_context(self._streamed(sent)), deadline)

    @contextlib.contextmanager
    def _streamed(self, sent: bytes) -> Iterator[BinaryIO]:
        with self._exchange(sent, self._limit_s, PULL_LIMIT_S, self._pull_idle_s) as (read, ended):
            stream = pulled.files(read, ended)
            yield stream
            # Where it was read to its end, whether it ended well shows only now.
            stream.read(1)

    def close(self) -> None:
        """Ends the connection; the next call makes another."""
        self._pool.close()

    def _ask(self, verb: str, request: Any, limit_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        sent = self._request(verb, request)
        return self._with_agent(lambda: self._answer(verb, sent, deadline), deadline)

    def _with_agent(self, call: Callable[[], T], deadline: float) -> T:
        """Calls; where the agent's file is not there, brings it and calls again. That a runner cannot keep it says
        nothing about what was asked, so it is no refusal."""
        try:
            return call()
        except LinkRefused as refused:
            if refused.refusal != door.NO_AGENT:
                raise
        try:
            self._push(deadline)
        except LinkRefused as refused:
            raise LinkError(f"{self._where} does not take the runner agent: {refused}", kind="protocol") from refused
        try:
            return call()
        except LinkRefused as refused:
            if refused.refusal != door.NO_AGENT:
                raise
            raise LinkError(f"{self._where} does not keep the runner agent: {refused}", kind="protocol") from refused

    def _request(self, verb: str, request: Any) -> bytes:
        return f"{verb} {self._agent.name}\n".encode() + json.dumps(request).encode()

    def _push(self, deadline: float) -> None:
        agent = self._agent
        header = f"push {agent.name} {agent.sha256} {len(agent.content)}\n".encode()
        self._answer("push", header + agent.content, deadline)

    def _answer(self, verb: str, sent: bytes, deadline: float) -> dict[str, Any]:
        left_s = max(0.01, deadline - time.monotonic())
        with self._exchange(sent, left_s, left_s) as (read, ended):
            answer = bytearray()
            while piece := read(PIECE_BYTES):
                answer += piece
                if len(answer) > answers.ANSWER_BYTES:
                    raise LinkError(f"`{verb}` answered more than {answers.ANSWER_BYTES} bytes", kind="protocol")
            exit_code, stderr = ended()
            return answers.data(verb, exit_code, bytes(answer), stderr)

    @contextlib.contextmanager
    def _exchange(
        self, sent: bytes, open_s: float, limit_s: float, idle_s: float | None = None
    ) -> Iterator[tuple[pulled.Read, pulled.Ended]]:
        """Sends a request, and gives what reads the answer and what tells how it ended. Each raises LinkError."""
        deadline = time.monotonic() + limit_s
        with self._pool.channel(open_s) as channel:
            transport = channel.get_transport()
            left_s = max(0.01, deadline - time.monotonic())
            with Watchdog(lambda: shut(transport), left_s, idle_s=idle_s, of_s=limit_s) as watchdog:
                yield self._begin(channel, sent, watchdog)

    def _begin(self, channel: paramiko.Channel, sent: bytes, watchdog: Watchdog) -> tuple[pulled.Read, pulled.Ended]:
        stderr = bytearray()

        def read(size: int) -> bytes:
            with translated(self._where, watchdog):
                data = channel.recv(size)
            watchdog.feed()
            return data

        def ended() -> tuple[int, bytes]:
            exit_code = channel.recv_exit_status()
            drain.join(1.0)
            if watchdog.reason:
                raise LinkError(f"{self._where}: {watchdog.reason}", kind="timeout")
            if exit_code == -1 and not channel.get_transport().is_active():
                raise LinkError(f"{self._where}: the connection broke before the answer was whole", kind="reset")
            return exit_code, bytes(stderr)

        with translated(self._where, watchdog):
            channel.exec_command(self._command)
            drain = threading.Thread(target=_drain, args=(channel, stderr), name="ssh-stderr", daemon=True)
            drain.start()
            _send(channel, sent, watchdog)
        return read, ended


def _send(channel: paramiko.Channel, sent: bytes, watchdog: Watchdog) -> None:
    """All of it, unless the other side stops listening: then its answer says why."""
    left = memoryview(sent)
    try:
        while left:
            left = left[channel.send(bytes(left[:PIECE_BYTES])) :]
            watchdog.feed()
        channel.shutdown_write()
    except OSError:
        if not channel.get_transport().is_active():
            raise


def _drain(channel: paramiko.Channel, kept: bytearray) -> None:
    """Standard error shares the channel's window: unread, it would block the answer. Its beginning is kept."""
    with contextlib.suppress(OSError):
        while piece := channel.recv_stderr(PIECE_BYTES):
            kept += piece[: STDERR_BYTES - len(kept)]
