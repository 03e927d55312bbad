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
from runner_agent import protocol
from runner_agent.protocol import (
    AttemptRequest,
    AttemptStatus,
    DoctorAnswer,
    DoctorRequest,
    GradeRequest,
    Hello,
    LaunchSpec,
    PullRequest,
    Report,
    ReportRequest,
    SuspendAnswer,
    SuspendRequest,
)

CALL_LIMIT_S = 60.0
HELLO_LIMIT_S = 120.0
PULL_LIMIT_S = 3600.0


class LocalLink:
    """A link to the runner whose home is `home`. `limit_s` bounds each call but `hello` and `pull`."""

    def __init__(self, home: Path, limit_s: float = CALL_LIMIT_S, python: str = sys.executable) -> None:
        self._home = home.absolute()
        self._limit_s = limit_s
        # The interpreter itself, not a virtual environment's link to it: `-I -S` must find nothing but the standard
        # library, and a sandbox sees no virtual environment.
        self._python = os.path.realpath(python)
        self._agent = agent_file.build()

    def hello(self) -> Hello:
        return answers.message(Hello, self._ask("hello", {}, HELLO_LIMIT_S))

    def launch(self, spec: LaunchSpec) -> AttemptStatus:
        return answers.message(AttemptStatus, self._ask("launch", protocol.to_json(spec)))

    def report(self, request: ReportRequest) -> Report:
        return answers.message(Report, self._ask("report", protocol.to_json(request)))

    def cancel(self, request: AttemptRequest) -> AttemptStatus:
        return answers.message(AttemptStatus, self._ask("cancel", protocol.to_json(request)))

    def grade(self, request: GradeRequest) -> AttemptStatus:
        return answers.message(AttemptStatus, self._ask("grade", protocol.to_json(request)))

    def acknowledge(self, request: AttemptRequest) -> None:
        self._ask("acknowledge", protocol.to_json(request))

    def suspend(self, request: SuspendRequest) -> SuspendAnswer:
        return answers.message(SuspendAnswer, self._ask("suspend", protocol.to_json(request)))

    def doctor(self, request: DoctorRequest) -> DoctorAnswer:
        return answers.message(DoctorAnswer, self._ask("doctor", protocol.to_json(request), HELLO_LIMIT_S))

    @contextlib.contextmanager
    def pull(self, request: PullRequest) -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile() as stderr, self._start("pull", protocol.to_json(request), stderr) as child:
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

    def _ask(self, verb: str, request: Any, limit_s: float | None = None) -> dict[str, Any]:
        bound_s = self._limit_s if limit_s is None else limit_s
        with (
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
            self._start(verb, request, stderr, stdout) as child,
        ):
            try:
                child.wait(timeout=bound_s)
            except subprocess.TimeoutExpired:
                child.kill()
                said = f"`{verb}` on this machine gave no answer within {bound_s:g} s"
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
