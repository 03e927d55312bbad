"""A child of the supervisor: what it is given, and how it is started."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runner_agent.capture import Capture
from runner_agent.confinement import Role
from runner_agent.protocol import StageResult


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a process ended. `detail` is empty or a sentence; `exit_code` is None where a signal ended it; `limit` names
    the bound that ended it ("time", "output", "disk" or "processes"), if one did. Of its `seconds` it was frozen for
    `frozen_s`, while another attempt measured."""

    result: StageResult
    exit_code: int | None
    seconds: float
    started_at: str
    finished_at: str
    detail: str = ""
    limit: str = ""
    frozen_s: float = 0.0

    @property
    def ok(self) -> bool:
        return self.result == "ok"


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Where output goes, appended. Without `stderr` both go to `stdout`. Each is bounded by `limit_bytes`. `exact`: a
    program reads it, so that secrets in it stay."""

    stdout: Path
    limit_bytes: int
    stderr: Path | None = None
    stdin: bytes = b""
    exact: bool = False


Ends = tuple[int, int, int]
"""Descriptors of a child's stdin, stdout and stderr."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is asked of one child. `role`: None for the operator's own. `beside`: another command of the attempt runs,
    and it is that one which is watched and whose time counts. `gone`: nobody waits for it any more."""

    role: Role | None
    limit_s: float
    ends: Streams | Ends
    beside: bool = False
    gone: Callable[[], bool] = lambda: False


def start(
    argv: tuple[str, ...], env: Mapping[str, str], ends: Ends, passed: tuple[IO[bytes], ...]
) -> subprocess.Popen[bytes]:
    """`passed`: files that the child inherits."""
    stdin, stdout, stderr = ends
    return subprocess.Popen(
        argv,
        env=dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(file.fileno() for file in passed),
        start_new_session=True,
        cwd="/",
    )


def piped(streams: Streams, captures: tuple[Capture, ...], stack: contextlib.ExitStack) -> Ends:
    """Standard input as a file, the others as the pipes of `captures`: one alone takes both."""
    stdin = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    stdin.write(streams.stdin)
    stdin.seek(0)
    return stdin.fileno(), captures[0].write_end, captures[-1].write_end
