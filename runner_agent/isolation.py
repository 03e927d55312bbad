"""The quiet phase: who measures now, on which cores, and what everybody else on the machine does meanwhile.

Who measures says so in a notice: a file whose lock (flock(2)) its holder has from before it is visible until it is
done. So the kernel ends it at any death of the holder, and nobody stays aside for one that is gone. Whoever has
processes running has a notice, too, and writes into it for whom it has made room: whom a measurement waits for.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner_agent import clock, locks, shape
from runner_agent.journal import Journal
from runner_agent.protocol import Isolation

KEPT_SHARE = 4
"""One core of so many is kept for a measurement, and at least one."""
ANSWER_LIMIT_S = 3.0
POLL_S = 0.01

Cores = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Mark:
    """That an attempt measures: how, and on which cores (none: on any). `name` is this measurement's own."""

    name: str
    attempt: str
    isolation: Isolation
    cores: Cores


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What processes that do not measure may do: run on `cores` (none: on any), at `idle` priority, or be `frozen`.
    `towards` names the measurements that they make room for, `attempts` whose these are."""

    cores: Cores = ()
    idle: bool = False
    frozen: bool = False
    towards: tuple[str, ...] = ()
    attempts: tuple[str, ...] = ()


def standing(cores: Cores, marks: Sequence[Mark]) -> Standing:
    """Of processes on a machine with these cores, while others measure."""
    kept = {core for mark in marks for core in mark.cores}
    return Standing(
        cores=tuple(core for core in cores if core not in kept) if kept else (),
        idle=bool(marks),
        frozen=any(mark.isolation == "quiet" for mark in marks),
        towards=tuple(sorted(mark.name for mark in marks)),
        attempts=tuple(sorted({mark.attempt for mark in marks})),
    )


def keep(siblings: Sequence[Cores], taken: Cores = ()) -> Cores:
    """The cores to measure on: the last of those that nobody else has `taken`, whole ones, since two threads of a core
    disturb each other. At least half of them are left to those who do not measure: past that, measurements share. On
    two threads of one core each counts as one; a single one is for all."""
    groups = sorted(siblings)
    if len(groups) == 1:
        groups = [(core,) for core in groups[0]]
    if len(groups) < 2:
        return ()
    count = max(1, len(groups) // KEPT_SHARE)
    free = [group for group in groups if not set(group) & set(taken)]
    over = len(groups) - len(free) + count > len(groups) // 2
    return tuple(sorted(core for group in (groups if over else free)[-count:] for core in group))


class Notice:
    """A file of this process that others can read while it lives, and `leave` ends."""

    def __init__(self, path: Path, told: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}")
        self._path = path
        self._handle = locks.take(new)
        self.write(told)
        os.rename(new, path)

    def write(self, told: dict[str, Any]) -> None:
        line = json.dumps(told).encode() + b"\n"
        # Whoever reads in between sees a whole first line, or none that can be read.
        os.pwrite(self._handle, line, 0)
        os.ftruncate(self._handle, len(line))

    def leave(self) -> None:
        self._path.unlink(missing_ok=True)
        locks.release(self._handle)


@dataclass(frozen=True)
class Register:
    """The notices of all attempts of a runner's home. An answer is waited for as long as `answer_limit_s`."""

    folder: Path
    answer_limit_s: float = ANSWER_LIMIT_S
    _numbers: list[int] = field(default_factory=lambda: [0])

    def marks(self) -> tuple[Mark, ...]:
        """Of all measurements that go on now."""
        found = _live(self.folder / "measuring")
        return tuple(
            Mark(name=name, attempt=told["attempt"], isolation=told["isolation"], cores=tuple(told["cores"]))
            for name, told in found
            if {"attempt", "isolation", "cores"} <= told.keys()
        )

    def present(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Who has processes running that do not measure, and for which measurements each has made room."""
        return tuple(
            (str(told.get("attempt", name)), tuple(told.get("towards", ())))
            for name, told in _live(self.folder / "running")
        )

    def enter(self, attempt_id: str) -> Notice:
        """The notice of a command of an attempt, which has made room for nobody yet."""
        return Notice(self.folder / "running" / self._name(attempt_id), presence(attempt_id, ()))

    @contextlib.contextmanager
    def measure(
        self,
        attempt_id: str,
        isolation: Isolation,
        siblings: Sequence[Cores],
        check: Callable[[], None],
        journal: Journal | None,
    ) -> Generator[Mark, None, None]:
        """Says that the attempt measures, and yields once all others have made room or the time for it is over.
        Journals who did, who did not, and who measured beside. `check` runs while waiting and may raise."""
        began_s = clock.monotonic_s()
        with locks.held(self.folder / "choose", check=check):
            others = self.marks()
            cores = keep(siblings, tuple(core for mark in others for core in mark.cores))
            mark = Mark(name=self._name(attempt_id), attempt=attempt_id, isolation=isolation, cores=cores)
            told: dict[str, Any] = {"attempt": attempt_id, "isolation": isolation, "cores": list(cores)}
            notice = Notice(self.folder / "measuring" / mark.name, told)
        try:
            made_room, did_not = self._answers(mark, check)
            journalled(
                journal,
                "isolation-begun",
                isolation=isolation,
                cores=list(cores),
                seconds=round(clock.monotonic_s() - began_s, 3),
                made_room=made_room,
                did_not=did_not,
                beside=sorted({other.attempt for other in others}),
            )
            yield mark
            # Who came meanwhile is not in the first line.
            sharing = {attempt for attempt, _ in self.present()} - {attempt_id}
            held_s = round(clock.monotonic_s() - began_s, 3)
            journalled(journal, "isolation-ended", held_s=held_s, sharing=sorted(sharing))
        finally:
            notice.leave()

    def _answers(self, mark: Mark, check: Callable[[], None]) -> tuple[list[str], list[str]]:
        """Who has made room, and who has not."""
        deadline_s = clock.monotonic_s() + self.answer_limit_s
        while True:
            found = [(attempt, mark.name in towards) for attempt, towards in self.present() if attempt != mark.attempt]
            silent = sorted({attempt for attempt, answered in found if not answered})
            if not silent or clock.monotonic_s() > deadline_s:
                return sorted({attempt for attempt, _ in found} - set(silent)), silent
            check()
            clock.pause(POLL_S)

    def _name(self, attempt_id: str) -> str:
        """No other notice's, of this process or another."""
        self._numbers[0] += 1
        return f"{attempt_id}.{os.getpid()}.{self._numbers[0]}"


def presence(attempt_id: str, towards: tuple[str, ...]) -> dict[str, Any]:
    """What a notice of one that does not measure holds."""
    return {"attempt": attempt_id, "towards": list(towards)}


def journalled(journal: Journal | None, event: str, **data: Any) -> None:
    if journal is not None:
        journal.record(event, **data)


def _live(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The notices whose holders live, by name. Removes the others: a name is never used again."""
    found: list[tuple[str, dict[str, Any]]] = []
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    for name in names:
        path = folder / name
        if name.startswith("."):
            continue
        if not locks.is_held(path):
            path.unlink(missing_ok=True)
            continue
        with contextlib.suppress(OSError, ValueError):
            found.append((name, shape.table(json.loads(path.read_bytes().split(b"\n")[0]))))
    return found
