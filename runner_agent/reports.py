"""One answer about all attempts, with the new bytes of their journals and logs: the live log too."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

from runner_agent import attempts, clock
from runner_agent.hello import boot_id
from runner_agent.home import AttemptFolder, Home
from runner_agent.observation import listed, status
from runner_agent.protocol import AttemptStatus, Chunk, Report, ReportRequest
from runner_agent.refusal import Refused

EVENTS = "events.jsonl"
MAX_BYTES = 8_000_000


def report(home: Home, request: ReportRequest) -> Report:
    """Statuses first, then bytes: a chunk may be newer than its status, never older."""
    statuses = tuple(known for attempt_id in listed(home) if (known := _status(home, attempt_id)) is not None)
    known = {each.attempt_id for each in statuses}
    gone = attempts.gone(home, tuple(name for name in request.cursors if name not in known))
    chunks: list[Chunk] = []
    left = min(request.max_bytes, MAX_BYTES)
    for attempt_id, cursors in request.cursors.items():
        if attempt_id in known:
            for chunk, size in _chunks(home.attempt(attempt_id), attempt_id, cursors, left):
                chunks.append(chunk)
                left -= size
    return Report(boot_id=boot_id(), at=clock.utc_now(), attempts=statuses, chunks=tuple(chunks), gone=gone)


def _status(home: Home, attempt_id: str) -> AttemptStatus | None:
    """None for one that was removed since it was listed."""
    try:
        return status(home, attempt_id)
    except Refused:
        return None


def _chunks(folder: AttemptFolder, attempt_id: str, cursors: dict[str, int], left: int) -> Iterator[tuple[Chunk, int]]:
    for stream, path in _streams(folder):
        offset = max(0, cursors.get(stream, 0))
        data = _read(path, offset, left)
        if stream == EVENTS:
            data = data[: data.rfind(b"\n") + 1]
        if data:
            left -= len(data)
            yield (
                Chunk(attempt_id=attempt_id, stream=stream, offset=offset, data=base64.b64encode(data).decode()),
                len(data),
            )


def _streams(folder: AttemptFolder) -> list[tuple[str, Path]]:
    """The journal first, then every log of the episode's folder in a stable order."""
    logs = [*folder.out.glob("logs/*.log"), *folder.out.glob("smoke/*.log"), *folder.out.glob("grade/*.log")]
    talk = [*folder.out.glob("agent/*/stream.jsonl"), *folder.out.glob("agent/*/stderr.log")]
    named = sorted((str(path.relative_to(folder.out)), path) for path in (*logs, *talk))
    return [(EVENTS, folder.events), *named]


def _read(path: Path, offset: int, left: int) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(max(0, left))
    except FileNotFoundError:
        return b""
