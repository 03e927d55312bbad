"""Waking and sleeping, between rows and the values that planning looks at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import Session, col, func, select

from orchestrator.domain.power import HISTORY_MAX, PowerFacts, Warmth
from orchestrator.domain.runner import Operation, Power
from orchestrator.domain.wake import GpuNeed, SleepKind, StageTime, WakeAttempt, WakeRecord, WakeStage
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, RunnerRow, WakeRow

_PLACE = func.row_number().over(partition_by=col(WakeRow.runner), order_by=col(WakeRow.ended_at).desc())
_RANKED = select(col(WakeRow.id), _PLACE.label("place")).subquery()
NEWEST_WAKES = (
    select(WakeRow)
    .where(col(WakeRow.id).in_(select(_RANKED.c.id).where(_RANKED.c.place <= HISTORY_MAX)))
    .order_by(col(WakeRow.ended_at), col(WakeRow.id))
)
"""Of each runner, oldest first."""

CHECKED_OUT = (
    select(AttemptRow.runner, CampaignRow.repo_url, CampaignRow.commit)
    .distinct()
    .where(AttemptRow.episode_id == EpisodeRow.id, EpisodeRow.campaign_id == CampaignRow.id)
    .where(col(CampaignRow.commit).in_(bindparam("commits", expanding=True)))
)


def load_power(session: Session, rows: Iterable[RunnerRow]) -> dict[str, PowerFacts]:
    """Per runner, with its newest wakes."""
    wakes: dict[str, list[WakeRecord]] = {}
    for row in session.exec(NEWEST_WAKES):
        wakes.setdefault(row.runner, []).append(to_record(row))
    return {row.name: to_facts(row, wakes.get(row.name, ())) for row in rows}


def load_wakes(session: Session, runner: str) -> list[WakeRecord]:
    """Of one runner, the newest, oldest of them first."""
    query = select(WakeRow).where(WakeRow.runner == runner).order_by(col(WakeRow.ended_at).desc()).limit(HISTORY_MAX)
    return [to_record(row) for row in session.exec(query).all()][::-1]


def load_warmth(session: Session, campaigns: Sequence[CampaignRow]) -> Warmth:
    """The runners on which the base of each campaign was checked out before, by whichever campaign."""
    bases = {row.id: _base(row.repo_url, row.commit) for row in campaigns}
    if not bases:
        return Warmth()
    commits = {row.commit for row in campaigns}
    warm: dict[str, set[str]] = {}
    for runner, repo_url, commit in session.exec(CHECKED_OUT, params={"commits": [*commits]}):
        warm.setdefault(_base(repo_url, commit), set()).add(runner)
    return Warmth(base=bases, runners={base: frozenset(runners) for base, runners in warm.items()})


def to_facts(row: RunnerRow, wakes: Iterable[WakeRecord]) -> PowerFacts:
    asleep = row.power == Power.ASLEEP or row.operation == Operation.SUSPENDING
    return PowerFacts(
        runner=row.name,
        sleeps=_sleep_kind((row.slept if asleep else None) or row.sleeps) if row.mac else None,
        wakes=tuple(wakes),
        wake=to_attempt(row.name, row.wake) if row.wake else None,
        busy_until=row.busy_until,
        awake_since=row.awake_since,
        asleep_since=row.asleep_since,
        suspending_since=row.suspending_since,
        stay_awake_until=row.stay_awake_until,
        stay_awake_why=row.stay_awake_why,
        failures_since=row.failures_since,
        quarantined_since=row.quarantined_since,
        by_wakes=row.by_wakes,
    )


def to_record(row: WakeRow) -> WakeRecord:
    return WakeRecord(
        runner=row.runner,
        slept=SleepKind(row.slept),
        started_at=row.started_at,
        ended_at=row.ended_at,
        stages=_times(row.stages),
        failed_stage=WakeStage(row.failed_stage) if row.failed_stage else None,
        reason=row.reason,
        waking=row.waking,
        packets=row.packets,
        boot_id=row.boot_id,
        probe=row.probe,
        gpu=GpuNeed(row.gpu),
    )


def from_record(record: WakeRecord) -> WakeRow:
    return WakeRow(
        runner=record.runner,
        slept=str(record.slept),
        started_at=record.started_at,
        ended_at=record.ended_at,
        stages=[asdict(time) for time in record.stages],
        failed_stage=str(record.failed_stage) if record.failed_stage else None,
        reason=record.reason,
        waking=record.waking,
        packets=record.packets,
        boot_id=record.boot_id,
        probe=record.probe,
        gpu=int(record.gpu),
    )


def from_attempt(wake: WakeAttempt) -> dict[str, Any]:
    """JSON data; the runner is that of its row."""
    return {
        "slept": str(wake.slept),
        "started_at": wake.started_at.isoformat(),
        "deadline_s": wake.deadline_s,
        "gpu": int(wake.gpu),
        "waking": wake.waking,
        "probe": wake.probe,
        "came": [asdict(time) for time in wake.came],
        "packets": wake.packets,
        "packet_at": wake.packet_at.isoformat() if wake.packet_at else None,
        "missing": wake.missing,
        "boot_id": wake.boot_id,
    }


def to_attempt(runner: str, data: dict[str, Any]) -> WakeAttempt:
    moments = {"started_at": datetime.fromisoformat(data["started_at"]), "packet_at": None}
    if data["packet_at"]:
        moments["packet_at"] = datetime.fromisoformat(data["packet_at"])
    kinds = {"slept": SleepKind(data["slept"]), "gpu": GpuNeed(data["gpu"]), "came": _times(data["came"])}
    return WakeAttempt(runner=runner, **{**data, **moments, **kinds})


def _times(stages: Iterable[dict[str, Any]]) -> tuple[StageTime, ...]:
    return tuple(StageTime(stage=WakeStage(time["stage"]), seconds=time["seconds"]) for time in stages)


def _sleep_kind(value: str | None) -> SleepKind | None:
    return SleepKind(value) if value else None


def _base(repo_url: str, commit: str) -> str:
    return f"{repo_url} {commit}"
