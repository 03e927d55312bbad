"""Health as rows: each change is one move on the ladder, with actor, reason, time, and the device if it is one's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col

from orchestrator.domain.device import Health
from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.health import Finding, blames_machine, judged
from orchestrator.domain.reasons import EndReason, meaning
from orchestrator.store.changes import log_runner_event, rows_changed
from orchestrator.store.convert import to_runner
from orchestrator.store.tables import AttemptRow, EpisodeRow, RunnerRow

OURSELVES = "matins"
OF_ONE_DEVICE = (Finding.FAILED, Finding.BROKE_DOWN, Finding.DRIFTED)
"""What speaks against the device that was tried, and not against the others of its machine."""


def end_attempt(session: Session, attempt_id: str, reason: EndReason, *, now: datetime) -> bool:
    """Settle a live attempt. A machine whose doing it was is suspect from then on, and has to prove itself."""
    live = (col(AttemptRow.id) == attempt_id, col(AttemptRow.ended).is_(None))
    changed = update(AttemptRow).where(*live).values(ended=str(reason), ended_at=now)
    if rows_changed(session, changed) == 0:
        return False
    attempt = session.get_one(AttemptRow, attempt_id)
    kind = EpisodeKind(session.get_one(EpisodeRow, attempt.episode_id).kind)
    if blames_machine(kind, reason):
        says = meaning(reason).says.rstrip(".")
        why = f"an attempt of {attempt.episode_id} ended as {reason}: {says[0].lower()}{says[1:]}"
        move_health(session, attempt.runner, Finding.BLAMED, why, now, gpu=attempt.gpu)
    return True


def move_health(
    session: Session,
    runner: str,
    finding: Finding,
    why: str,
    now: datetime,
    *,
    gpu: str = "",
    actor: str = OURSELVES,
) -> bool:
    """Whether anything changed. What is found of a device is found of its machine as well, but that a device failed:
    the machine is quarantined when none is left. Writers stand in line, so what is read here is what is changed."""
    row = session.get_one(RunnerRow, runner)
    moved = _move_devices(session, row, finding, why, now, gpu, actor)
    was = Health(row.health)
    if finding in OF_ONE_DEVICE and gpu and _left(row):
        # Of a machine under suspicion another device is to be looked at next.
        row.canary_why = why if was is Health.SUSPECT else ""
    elif finding is Finding.PASSED and was is Health.SUSPECT and _has_suspect(row):
        row.canaried_at = now
    else:
        row.health = str(judged(was, finding))
        for name, value in _beside(row, was, finding, why, now).items():
            setattr(row, name, value)
    session.add(row)
    if row.health == was:
        return moved
    _log(session, row.name, was, Health(row.health), why, actor, now, finding=finding)
    return True


def _beside(row: RunnerRow, was: Health, finding: Finding, why: str, now: datetime) -> dict[str, Any]:
    """What changes together with health. A canary is due after suspicion, and wherever trust is given back unproven."""
    health = Health(row.health)
    values: dict[str, Any] = {}
    if health is Health.SUSPECT or (finding in (Finding.WOKE, Finding.RESUMED) and health is not was):
        values["canary_why"] = row.canary_why if health is was and row.canary_why else why
    elif finding is not Finding.BLAMED:
        values["canary_why"] = ""
    if finding in (Finding.PASSED, Finding.VOID):
        values["canaried_at"] = now
    if health is Health.QUARANTINED:
        since = row.quarantined_since if was is health else now
        by_wakes = finding is Finding.WAKES_FAILED
        values |= {"detail": why, "quarantined_since": since or now, "by_wakes": by_wakes}
    elif was is Health.QUARANTINED:
        values |= {"detail": "", "quarantined_since": None, "by_wakes": False}
    return values


def _move_devices(
    session: Session, row: RunnerRow, finding: Finding, why: str, now: datetime, gpu: str, actor: str
) -> bool:
    """An operator who takes a machine back takes back all its devices."""
    wanted = list(row.devices) if finding is Finding.RESUMED else [gpu] if gpu else []
    moved: dict[str, dict[str, Any]] = {}
    for uuid in wanted:
        said = row.devices.get(uuid, {})
        was = Health(said.get("health", Health.UNKNOWN))
        health = judged(was, finding)
        if health is not was:
            detail = "" if health in (Health.GOOD, Health.UNKNOWN) else why
            moved[uuid] = {**said, "health": str(health), "detail": detail, "since": now.isoformat()}
            _log(session, row.name, was, health, why, actor, now, device=uuid, finding=finding)
    row.devices = {**row.devices, **moved}
    return bool(moved)


def _left(row: RunnerRow) -> bool:
    """Whether a device remains that may be used; where there is one of hardware, software counts for nothing."""
    devices = to_runner(row).devices
    real = [device for device in devices if not device.is_software] or devices
    return any(device.health is not Health.QUARANTINED for device in real)


def _has_suspect(row: RunnerRow) -> bool:
    return any(device.health is Health.SUSPECT for device in to_runner(row).devices)


def _log(
    session: Session,
    runner: str,
    was: Health,
    health: Health,
    why: str,
    actor: str,
    now: datetime,
    *,
    finding: Finding,
    device: str = "",
) -> None:
    told = {"was": str(was), "health": str(health), "finding": str(finding), "reason": why}
    told |= {"device": device} if device else {}
    log_runner_event(session, runner, "health-changed", actor=actor, now=now, data=told)
