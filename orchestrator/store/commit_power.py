"""Actions that move a machine's power, as guarded updates and outbox rows. A stale one does nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, func, select

from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.health import Finding
from orchestrator.domain.phases import LEASED
from orchestrator.domain.power import EndSuspend, EndWake, LetSleep, PowerAction, Quarantine, Readmit, Wake
from orchestrator.domain.runner import Operation, Power, Service
from orchestrator.domain.wake import WakeAttempt, WakeRecord
from orchestrator.store.changes import log_event, log_runner_event, request_power_act, rows_changed
from orchestrator.store.health import move_health
from orchestrator.store.power import from_attempt, from_record, to_attempt
from orchestrator.store.tables import AttemptRow, EpisodeRow, RunnerRow

OURSELVES = "matins"
AFTER_A_FAILED_SUSPEND = timedelta(minutes=10)
"""A machine that would not fall asleep is left awake for so long before it is asked again."""


def commit_power(session: Session, action: PowerAction, now: datetime) -> bool:
    """Whether the action still applied, and was written."""
    match action:
        case Wake():
            return begin_wake(session, action, now)
        case EndWake():
            return _end_wake(session, action, now)
        case LetSleep():
            return begin_suspend(session, action, now)
        case EndSuspend():
            return _end_suspend(session, action, now)
        case Quarantine():
            return _quarantine(session, action, now)
        case Readmit():
            return _readmit(session, action, now)


def begin_wake(session: Session, action: Wake, now: datetime, actor: str = OURSELVES) -> bool:
    """The wake is committed before a packet is sent."""
    attempt = WakeAttempt(
        runner=action.runner,
        slept=action.slept,
        started_at=now,
        deadline_s=action.deadline_s,
        gpu=action.gpu,
        waking=action.waking,
        probe=action.probe,
    )
    values = {"operation": str(Operation.WAKING), "wake": from_attempt(attempt), "suspend_sent_at": None}
    # An operator may wake what is out of service, to look at it.
    services = [one for one in Service if one is not Service.RETIRED]
    wanted = _has_canary(session, action.episodes) or _holds_attempt(session, action.runner)
    if actor == OURSELVES and not wanted:
        services = [Service.IN_SERVICE]
    in_service = col(RunnerRow.service).in_([str(one) for one in services])
    if not _change(session, action.runner, (col(RunnerRow.operation) == str(Operation.NONE), in_service), values):
        return False
    # That it was silent before it was started says nothing of it any more.
    silent = (col(RunnerRow.power) == str(Power.UNREACHABLE),)
    _change(session, action.runner, silent, {"power": str(Power.UNKNOWN)})
    told = {"deadline_s": round(action.deadline_s, 1), "episodes": list(action.episodes), "probe": action.probe}
    log_runner_event(session, action.runner, "wake-started", actor=actor, now=now, data=told)
    for episode_id in action.episodes:
        log_event(session, episode_id, "runner-waking", now=now, data={"runner": action.runner})
    return request_power_act(session, "wake", action.runner, now)


def _has_canary(session: Session, episodes: tuple[str, ...]) -> bool:
    """A machine that is to prove itself is woken whether it gets other work or not."""
    canaries = (col(EpisodeRow.id).in_(episodes), EpisodeRow.kind == str(EpisodeKind.CANARY))
    return session.exec(select(EpisodeRow.id).where(*canaries)).first() is not None


def go_on_with_wake(session: Session, wake: WakeAttempt) -> bool:
    """How far it came; False where that wake is not under way any more."""
    row = session.get_one(RunnerRow, wake.runner)
    if not _is_under_way(row, wake.started_at):
        return False
    row.wake = from_attempt(wake)
    session.add(row)
    return True


def end_wake(session: Session, record: WakeRecord, now: datetime) -> bool:
    """Keep the wake; what the machine is now, an observation says next."""
    row = session.get_one(RunnerRow, record.runner)
    if not _is_under_way(row, record.started_at):
        return False
    row.operation, row.wake, row.observe_after = str(Operation.NONE), None, now
    if record.showed_life:
        row.power, row.asleep_since, row.slept = str(Power.AWAKE), None, None
    session.add_all((row, from_record(record)))
    told: dict[str, Any] = {"seconds": round(record.seconds, 1), "packets": record.packets}
    if record.failed_stage is not None:
        told |= {"stage": str(record.failed_stage), "reason": record.reason}
    event = "woken" if record.ready else "wake-failed"
    log_runner_event(session, record.runner, event, actor=OURSELVES, now=now, data=told)
    return True


def _end_wake(session: Session, action: EndWake, now: datetime) -> bool:
    row = session.get_one(RunnerRow, action.runner)
    if not _is_under_way(row, action.started_at):
        return False
    wake = to_attempt(row.name, row.wake or {})
    record = WakeRecord(
        runner=wake.runner,
        slept=wake.slept,
        started_at=wake.started_at,
        ended_at=now,
        stages=wake.came,
        failed_stage=action.failed_stage,
        reason=action.reason,
        waking=wake.waking,
        packets=wake.packets,
        boot_id=wake.boot_id,
        probe=wake.probe,
        gpu=wake.gpu,
    )
    return end_wake(session, record, now)


def begin_suspend(session: Session, action: LetSleep, now: datetime, actor: str = OURSELVES) -> bool:
    """Only a machine that nobody waits for: no slot leased, and nothing of an attempt that still has to come from it.
    The machine's own interlock is asked next, and has the last word."""
    if has_work(session, action.runner):
        return False
    values = {
        "operation": str(Operation.SUSPENDING),
        "suspending_since": now,
        "suspend_sent_at": None,
        "slept": str(action.how),
    }
    awake = (col(RunnerRow.operation) == str(Operation.NONE), col(RunnerRow.power) == str(Power.AWAKE))
    if not _change(session, action.runner, awake, values):
        return False
    told = {"how": str(action.how), "reason": action.reason}
    log_runner_event(session, action.runner, "suspend-started", actor=actor, now=now, data=told)
    return request_power_act(session, "suspend", action.runner, now)


