"""The fleet and the queue as one screen. Pure: what it shows is what it is given, and `now` is a parameter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.cli import terminal
from orchestrator.cli.answers import Episode, Runner
from orchestrator.cli.render import values

STYLES = {
    "busy": "green",
    "idle": "cyan",
    "waking": "yellow",
    "suspending": "yellow",
    "draining": "yellow",
    "quarantined": "bold red",
    "unreachable": "bold red",
    "asleep": "dim",
    "out of service": "dim",
}
WIDE = 100
"""From this width on there is room for GPU, campaign and priority."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    running: int
    queued: int


@dataclass(frozen=True, kw_only=True)
class Overview:
    """`episodes`: first those on a runner, then the queue in its order; not all of them where there are many."""

    at: str
    runners: tuple[Runner, ...]
    episodes: tuple[Episode, ...]
    counts: Counts
    oldest_queued_at: str | None = None


def screen(seen: Overview, *, width: int | None = None, height: int | None = None, trouble: str = "") -> RenderableType:
    """All of it within `width`, if there is one, and as many runners and episodes as `height` lines have room for.
    `trouble`: why what is shown is no longer new."""
    now = _moment(seen.at)
    head = _head(seen, now, trouble)
    runners, episodes = _shares(len(seen.runners), len(seen.episodes), height, len(head))
    wide = width is None or width >= WIDE
    parts: list[RenderableType] = [*head, Text(), _runners(seen.runners[:runners], wide, width is not None)]
    parts += _left(len(seen.runners) - runners, "runner")
    parts += [Text(), _episodes(seen.episodes[:episodes], now, wide, width is not None)]
    parts += _left(seen.counts.running + seen.counts.queued - episodes, "episode")
    return Group(*parts)


def _head(seen: Overview, now: datetime | None, trouble: str) -> list[Text]:
    states = Counter(runner.state for runner in seen.runners)
    fleet = ", ".join(f"{count} {state}" for state, count in states.most_common()) or "none"
    oldest = f", the oldest for {_age(seen.oldest_queued_at, now)}" if seen.oldest_queued_at else ""
    lines = [
        _text(f"Matins  {values.time(seen.at)}", "bold"),
        _text(f"{values.plural(len(seen.runners), 'runner')}: {fleet}"),
        _text(f"{values.plural(seen.counts.running, 'episode')} running, {seen.counts.queued} queued{oldest}"),
    ]
    return lines + ([_text(trouble, "bold red")] if trouble else [])


def _runners(runners: Sequence[Runner], wide: bool, fitted: bool) -> Table:
    table = _table(fitted)
    table.add_column("RUNNER", no_wrap=True, max_width=20)
    table.add_column("STATE", no_wrap=True)
    table.add_column("EPISODES", no_wrap=True, justify="right")
    if wide:
        table.add_column("GPU", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("WHY", no_wrap=True, overflow="ellipsis", ratio=2)
    for runner in runners:
        slots = (runner.slots or {}).get("agent", 0)
        # Episodes past their sessions hold no agent slot, and stand beside those that do.
        has_room = 0 < slots >= len(runner.running)
        row = [
            _text(runner.name),
            _text(runner.state, STYLES.get(runner.state, "")),
            _text(f"{len(runner.running)}/{slots}" if has_room else str(len(runner.running))),
            *([_text(values.text(runner.gpu))] if wide else []),
            _text(_why(runner)),
        ]
        table.add_row(*row)
    return table


def _why(runner: Runner) -> str:
    """Its sentence without what stands in the row already: "gpu01 is waking, " of "gpu01 is waking, 41 s of …"."""
    said = (runner.why or runner.detail or "").removeprefix(f"{runner.name} ")
    known = f"is {runner.state}"
    return said[len(known) :].lstrip(" ,:") if said.lower().startswith(known) else said


def _episodes(episodes: Sequence[Episode], now: datetime | None, wide: bool, fitted: bool) -> Table:
    table = _table(fitted)
    table.add_column("EPISODE", no_wrap=True)
    table.add_column("AGENT", no_wrap=True, overflow="ellipsis", ratio=2)
    if wide:
        table.add_column("CAMPAIGN", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("PHASE", no_wrap=True)
    table.add_column("RUNNER", no_wrap=True, max_width=20)
    table.add_column("SINCE", no_wrap=True, justify="right")
    for episode in episodes:
        row = [
            _text(episode.id),
            _text(values.text(episode.agent or episode.kind)),
            *([_text(episode.campaign)] if wide else []),
            _text(episode.phase, "dim" if episode.phase == "QUEUED" else "green"),
            _text(values.text(episode.runner)),
            _text(_age(episode.started_at or episode.submitted_at, now)),
        ]
        table.add_row(*row)
    return table


def _table(fitted: bool) -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=fitted, header_style="bold")


def _shares(runners: int, episodes: int, height: int | None, head: int) -> tuple[int, int]:
    """How many of each fit: what one does not need, the other has."""
    if height is None:
        return runners, episodes
    free = max(2, height - head - 6)
    for_runners = min(runners, max(free // 2, free - episodes))
    return for_runners, min(episodes, free - for_runners)


def _left(count: int, what: str) -> list[Text]:
    return [_text(f"… and {values.plural(count, f'{what} more', f'{what}s more')}", "dim")] if count > 0 else []


def _text(text: str, style: str = "") -> Text:
    """Never as markup: agents and machines have a say in what is shown."""
    return Text(terminal.one_line(text), style=style, no_wrap=True, overflow="ellipsis")


def _age(since: str | None, now: datetime | None) -> str:
    begun = _moment(since)
    if begun is None or now is None:
        return values.NONE
    seconds = max(0, int((now - begun).total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
