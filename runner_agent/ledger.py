"""What became of every attempt that this runner ever took on: HOME/ledger.jsonl, only ever added to.

One JSON object a line: `at` (ISO 8601 UTC), `boottime_s` (seconds of this boot, sleep included), `boot_id`, `event`,
`attempt_id`, `episode_id`, `fence`, and what else the event has to say. Acknowledging an attempt deletes its folder;
its lines here stay. A crash can leave an `accepted`, `buried` or `acknowledged` whose act had to be done again, so
these may come twice. A supervisor killed between its exit record and its `ended` has that line written by the next
report.
"""

from __future__ import annotations

from typing import Any, Literal

from runner_agent import clock, files, journal
from runner_agent.boot import boot_id
from runner_agent.home import Home
from runner_agent.protocol import ExitRecord

BEGINNINGS = ("started", "resumed")
Event = Literal["accepted", "started", "resumed", "ended", "found-dead", "buried", "acknowledged", "refused"]


def record(home: Home, event: Event, *, attempt_id: str, episode_id: str, fence: int, **data: Any) -> None:
    """Adds a line, and returns once it is on the disk. Raises OSError."""
    about = {"event": event, "attempt_id": attempt_id, "episode_id": episode_id, "fence": fence}
    when = {"at": clock.utc_now(), "boottime_s": clock.boottime_s(), "boot_id": boot_id()}
    home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.add_json(home.ledger, {**when, **about, **data})


def read(home: Home) -> list[dict[str, Any]]:
    """Every whole line, in order."""
    return journal.read(home.ledger)


def about(home: Home, attempt_id: str) -> list[dict[str, Any]]:
    """The lines about one attempt, but for what was refused to it."""
    return [line for line in read(home) if line["attempt_id"] == attempt_id and line["event"] != "refused"]


def ended(home: Home, attempt_id: str, episode_id: str, end: ExitRecord) -> None:
    """Adds how an attempt's latest supervisor ended, unless that is written down already."""
    lines = [line["event"] for line in about(home, attempt_id)]
    begun = max((n for n, event in enumerate(lines) if event in BEGINNINGS), default=-1)
    if "ended" not in lines[begun + 1 :]:
        record(
            home,
            "ended",
            attempt_id=attempt_id,
            episode_id=episode_id,
            fence=end.fence,
            reason=end.reason,
            graded=end.graded,
        )
