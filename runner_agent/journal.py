"""The append-only record of what an attempt did: one JSON object a line, `seq` from 1 without gaps."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from runner_agent import clock

SYNCED = frozenset({"attempt-started", "stage-started", "stage-finished", "awaiting-checks", "attempt-ended"})


class Journal:
    """The writer; an attempt has one, its supervisor."""

    def __init__(self, path: Path) -> None:
        """Goes on after the last whole line; of one that a crash cut short nobody was ever told."""
        before = read(path)
        self._seq = before[-1]["seq"] if before else 0
        self._file = open(path, "ab")  # noqa: SIM115  lives as long as the supervisor
        self._file.truncate(_whole(path))
        self._turn = threading.Lock()

    def record(self, event: str, **data: Any) -> None:
        with self._turn:
            self._seq += 1
            line = json.dumps({"seq": self._seq, "at": clock.utc_now(), "event": event, **data})
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            if event in SYNCED:
                os.fsync(self._file.fileno())


def read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; a last line cut short by a crash is left out."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [event for line in lines if (event := _parse(line)) is not None]


def _whole(path: Path) -> int:
    """The bytes of the whole lines."""
    return path.read_bytes().rfind(b"\n") + 1


def _parse(line: bytes) -> dict[str, Any] | None:
    """None for a line that a full disk cut and a later one ran into: one bad line must not hide all others."""
    try:
        return json.loads(line)
    except ValueError:
        return None
