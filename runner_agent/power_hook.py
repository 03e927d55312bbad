"""The operator's own program that knows what the whole machine draws, such as by asking a smart plug.

It prints words: `watts=…`, the power now, or `joules=…`, a counter that only rises, or both; other words are passed
over. It runs as the runner's account, so it must belong to that account or to root, and nobody else may write it.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import stat
import subprocess
from pathlib import Path

from runner_agent import clock
from runner_agent.meter import Count

LIMIT_S = 3.0
OUTPUT_MOST = 4096
EVERY_S = 2.0
BACK_OFF_MOST_S = 60.0
MOST_W = 100_000.0
MOST_J = 1e15
NAME = "plug"
PASSED = ("PATH", "HOME", "LANG", "LC_ALL")


def why_refused(path: Path, account: int) -> str:
    """Why this file is not run as a hook; empty where it may be."""
    try:
        found = path.stat()
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return f"{path} is no file"
    if found.st_uid not in (0, account):
        return f"{path} belongs to another account"
    if found.st_mode & 0o022:
        return f"{path} can be written by others than its owner"
    return "" if os.access(path, os.X_OK) else f"{path} is not executable"


def understand(text: str) -> Count | str:
    """What the hook printed, or what is wrong with it."""
    found: dict[str, float] = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        if equals and key in ("watts", "joules"):
            number = _number(value)
            if number is None or key in found or number > (MOST_W if key == "watts" else MOST_J):
                return f"it printed {word[:60]!r}"
            found[key] = number
    if not found:
        return "it printed neither watts=… nor joules=…"
    joules = found.get("joules")
    return Count(name=NAME, counter_uj=None if joules is None else round(joules * 1e6), watts=found.get("watts"))


class Hook:
    """Asks the hook at `path`, at most every EVERY_S, and more and more seldom while it fails. `problem`: the last
    failure."""

    def __init__(self, path: Path, limit_s: float = LIMIT_S) -> None:
        self.path = path
        self._limit_s = limit_s
        self._again_s = float("-inf")
        self._failures = 0
        self.problem = ""

    def read(self, now_s: float) -> Count | None:
        """None before its time, and where it fails. Never raises."""
        if now_s < self._again_s:
            return None
        told = ask(self.path, self._limit_s)
        said = told if isinstance(told, str) else ""
        self._failures = self._failures + 1 if said else 0
        self._again_s = now_s + min(BACK_OFF_MOST_S, EVERY_S * 2 ** min(self._failures, 10))
        if not said:
            self._again_s = now_s + EVERY_S
        self.problem = f"{self.path}: {said}" if said else ""
        return None if isinstance(told, str) else told


def ask(path: Path, limit_s: float = LIMIT_S) -> Count | str:
    """Runs the hook within its limits: what it counts, or why it says nothing."""
    try:
        child = subprocess.Popen(
            [str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, cwd="/", env={name: os.environ[name] for name in PASSED if name in os.environ},
        )  # fmt: skip
    except OSError as error:
        return f"it cannot be run: {error.strerror}"
    try:
        output = _output(child, clock.monotonic_s() + limit_s)
        if output is None:
            return f"it did not end within {limit_s:g} s"
        if len(output) > OUTPUT_MOST:
            return f"it printed more than {OUTPUT_MOST} bytes"
        status = child.returncode
        return f"it ended with exit status {status}" if status else understand(output.decode("utf-8", "replace"))
    finally:
        # Whatever it left behind goes with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def _output(child: subprocess.Popen[bytes], until_s: float) -> bytes | None:
    """All that it printed until it ended, cut once it is too much; None where its time ran out."""
    if child.stdout is None:
        return None
    handle, data = child.stdout.fileno(), b""
    while len(data) <= OUTPUT_MOST:
        left_s = until_s - clock.monotonic_s()
        if left_s <= 0 or not select.select([handle], [], [], left_s)[0]:
            return None
        piece = os.read(handle, OUTPUT_MOST + 1)
        if not piece:
            try:
                child.wait(max(0.0, until_s - clock.monotonic_s()))
            except subprocess.TimeoutExpired:
                return None
            return data
        data += piece
    return data


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
