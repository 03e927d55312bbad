"""One answer about all attempts, with the new bytes of their journals and logs: the live log too."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

from runner_agent import attempts, clock, handover, metering
from runner_agent.boot import boot_id
from runner_agent.home import AttemptFolder, Home
from runner_agent.observation import listed, status
from runner_agent.protocol import AttemptStatus, Chunk, Report, ReportRequest
from runner_agent.refusal import Refused

EVENTS = "events.jsonl"
MAX_BYTES = 8_000_000


def report(home: Home, request: ReportRequest, agent_file: Path) -> Report:
    """Statuses first, then bytes: a chunk may be newer than its status, never older. Of an attempt that another agent
    file began, that one tells, if it can."""
    names = listed(home)
    others = handover.keepers(home, names, agent_file)
    left = min(request.max_bytes, MAX_BYTES)
    found, chunks = ({}, []) if request.own_only else _told_by(others, home, request, left)
    left -= sum(len(chunk.data) * 3 // 4 for chunk in chunks)
    left_out = {name for theirs in others.values() for name in theirs} if request.own_only else set(found)
    own = {name: said for name in names if name not in left_out and (said := _status(home, name)) is not None}
    known = found | own
    gone = attempts.gone(home, tuple(name for name in request.cursors if name not in known))
    for attempt_id, cursors in request.cursors.items():
        if attempt_id in own:
            for chunk, size in _chunks(home.attempt(attempt_id), attempt_id, cursors, left):
                chunks.append(chunk)
                left -= size
    statuses = tuple(known[name] for name in names if name in known)
    meter, readings = (None, None) if request.own_only else metering.told(home, agent_file)
    return Report(
        boot_id=boot_id(),
        at=clock.utc_now(),
        attempts=statuses,
        chunks=tuple(chunks),
        gone=gone,
        meter=meter,
        readings=readings,
    )


def _told_by(
    others: Mapping[Path, tuple[str, ...]], home: Home, request: ReportRequest, left: int
) -> tuple[dict[str, AttemptStatus], list[Chunk]]:
    """What other agent files say of the attempts that they began."""
    found: dict[str, AttemptStatus] = {}
    chunks: list[Chunk] = []
    for agent, theirs in others.items():
        told = handover.ask(agent, home, theirs, request, left)
        if told is not None:
            found |= {each.attempt_id: each for each in told.attempts if each.attempt_id in theirs}
            mine = [chunk for chunk in told.chunks if chunk.attempt_id in theirs]
            chunks += mine
            left -= sum(len(chunk.data) * 3 // 4 for chunk in mine)
    return found, chunks


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
