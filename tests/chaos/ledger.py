"""The runners' ledgers, read: `HOME/ledger.jsonl`, one JSON object a line, in the order in which it was written."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

EVENTS = {
    "accepted": "a launch was taken, just before the rename that is the start; it may come again if that was cut off",
    "started": "the supervisor began",
    "resumed": "a supervisor began that grades a tree which had been packed ungraded",
    "ended": "an exit record is in place",
    "found-dead": "no process of the attempt lives, and there is no exit record",
    "buried": "a tombstone was set: the attempt will never start here",
    "acknowledged": "the orchestrator has the results",
    "refused": "the runner said no",
}
BEGINNINGS = ("started", "resumed")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of one ledger. `number` counts from 1; `boottime_s` is CLOCK_BOOTTIME of the boot `boot_id`.

    `pid` and `start_time` (clock ticks since boot) are there for `started` and `resumed` only; `phase` is what the
    runner found the attempt in as it was `acknowledged`."""

    runner: str
    number: int
    at: datetime
    boottime_s: float
    boot_id: str
    event: str
    attempt_id: str
    episode_id: str
    fence: int
    pid: int | None = None
    start_time: int | None = None
    phase: str = ""
    text: str = ""

    @property
    def process(self) -> tuple[str, int | None, int | None]:
        """What tells one process from every other one: a pid alone comes again."""
        return self.boot_id, self.pid, self.start_time


@dataclass(frozen=True, kw_only=True)
class Malformed:
    """A line that says nothing that can be relied on."""

    runner: str
    number: int
    problem: str
    text: str


def parse(runner: str, text: str) -> tuple[list[Line], list[Malformed]]:
    """The lines of one ledger, and those that are none. A torn last line is malformed too: lines are written whole."""
    lines: list[Line] = []
    malformed: list[Malformed] = []
    for number, raw in enumerate(text.splitlines(), 1):
        try:
            lines.append(_line(runner, number, raw))
        except (ValueError, TypeError, KeyError) as error:
            malformed.append(Malformed(runner=runner, number=number, problem=_said(error), text=raw[:500]))
    return lines, malformed


def before(one: Line, other: Line, *, clock_error_s: float = 1.0) -> bool:
    """Whether `one` certainly happened before `other`.

    Within one boot that clock decides, which nobody can set; two boots of one runner are in the order of its file.
    Across machines there is the time of day only, so what lies within `clock_error_s` is not certain either way.
    """
    if one.boot_id == other.boot_id:
        return one.boottime_s < other.boottime_s
    if one.runner == other.runner:
        return one.number < other.number
    return one.at + timedelta(seconds=clock_error_s) < other.at


def history(lines: Iterable[Line]) -> str:
    """The lines as a person reads them, each after the ledger and the place in it that it comes from."""
    return "\n".join(f"    {line.runner}:{line.number}: {line.text}" for line in lines)


def _line(runner: str, number: int, raw: str) -> Line:
    data = json.loads(raw)
    if not isinstance(data, dict):
        raise TypeError("not a JSON object")
    event = _text(data, "event")
    if event not in EVENTS:
        raise ValueError(f"unknown event {event!r}")
    at = datetime.fromisoformat(_text(data, "at"))
    if at.tzinfo is None:
        raise ValueError("`at` has no time zone")
    begins = event in BEGINNINGS
    return Line(
        runner=runner,
        number=number,
        at=at,
        boottime_s=_seconds(data, "boottime_s"),
        boot_id=_text(data, "boot_id"),
        event=event,
        attempt_id=_text(data, "attempt_id"),
        episode_id=_text(data, "episode_id"),
        fence=_whole(data, "fence"),
        pid=_whole(data, "pid") if begins else None,
        start_time=_whole(data, "start_time") if begins else None,
        phase=str(data.get("phase", "")),
        text=raw,
    )


def _text(data: dict[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str) or not value:
        raise TypeError(f"`{key}` is not a text")
    return value


def _whole(data: dict[str, Any], key: str) -> int:
    value = data[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"`{key}` is not a whole number")
    return value


def _seconds(data: dict[str, Any], key: str) -> float:
    value = data[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"`{key}` is not a number")
    return float(value)


def _said(error: Exception) -> str:
    return f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)
