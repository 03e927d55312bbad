"""From what holds to what is said: what began and what is over, each told once; and who would be told too often is told
of many things at once. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from orchestrator.conditions import CONDITIONS, Condition, Severity
from orchestrator.planning.noticing import Found

MESSAGES_MOST = 20
"""In `WINDOW_S`, of all conditions together. What more there is waits, and is said in one message then."""

WINDOW_S = 3600.0
LINES_MOST = 10
"""Of a message; how many more there are is its last line."""

LINE_CHARS = 400

Say = Literal["", "began", "over"]


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A condition from its beginning on. `seen_at`: its newest cause; `say`: what has yet to be told of it."""

    id: int
    key: str
    condition: Condition
    says: str
    began_at: datetime
    seen_at: datetime
    over_at: datetime | None = None
    say: Say = "began"


@dataclass(frozen=True, kw_only=True)
class Change:
    """`begin`: what is new; `again`: notices that have a newer cause; `over`: those that end, of which the `dropped`
    are not told of, since nobody wants to hear of them any more."""

    begin: tuple[Found, ...] = ()
    again: tuple[tuple[Notice, datetime], ...] = ()
    over: tuple[Notice, ...] = ()
    dropped: tuple[Notice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message: what it is made of, and its words."""

    notices: tuple[int, ...]
    conditions: tuple[Condition, ...]
    severity: Severity
    title: str
    body: str


def change(
    lasting: Sequence[Notice],
    found: Sequence[Found],
    *,
    unsaid: Collection[Condition] = (),
    wanted: Collection[Condition],
) -> Change:
    """`unsaid`: conditions of which nobody can say whether they hold."""
    known = {notice.key: notice for notice in lasting}
    present = {each.key: each for each in found if each.condition in wanted}
    both = [(known[key], each.at) for key, each in present.items() if key in known]
    gone = [notice for notice in lasting if notice.key not in present]
    return Change(
        begin=tuple(each for key, each in present.items() if key not in known),
        again=tuple((notice, at) for notice, at in both if at is not None and at > notice.seen_at),
        over=tuple(one for one in gone if one.condition in wanted and one.condition not in unsaid),
        dropped=tuple(one for one in gone if one.condition not in wanted),
    )


def compose(
    untold: Sequence[Notice], sent: Sequence[tuple[datetime, Collection[str]]], every_s: float, now: datetime
) -> Draft | None:
    """The next message, if one may be sent now: at most one of a condition in `every_s`, and MESSAGES_MOST in WINDOW_S.
    `sent`: when messages were made in that window, and of which conditions."""
    if sum(at > now - timedelta(seconds=WINDOW_S) for at, _ in sent) >= MESSAGES_MOST:
        return None
    lately = {each for at, conditions in sent if at > now - timedelta(seconds=every_s) for each in conditions}
    due = sorted((one for one in untold if one.condition not in lately), key=_order)
    if not due:
        return None
    lines = [_line(one) for one in due[:LINES_MOST]]
    if len(due) > LINES_MOST:
        lines.append(f"and {len(due) - LINES_MOST} more")
    conditions = tuple(dict.fromkeys(one.condition for one in due))
    return Draft(
        notices=tuple(one.id for one in due),
        conditions=conditions,
        severity=_severity(due),
        title=f"Matins: {conditions[0]}" if len(conditions) == 1 else f"Matins: {len(due)} things",
        body="\n".join(lines),
    )


_RANK: dict[Severity, int] = {"warning": 0, "info": 1}


def _order(notice: Notice) -> tuple[int, datetime, int]:
    return _RANK[_weight(notice)], notice.began_at, notice.id


def _weight(notice: Notice) -> Severity:
    """What is over is good news."""
    meant = CONDITIONS[notice.condition]
    return "info" if meant.lasts and notice.over_at is not None else meant.severity


def _severity(notices: Sequence[Notice]) -> Severity:
    return min((_weight(one) for one in notices), key=lambda severity: _RANK[severity])


def _line(notice: Notice) -> str:
    """What agents and machines wrote is in it: no byte of it may steer whoever shows it."""
    plain = "".join(sign if sign.isprintable() else " " for sign in notice.says)
    text = plain if len(plain) <= LINE_CHARS else f"{plain[: LINE_CHARS - 1]}…"
    if not CONDITIONS[notice.condition].lasts or notice.over_at is None:
        return text
    lasted = f"{_span(notice.over_at - notice.began_at)}"
    return f"Over after {lasted}: {text}" if notice.say == "over" else f"Began, and was over after {lasted}: {text}"


def _span(length: timedelta) -> str:
    seconds = length.total_seconds()
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