def has_work(session: Session, runner: str) -> bool:
    """Whether an episode holds a slot of it, or an attempt on it has not ended."""
    leased = (EpisodeRow.runner == runner, col(EpisodeRow.phase).in_([str(phase) for phase in LEASED]))
    held = session.exec(select(func.count()).select_from(EpisodeRow).where(*leased)).one()
    return held > 0 or _holds_attempt(session, runner)


def _holds_attempt(session: Session, runner: str) -> bool:
    live = (AttemptRow.runner == runner, col(AttemptRow.ended).is_(None))
    return session.exec(select(AttemptRow.id).where(*live)).first() is not None


def refuse_suspend(session: Session, runner: str, since: datetime, why: str, until: datetime, now: datetime) -> bool:
    """The machine stays awake; `why` is what its interlock says."""
    return _stay_awake(session, runner, since, why, until, now, {"suspend_sent_at": None, "slept": None})


def _end_suspend(session: Session, action: EndSuspend, now: datetime) -> bool:
    """It may sleep yet: nobody knows."""
    until = now + AFTER_A_FAILED_SUSPEND
    return _stay_awake(session, action.runner, action.since, action.reason, until, now, {})


def _stay_awake(
    session: Session, runner: str, since: datetime, why: str, until: datetime, now: datetime, values: dict[str, Any]
) -> bool:
    values = {
        **values,
        "operation": str(Operation.NONE),
        "suspending_since": None,
        "stay_awake_until": until,
        "stay_awake_why": why,
        "observe_after": now,
    }
    if not _change(session, runner, _suspends(since), values):
        return False
    log_runner_event(session, runner, "suspend-refused", actor=OURSELVES, now=now, data={"why": why})
    return True


def _suspends(since: datetime) -> tuple[Any, ...]:
    return (
        col(RunnerRow.operation) == str(Operation.SUSPENDING),
        col(RunnerRow.suspending_since) == since,
    )


def note_suspend_sent(session: Session, runner: str, since: datetime, now: datetime) -> bool:
    """Before the machine is asked: from now on its silence is sleep. False where nobody wants it to sleep any more."""
    return _change(session, runner, _suspends(since), {"suspend_sent_at": now})


def _quarantine(session: Session, action: Quarantine, now: datetime) -> bool:
    return move_health(session, action.runner, Finding.WAKES_FAILED, action.reason, now)


def _readmit(session: Session, action: Readmit, now: datetime) -> bool:
    return move_health(session, action.runner, Finding.WOKE, action.reason, now)


def _is_under_way(row: RunnerRow, started_at: datetime) -> bool:
    if row.operation != Operation.WAKING or row.wake is None:
        return False
    return to_attempt(row.name, row.wake).started_at == started_at


def _change(session: Session, runner: str, guard: tuple[Any, ...], values: dict[str, Any]) -> bool:
    return rows_changed(session, update(RunnerRow).where(col(RunnerRow.name) == runner, *guard).values(**values)) == 1
