"""This machine as a runner: the packed agent is run as a child, exactly as it would be over SSH."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.errors import LinkError
from orchestrator.machines import agent_file, answers, pulled
from orchestrator.machines.agent_link import CALL_LIMIT_S, PULL_LIMIT_S, AgentLink


class LocalLink(AgentLink):
    """A link to the runner whose home is `home`. `limit_s` as for every link."""

    def __init__(self, home: Path, limit_s: float = CALL_LIMIT_S, python: str = sys.executable) -> None:
        super().__init__(limit_s)
        self._home = home.absolute()
        # The interpreter itself, not a virtual environment's link to it: `-I -S` must find nothing but the standard
        # library, and a sandbox sees no virtual environment.
        self._python = os.path.realpath(python)
        self._agent = agent_file.build()

    @contextlib.contextmanager
    def _stream(self, verb: str, request: Any) -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile() as stderr, self._start(verb, request, stderr) as child:
            assert child.stdout is not None  # noqa: S101  it was asked for
            watchdog = threading.Timer(PULL_LIMIT_S, child.kill)
            watchdog.start()
            try:
                stream = pulled.files(child.stdout.read, lambda: (child.wait(), _text(stderr)))
                yield stream
                # Where it was read to its end, whether it ended well shows only now.
                stream.read(1)
            finally:
                watchdog.cancel()
                child.kill()

    def _ask(self, verb: str, request: Any, limit_s: float) -> dict[str, Any]:
        with (
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
            self._start(verb, request, stderr, stdout) as child,
        ):
            try:
                child.wait(timeout=limit_s)
            except subprocess.TimeoutExpired:
                child.kill()
                said = f"`{verb}` on this machine gave no answer within {limit_s:g} s"
                raise LinkError(said, kind="timeout") from None
            return answers.data(verb, child.returncode, _text(stdout), _text(stderr))

    @contextlib.contextmanager
    def _start(
        self, verb: str, request: Any, stderr: BinaryIO, stdout: BinaryIO | int = subprocess.PIPE
    ) -> Iterator[subprocess.Popen[bytes]]:
        try:
            agent = agent_file.place(self._agent, self._home / "agent")
        except OSError as error:
            raise LinkError(f"the runner agent could not be placed in {self._home}: {error}") from error
        with tempfile.TemporaryFile() as stdin:
            stdin.write(json.dumps(request).encode())
            stdin.seek(0)
            argv = (self._python, "-I", "-S", str(agent), verb, "--home", str(self._home))
            with subprocess.Popen(
                argv, stdin=stdin, stdout=stdout, stderr=stderr, cwd="/", start_new_session=True
            ) as child:
                yield child


def _text(file: BinaryIO) -> bytes:
    file.seek(0)
    text = file.read(answers.ANSWER_BYTES + 1)
    if len(text) > answers.ANSWER_BYTES:
        raise LinkError(f"the answer is larger than {answers.ANSWER_BYTES} bytes", kind="protocol")
    return text
