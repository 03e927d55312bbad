"""What a runner reported, into rows: each line of a journal and each byte of a log once, however often reported."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, update
from sqlmodel import Session, col, select

from orchestrator.domain.phases import Event, Phase
from orchestrator.domain.runner import Health, Operation, Power
from orchestrator.store.asking import Asked
from orchestrator.store.changes import ask_again, log_event, log_runner_event, move_episode
from orchestrator.store.meters import record_meters
from orchestrator.store.tables import AttemptRow, ChunkRow, EventRow, RunnerRow
from runner_agent.protocol import AttemptStatus, Chunk, Hello, Report, to_json

JOURNAL = "events.jsonl"
OURSELVES = "matins"
SILENCE = frozenset({"unreachable", "timeout", "reset", "connect-refused"})
"""Link errors that a machine asleep, or on its way there, gives."""

FALLS_SILENT = timedelta(seconds=3)
"""A machine that said yes answers for a moment longer; what was asked before that may break off for other reasons."""

GOES_DOWN = timedelta(seconds=60)
"""A machine that was asked to sleep may answer for so long and sleep all the same."""

LIVING = ("running", "awaiting-checks")

NAMED_THERE = select(AttemptRow).where(
    col(AttemptRow.id).in_(bindparam("ids", expanding=True)), AttemptRow.runner == bindparam("runner")
)


def record_hello(session: Session, runner: str, hello: Hello, now: datetime) -> None:
    """The report that came with it says whether it is awake."""
    changes = {"hello": to_json(hello), "hello_at": now, "last_seen": now}
    session.execute(update(RunnerRow).where(col(RunnerRow.name) == runner).values(**changes))
    # The reason of a quarantine stays until that is lifted.
    trusted = (col(RunnerRow.name) == runner, col(RunnerRow.health) != str(Health.QUARANTINED))
    problem = hello.sandbox_problem or hello.gpu_problem
    session.execute(update(RunnerRow).where(*trusted).values(detail=problem))


def record_unreachable(
    session: Session, runner: str, kind: str, why: str, asked: Asked, asked_at: datetime, now: datetime
) -> None:
    """The runner did not answer what it was `asked` at that time. That says nothing about its attempts. One that was
    asked to sleep, sleeps; but a question from before it fell silent may have been broken off by its orchestrator, and
    says nothing at all."""
    row = session.get_one(RunnerRow, runner)
    if kind in SILENCE and row.power == Power.ASLEEP:
        _record_asleep(session, row, now)
        return
    if kind in SILENCE and row.suspend_sent_at is not None:
        if asked.suspend_sent_at == row.suspend_sent_at and asked_at >= row.suspend_sent_at + FALLS_SILENT:
            _record_asleep(session, row, now)
        return
    if row.power != Power.UNREACHABLE:
        _tell_episodes(session, runner, "runner-unreachable", {"runner": runner, "why": why}, now)
        log_runner_event(session, runner, "unreachable", actor=OURSELVES, now=now, data={"why": why})
    row.power = str(Power.UNREACHABLE)
    row.detail = why if row.health != Health.QUARANTINED else row.detail
    row.link_errors = {**row.link_errors, kind: row.link_errors.get(kind, 0) + 1}
    session.add(row)


def _record_asleep(session: Session, row: RunnerRow, now: datetime) -> None:
    if row.power != Power.ASLEEP:
        log_runner_event(session, row.name, "asleep", actor=OURSELVES, now=now, data={"how": row.slept})
        row.power, row.asleep_since = str(Power.ASLEEP), now
        # What kept it awake is over, also where it only was slower than it had time for.
        row.stay_awake_until, row.stay_awake_why = None, ""
    if row.operation == Operation.SUSPENDING:
        row.operation, row.suspending_since = str(Operation.NONE), None
    session.add(row)


def record_report(session: Session, runner: str, report: Report, asked: Asked, now: datetime) -> bool:
    """Whether anything changed that a tick should look at."""
    _record_answer(session, runner, report, asked, now)
    still = {row.id: row for row in _still_as_asked(session, runner, report, asked)}
    changed = [_record_absence(session, row, report) for row in still.values() if asked.statuses.get(row.id)]
    changed += [record_status(session, said, now) for said in report.attempts if said.attempt_id in still]
    changed += [_tell_again(session, runner, said, now) for said in report.attempts if said.attempt_id not in still]
    record_chunks(session, report)
    return any(changed)


def record_chunks(session: Session, report: Report) -> None:
    """What the report brought of journals and logs."""
    for chunk in report.chunks:
        _record_chunk(session, chunk)


def _tell_again(session: Session, runner: str, said: AttemptStatus, now: datetime) -> bool:
    """A runner that speaks of an attempt that was settled with it: a call on its way has made something of it there
    since, such as a tombstone. What was done once is due once more."""
    row = session.get(AttemptRow, said.attempt_id)
    if row is None or row.runner != runner or row.acknowledged_at is None or row.fence != said.fence:
        return False
    return ask_again(session, "cancel" if said.phase in LIVING else "acknowledge", row.id, now=now)


def _record_answer(session: Session, runner: str, report: Report, asked: Asked, now: datetime) -> None:
    row = session.get_one(RunnerRow, runner)
    if row.power == Power.UNREACHABLE:
        _tell_episodes(session, runner, "runner-back", {"runner": runner}, now)
        log_runner_event(session, runner, "reachable", actor=OURSELVES, now=now)
    if row.last_seen == asked.last_seen:
        if row.boot_id and row.boot_id != report.boot_id:
            log_runner_event(session, runner, "rebooted", actor=OURSELVES, now=now, data={"boot_id": report.boot_id})
            if row.operation == Operation.SUSPENDING:
                # It went down as it was asked to, and is back before anybody saw it gone.
                row.operation, row.suspending_since, row.suspend_sent_at = str(Operation.NONE), None, None
        row.boot_id = report.boot_id
        record_meters(session, row, report, now, asked.at)
    row.last_seen = now
    if row.asleep_since == asked.asleep_since:
        _record_awake(session, row, now)
    session.add(row)


def _record_awake(session: Session, row: RunnerRow, now: datetime) -> None:
    """A machine that was out of reach for a while has not become active by that."""
    if row.power in (Power.ASLEEP, Power.UNKNOWN) or row.awake_since is None:
        row.awake_since = now
    if row.power == Power.ASLEEP:
        log_runner_event(session, row.name, "awake", actor=OURSELVES, now=now)
    row.power, row.asleep_since = str(Power.AWAKE), None
    asked = row.suspend_sent_at
    if row.operation != Operation.SUSPENDING and asked is not None and now > asked + GOES_DOWN:
        # It answers, though it was asked to sleep and given the time.
        row.suspend_sent_at = None


def _still_as_asked(session: Session, runner: str, report: Report, asked: Asked) -> list[AttemptRow]:
    """The attempts that the report may speak of: given to this runner, and of which nothing newer was learnt."""
    named = {*asked.statuses, *(said.attempt_id for said in report.attempts)}
    rows = session.exec(NAMED_THERE, params={"ids": [*named], "runner": runner})
    return [row for row in rows if row.status == asked.statuses.get(row.id)]


def _record_absence(session: Session, row: AttemptRow, report: Report) -> bool:
    """What a report says of an attempt that was known before, by not calling it alive. A runner that calls it alive
    has found its lock held, whatever boot it began under."""
    alive = any(said.attempt_id == row.id and said.phase in LIVING for said in report.attempts)
    boot_id, gone = ("", False) if alive else (report.boot_id, row.id in report.gone)
    if (row.reported_boot_id, row.gone) == (boot_id, gone):
        return False
    row.reported_boot_id, row.gone = boot_id, gone
    session.add(row)
    return True


def record_status(session: Session, status: AttemptStatus, now: datetime) -> bool:
    """Keep the newest status of an attempt that is not settled on both sides; the first one shows that the launch
    arrived. Nothing that is said after an attempt's end changes that, but that it is graded after all."""
    row = session.get(AttemptRow, status.attempt_id)
    if row is None or row.acknowledged_at is not None or row.fence != status.fence:
        return False
    said = to_json(status)
    if row.status == said or _is_final(row.status):
        return False
    first = row.status is None
    row.status, row.observed_at, row.gone = said, now, False
    if status.phase in LIVING:
        row.reported_boot_id = ""
    session.add(row)
    if first and status.phase != "cancelled" and row.ended is None:
        _started(session, row, now)
    return True


