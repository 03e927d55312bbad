"""The mark that a machine is about to sleep, HOME/asleep: while it stands no attempt begins here.

It is written and read under the lock under which attempts begin, so of a launch and a suspend at once the first one to
hold that lock wins, and the other sees what it left. The mark is void as soon as the machine has slept or was started
anew, and where it did neither in good time.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner_agent import clock, files, protocol
from runner_agent.boot import boot_id
from runner_agent.home import Home
from runner_agent.refusal import Refused

LIMIT_MOST_S = 600.0
SLEPT_S = 0.5
"""A sleep is longer; the clocks that show it are not read at the same instant."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """`boottime_s` is CLOCK_BOOTTIME; of it the machine was suspended for `slept_s`."""

    boot_id: str
    boottime_s: float
    slept_s: float


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Set for the wish `token`, at that moment of the machine's clocks."""

    token: str
    how: str
    at: str
    boot_id: str
    boottime_s: float
    slept_s: float
    limit_s: float


def stands(mark: Mark, now: Moment) -> bool:
    """Whether the machine is about to sleep still: the same boot, no sleep since, and not too long ago."""
    same_boot = mark.boot_id == now.boot_id
    age_s = now.boottime_s - mark.boottime_s
    return same_boot and now.slept_s - mark.slept_s < SLEPT_S and 0 <= age_s < min(mark.limit_s, LIMIT_MOST_S)


def moment() -> Moment:
    return Moment(boot_id=boot_id(), boottime_s=clock.boottime_s(), slept_s=clock.slept_s())


def set_mark(home: Home, request: protocol.SuspendRequest) -> Mark:
    now = moment()
    mark = Mark(
        token=request.token,
        how=request.how,
        at=clock.utc_now(),
        boot_id=now.boot_id,
        boottime_s=now.boottime_s,
        slept_s=now.slept_s,
        limit_s=request.limit_s,
    )
    files.write_json(home.asleep, protocol.to_json(mark))
    return mark


def lift(home: Home, token: str) -> None:
    """Takes this wish's mark away: the machine did not fall asleep."""
    mark = last(home)
    if mark is not None and mark.token == token:
        home.asleep.unlink(missing_ok=True)


def last(home: Home) -> Mark | None:
    """The last mark that was set, whether it stands or not."""
    try:
        data = files.read_json(home.asleep)
        return None if data is None else protocol.from_json(Mark, data)
    except (OSError, ValueError):
        return None


def check(home: Home) -> None:
    """Raises Refused while the machine is about to sleep."""
    mark = last(home)
    if mark is not None and stands(mark, moment()):
        raise Refused("suspending", f"the machine is about to sleep ({mark.how}, asked at {mark.at}); wake it first")
