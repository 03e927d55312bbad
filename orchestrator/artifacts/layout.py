"""Where everything stands in an episode's folder, and which names may enter it. Pure rules; no file is touched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath, PurePosixPath

from orchestrator.errors import ArtifactError

RUNNER_SUMS = "RUNNER_SHA256SUMS"
SUMS = "SHA256SUMS"

# What the runner makes and scoring reads.
EVENTS = "events.jsonl"
LAUNCH = "launch.json"
HELLO = "hello.json"
TESTS = "tests.json"
EVIDENCE = "grade/evidence.json"
SMOKE_ROUNDS = "smoke/throughput.jsonl"
CONDITIONS = "smoke/conditions.jsonl"

# What the orchestrator adds. Nothing that a runner sends may take one of these names.
CONFIG = "config.json"
LOCK = "lock.json"
RESULT = "result.json"
EXIT = "exit.json"
EXCEPTION = "exception.txt"
REWARD = "verifier/reward.json"
VERDICT = "verifier/verdict.json"
DISPATCHES = "smoke/dispatches.parquet"
TRACE = "smoke/trace.json"

MOST_PATH_BYTES = 1024
MOST_NAME_BYTES = 255

_DERIVED = frozenset({CONFIG, LOCK, RESULT, EXIT, REWARD, VERDICT, DISPATCHES, TRACE, SUMS})
_TRAJECTORY = re.compile(r"agent/trajectory(-session-[0-9]+)?\.json")
_SMOKE_LOG = re.compile(r"smoke/(baseline|candidate)-([0-9]{1,6})\.log")
_SESSION = re.compile(r"agent/session-([0-9]{1,6})/turns\.jsonl")
_SUM_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


def trajectory(session: int) -> str:
    """The ATIF document of a session; the first has the name that Harbor's readers look for."""
    return "agent/trajectory.json" if session == 1 else f"agent/trajectory-session-{session}.json"


def is_derived(path: str) -> bool:
    """Whether only the orchestrator makes this file. (A runner that failed may have left its own exception.txt.)"""
    return path in _DERIVED or _TRAJECTORY.fullmatch(path) is not None


def draft(path: PurePath) -> PurePath:
    """Where a file stands while it is being written."""
    return path.with_name(f".{path.name}.tmp")


def is_draft(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.startswith(".") and name.endswith(".tmp")


def smoke_log(path: str) -> tuple[str, int] | None:
    """("baseline" or "candidate", round from 1) of a smoke log's path, or None."""
    match = _SMOKE_LOG.fullmatch(path)
    return (match[1], int(match[2])) if match else None


def turns_session(path: str) -> int | None:
    """The session whose turns a path holds, or None."""
    match = _SESSION.fullmatch(path)
    return int(match[1]) if match else None


def refuse_path(path: str, depth: int) -> None:
    """Raises ArtifactError unless `path` is a plain relative path inside the folder, at most `depth` names deep."""
    parts = path.split("/")
    shown = repr(path[:120])
    if path.startswith("/") or ".." in parts:
        raise ArtifactError(f"{shown} leaves the episode's folder")
    if _UNPRINTABLE.search(path) or any(part in ("", ".") for part in parts):
        raise ArtifactError(f"{shown} is not a plain relative path")
    if len(parts) > depth:
        raise ArtifactError(f"{shown} is more than {depth} names deep")
    encoded = [len(part.encode()) for part in parts]
    if sum(encoded) + len(parts) - 1 > MOST_PATH_BYTES or max(encoded) > MOST_NAME_BYTES:
        raise ArtifactError(f"{shown} is longer than {MOST_PATH_BYTES} bytes, or a name in it than {MOST_NAME_BYTES}")


def parse_sums(text: str) -> dict[str, str]:
    """Path -> SHA-256 of a `sha256sum -c` file. Raises ArtifactError for a malformed line or a path named twice."""
    sums: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line == "":
            continue
        match = _SUM_LINE.fullmatch(line)
        if match is None or match[2] in sums:
            raise ArtifactError(f"line {number} of the checksums is malformed or names a path twice: {line[:120]!r}")
        sums[match[2]] = match[1]
    return sums


def format_sums(sums: Mapping[str, str]) -> str:
    return "".join(f"{sums[path]}  {path}\n" for path in sorted(sums))