def _is_final(status: dict[str, Any] | None) -> bool:
    phase = (status or {}).get("phase")
    return phase == "cancelled" or (phase == "exited" and not (status or {}).get("gradable"))


def _tell_episodes(session: Session, runner: str, event: str, data: dict[str, Any], now: datetime) -> None:
    """In the log of each episode with a live attempt on the runner."""
    live = select(AttemptRow).where(AttemptRow.runner == runner, col(AttemptRow.ended).is_(None))
    for attempt in session.exec(live).all():
        log_event(session, attempt.episode_id, event, now=now, attempt_id=attempt.id, data=data)


def _started(session: Session, attempt: AttemptRow, now: datetime) -> None:
    move_episode(
        session,
        attempt.episode_id,
        Event.STARTED,
        phase=Phase.LAUNCHING,
        fence=attempt.fence,
        now=now,
        data={"attempt": attempt.id, "runner": attempt.runner},
    )


def _record_chunk(session: Session, chunk: Chunk) -> None:
    attempt = session.get(AttemptRow, chunk.attempt_id)
    data = base64.b64decode(chunk.data)
    if attempt is None or not data or chunk.offset != _held(session, chunk):
        return
    text = data.decode("utf-8", "replace").replace("\0", "␀")  # databases end a text at NUL
    if chunk.stream == JOURNAL:
        events = [event for line in text.splitlines() if (event := _parse(line)) is not None]
        for event in events:
            _record_event(session, attempt, event)
        text = "".join(_as_line(event) for event in events)
    session.add(
        ChunkRow(
            attempt_id=chunk.attempt_id,
            stream=chunk.stream,
            start=chunk.offset,
            length=len(data),
            merged_start=_merged_end(session, chunk.attempt_id),
            text=text,
        )
    )
    session.flush()


