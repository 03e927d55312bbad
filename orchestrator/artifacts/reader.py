"""Evidence from an episode's folder. Never raises over what the files hold: each fault becomes a stated problem."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from orchestrator.artifacts import layout, loose, sums
from orchestrator.scoring.evidence import (
    CheckEvidence,
    Claim,
    EnvRead,
    Event,
    Evidence,
    Place,
    Side,
    SmokeLog,
    SmokeRound,
    Turn,
    Usage,
)
from runner_agent.measure import conditions

# The runner bounds each log too; this keeps one folder from filling the memory.
MOST_TEXT_BYTES = 64 * 1024 * 1024
MOST_LINE_PROBLEMS = 3

SIDES: tuple[Side, ...] = ("baseline", "candidate")
T = TypeVar("T")


def read(folder: Path) -> Evidence:
    """All that scoring looks at. A file that is absent or malformed is named in `problems`."""
    return _Reader(folder).read()


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = sums.files(folder)
        self._problems: list[str] = []
        self._unreadable: list[str] = []

    def read(self) -> Evidence:
        found = loose.table(self._json(layout.EVIDENCE, needed=True))
        self._problems += loose.texts(found.get("problems"))[:MOST_LINE_PROBLEMS]
        tests = loose.table(self._json(layout.TESTS, needed=False))
        events = tuple(self._lines(layout.EVENTS, _event))
        turns = tuple(self._turns())
        rounds = _rounds(tuple(self._lines(layout.SMOKE_ROUNDS, _round)), events)
        logs = tuple(self._smoke_logs())
        return Evidence(
            problems=tuple(self._problems),
            unreadable=tuple(self._unreadable),
            graded=found.get("graded") is True,
            checks={check.id: check for check in map(_check, loose.tables(found.get("checks"))) if check.id},
            opened=loose.texts(found.get("opened")),
            changed=loose.texts(found.get("changed")),
            env_reads=tuple(map(_env_read, loose.tables(found.get("added_env_reads")))),
            env_set_in={name: loose.texts(paths) for name, paths in loose.table(found.get("env_set_in")).items()},
            suppressions=tuple(map(_place, loose.tables(found.get("added_suppressions")))),
            removed_public=tuple(map(_place, loose.tables(found.get("removed_public")))),
            turns=turns,
            tests={side: _results(tests.get(side)) for side in SIDES},
            rounds=rounds,
            logs=logs,
            events=events,
            conditions=replace(conditions.judge(list(self._samples()), list(_windows(events))), apart=_apart(events)),
        )

    def _samples(self) -> Iterator[conditions.Sample]:
        """The conditions each second. A sample that is no object says nothing, and is no fault of what was measured."""
        for line in (self._text(layout.CONDITIONS) or "").split("\n"):
            with contextlib.suppress(loose.Unreadable):
                yield loose.table(loose.parse(line))

    def _json(self, path: str, *, needed: bool) -> object:
        text = self._text(path)
        if text is None:
            if needed:
                self._fault(path, "is missing")
            return None
        try:
            data: object = loose.parse(text)
        except loose.Unreadable as error:
            self._fault(path, f"is not JSON: {error}")
            return None
        if not isinstance(data, dict):
            self._fault(path, "is not a JSON object")
        return cast("object", data)

    def _lines(self, path: str, make: Callable[[dict[str, Any]], T | None]) -> Iterator[T]:
        text = self._text(path)
        faults: list[str] = []
        for number, line in enumerate((text or "").split("\n"), 1):
            if not line.strip():
                continue
            try:
                made = make(loose.table(loose.parse(line)))
            except loose.Unreadable as error:
                faults.append(f"{path} line {number} is not JSON: {error}")
                continue
            if made is None:
                faults.append(f"{path} line {number} lacks a key or holds a wrong type")
            else:
                yield made
        self._problems += faults[:MOST_LINE_PROBLEMS]
        if len(faults) > MOST_LINE_PROBLEMS:
            self._problems.append(f"{path}: {len(faults) - MOST_LINE_PROBLEMS} more lines like that")

    def _turns(self) -> Iterator[Turn]:
        for path in sorted(self._paths, key=lambda path: layout.turns_session(path) or 0):
            if layout.turns_session(path) is not None:
                yield from self._lines(path, _turn)

    def _smoke_logs(self) -> Iterator[SmokeLog]:
        found = ((layout.smoke_log(path), path) for path in self._paths)
        named = [(round_, side, path) for (side, round_), path in ((key, path) for key, path in found if key)]
        for round_, side, path in sorted(named):
            text = self._text(path)
            if text is not None:
                yield SmokeLog(round=round_, side=cast("Side", side), path=path, text=text)

    def _text(self, path: str) -> str | None:
        target = self._folder / path
        if path not in self._paths or target.is_symlink() or not target.is_file():
            return None
        try:
            with target.open("rb") as file:
                data = file.read(MOST_TEXT_BYTES + 1)
        except OSError as error:
            self._fault(path, f"cannot be read: {error.strerror}")
            return None
        if len(data) > MOST_TEXT_BYTES:
            self._problems.append(f"{path} is longer than {MOST_TEXT_BYTES} bytes; the rest was not read")
        return data[:MOST_TEXT_BYTES].decode("utf-8", "replace")

    def _fault(self, path: str, words: str) -> None:
        self._problems.append(f"{path} {words}")
        self._unreadable.append(path)


def _check(data: dict[str, Any]) -> CheckEvidence:
    return CheckEvidence(
        id=loose.text(data.get("id")),
        ran=data.get("ran") is True,
        exit_code=loose.whole(data.get("exit_code")),
        timed_out=data.get("timed_out") is True,
        log=loose.text(data.get("log")),
        matches=tuple(map(_place, loose.tables(data.get("matches")))),
        scanned=loose.texts(data.get("scanned")),
        missing=loose.texts(data.get("missing")),
        problem=loose.text(data.get("problem")),
    )


def _place(data: dict[str, Any]) -> Place:
    line = loose.whole(data.get("line"))
    return Place(path=loose.text(data.get("path")), line=line or 0, text=loose.text(data.get("text")))


def _env_read(data: dict[str, Any]) -> EnvRead:
    return EnvRead(name=loose.text(data.get("name")), where=_place(data))


def _results(data: object) -> dict[str, str]:
    return {name: loose.text(result) for name, result in loose.table(data).items() if isinstance(result, str)}


def _event(data: dict[str, Any]) -> Event | None:
    seq, name = loose.whole(data.get("seq")), loose.text(data.get("event"))
    if seq is None or not name:
        return None
    rest = {key: value for key, value in data.items() if key not in ("seq", "at", "event")}
    return Event(seq=seq, at=loose.text(data.get("at")), event=name, data=rest)


def _round(data: dict[str, Any]) -> SmokeRound | None:
    number, side = loose.whole(data.get("round")), data.get("side")
    if number is None or side not in SIDES:
        return None
    return SmokeRound(
        round=number,
        side=side,
        exit_code=loose.whole(data.get("exit_code")),
        tokens=loose.number(data.get("tokens")),
        seconds=loose.number(data.get("seconds")),
        tok_s=loose.number(data.get("tok_s")),
        at=loose.text(data.get("at")),
        wall_s=loose.number(data.get("wall_s")),
    )


def _windows(events: tuple[Event, ...]) -> Iterator[conditions.Window]:
    """When each run of the smoke command began and ended, as the runner saw it when it decided to stop."""
    for told in (event.data for event in events if event.event == "smoke-round"):
        number, side = loose.whole(told.get("round")), told.get("side")
        start_s, end_s = conditions.epoch_s(told.get("started_at")), conditions.epoch_s(told.get("finished_at"))
        if number is not None and side in SIDES and start_s is not None and end_s is not None:
            yield conditions.Window(round=number, side=str(side), start_s=start_s, end_s=end_s)


def _rounds(measured: tuple[SmokeRound, ...], events: tuple[Event, ...]) -> tuple[SmokeRound, ...]:
    """The measured rounds and those that the journal alone knows: a round that crashed may have left no measurement."""
    told = (_round(dict(event.data)) for event in events if event.event == "smoke-round")
    known = {(run.round, run.side) for run in measured}
    return (*measured, *(run for run in told if run is not None and (run.round, run.side) not in known))


def _turn(data: dict[str, Any]) -> Turn | None:
    session, number = loose.whole(data.get("session")), loose.whole(data.get("turn"))
    if session is None or number is None:
        return None
    claims = {item: claim for item, claim in loose.table(data.get("claims")).items() if claim in ("done", "not-done")}
    return Turn(
        session=session,
        turn=number,
        said=loose.text(data.get("said")),
        message=loose.text(data.get("message")),
        result=loose.text(data.get("result")),
        skipped=data.get("skipped") is True,
        why=loose.text(data.get("why")),
        started_at=loose.text(data.get("started_at")),
        finished_at=loose.text(data.get("finished_at")),
        opened=loose.texts(data.get("opened")),
        claims=cast("dict[str, Claim]", claims),
        usage=_usage(data.get("usage")),
    )


def _usage(data: object) -> Usage | None:
    if not isinstance(data, dict):
        return None
    told = loose.table(cast("object", data))
    return Usage(
        prompt_tokens=_amount(told.get("prompt_tokens")),
        completion_tokens=_amount(told.get("completion_tokens")),
        cached_tokens=_amount(told.get("cached_tokens")),
        cost_usd=loose.number(told.get("cost_usd")),
        source=loose.text(told.get("source")) or "reported",
    )


def _amount(value: object) -> int | None:
    read = loose.whole(value)
    return read if read is not None and read >= 0 else None


def _apart(events: tuple[Event, ...]) -> conditions.Apart | None:
    """Of the smoke test, which is measured once."""
    told = {event.event: event.data for event in events if event.event in ("isolation-begun", "isolation-ended")}
    begun, ended = told.get("isolation-begun"), told.get("isolation-ended", {})
    if begun is None:
        return None
    cores = (loose.whole(core) for core in loose.listed(begun.get("cores")))
    return conditions.Apart(
        isolation=loose.text(begun.get("isolation")),
        cores=tuple(core for core in cores if core is not None),
        made_room=loose.texts(begun.get("made_room")),
        did_not=loose.texts(begun.get("did_not")),
        beside=loose.texts(begun.get("beside")),
        sharing=loose.texts(ended.get("sharing")),
    )
