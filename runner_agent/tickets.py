"""A line of numbered tickets: turns in the order of arrival, which a bare lock does not promise.

A ticket is a file of the line's folder, named by its number and by the device that it is for. Its holder has its lock
(flock(2)) from before it is visible until it is done. So the kernel frees it at any death, and a ticket whose lock is
free is dead: whoever sees it removes it. Numbers are given one at a time, each above all that are there. So below a
live ticket none ever comes into being, and who has looked at those before it has seen all that there will ever be.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner_agent import locks

CHECK_S = 0.05
"""How often who waits looks whether it is to give up; its turn wakes it at once."""
ARRIVAL = "arrival"
NEXT = ".next"


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """`device`: the one that it is for; empty: all of them."""

    number: int
    device: str = ""

    @property
    def name(self) -> str:
        return f"{self.number}.{self.device}" if self.device else str(self.number)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`in_the_way`: of a ticket and the live ones before it, in order, those that keep it from its turn. Of the last
    `side_by_side` of them one must be done before it can have its turn, so it need not look again sooner."""

    in_the_way: Callable[[Ticket, Sequence[Ticket]], tuple[Ticket, ...]]
    side_by_side: int


def _of_same_device(own: Ticket, before: Sequence[Ticket]) -> tuple[Ticket, ...]:
    return tuple(each for each in before if not own.device or not each.device or own.device == each.device)


OF_DEVICES = Rule(in_the_way=_of_same_device, side_by_side=1)
"""Who wants a device waits for all before it that want the same one. Those for all devices are in everybody's way, also
while they still wait: who comes after them does not get past them."""


def of_capacity(count: int) -> Rule:
    """`count` at a time."""

    def in_the_way(_: Ticket, before: Sequence[Ticket]) -> tuple[Ticket, ...]:
        return tuple(before) if len(before) >= count else ()

    return Rule(in_the_way=in_the_way, side_by_side=count)


def read(name: str) -> Ticket | None:
    """The ticket that a file's name tells; None for a file that is none."""
    number, _, device = name.partition(".")
    return Ticket(number=int(number), device=device) if number.isascii() and number.isdigit() else None


class Place:
    """A ticket of this process in the line of a folder. `leave` gives it up."""

    def __init__(self, folder: Path, device: str, check: Callable[[], None]) -> None:
        """Takes the next number. `check` runs while that waits, and may raise to give up."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        arrival = locks.wait(folder / ARRIVAL, check=check)
        try:
            self.ticket, self._handle = _draw(folder, device)
        finally:
            locks.release(arrival)

    def wait(self, rule: Rule, check: Callable[[], None]) -> int:
        """Returns once it has its turn: how many were in its way when it came. `check` as above."""
        freed = threading.Event()
        watched: set[Ticket] = set()
        behind: int | None = None
        while True:
            # Cleared before the look: whatever ends after it is told.
            freed.clear()
            in_the_way = rule.in_the_way(self.ticket, before(self._folder, self.ticket))
            behind = len(in_the_way) if behind is None else behind
            if not in_the_way:
                return behind
            for ticket in in_the_way[-rule.side_by_side :]:
                if ticket not in watched:
                    watched.add(ticket)
                    _watch(self._folder / ticket.name, freed)
            while not freed.wait(CHECK_S):
                check()

    def leave(self) -> None:
        """Its file goes while the lock is held: once that is free, its number may be another's."""
        try:
            (self._folder / self.ticket.name).unlink(missing_ok=True)
        finally:
            locks.release(self._handle)


def before(folder: Path, own: Ticket) -> tuple[Ticket, ...]:
    """The live tickets before it, in order. Removes the dead ones."""
    found: list[Ticket] = []
    for path in folder.iterdir():
        ticket = read(path.name)
        if ticket is None or ticket.number >= own.number:
            continue
        if locks.is_held(path):
            found.append(ticket)
        else:
            path.unlink(missing_ok=True)
    return tuple(sorted(found, key=lambda ticket: ticket.number))


def _draw(folder: Path, device: str) -> tuple[Ticket, int]:
    """One at a time: what lies at NEXT is of one that died here."""
    (folder / NEXT).unlink(missing_ok=True)
    known = (read(path.name) for path in folder.iterdir())
    ticket = Ticket(number=max((each.number for each in known if each is not None), default=0) + 1, device=device)
    handle = locks.take(folder / NEXT)
    try:
        os.rename(folder / NEXT, folder / ticket.name)
    except BaseException:
        locks.release(handle)
        raise
    return ticket, handle


def _watch(path: Path, freed: threading.Event) -> None:
    """Sets `freed` once the ticket's lock is free, however that came."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        freed.set()
        return

    def wait() -> None:
        fcntl.flock(handle, fcntl.LOCK_SH)
        os.close(handle)
        freed.set()

    threading.Thread(target=wait, name="line", daemon=True).start()