def _held(session: Session, chunk: Chunk) -> int:
    of_stream = (ChunkRow.attempt_id == chunk.attempt_id, ChunkRow.stream == chunk.stream)
    return int(session.exec(select(func.coalesce(func.sum(ChunkRow.length), 0)).where(*of_stream)).one())


def _merged_end(session: Session, attempt_id: str) -> int:
    ends = func.coalesce(func.max(ChunkRow.merged_start + func.length(ChunkRow.text)), 0)
    return int(session.exec(select(ends).where(ChunkRow.attempt_id == attempt_id)).one())


def _parse(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
        return event if isinstance(event["seq"], int) and isinstance(event["event"], str) else None
    except (ValueError, KeyError, TypeError):
        return None


def _record_event(session: Session, attempt: AttemptRow, event: dict[str, Any]) -> None:
    known = select(EventRow.id).where(EventRow.attempt_id == attempt.id, EventRow.seq == event["seq"])
    if session.exec(known).first() is not None:
        return
    data = {key: value for key, value in event.items() if key not in ("seq", "at", "event")}
    session.add(
        EventRow(
            episode_id=attempt.episode_id,
            attempt_id=attempt.id,
            source="runner",
            seq=event["seq"],
            at=_moment(event.get("at")),
            event=event["event"],
            data=data,
        )
    )


def _moment(text: object) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _as_line(event: dict[str, Any]) -> str:
    rest = " ".join(f"{k}={v}" for k, v in event.items() if k not in ("seq", "at", "event") and v not in ("", None))
    return f"── {event.get('at', '')} {event['event']} {rest}".rstrip() + "\n"
