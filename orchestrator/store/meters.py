"""What a report says of a machine's meters and instruments, into rows. A report that comes twice adds nothing, and one
that is lost makes the next interval longer."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from orchestrator.accounting.energy import between, moment
from orchestrator.accounting.values import Metered
from orchestrator.store.account_tables import EnergyRow
from orchestrator.store.tables import RunnerRow
from runner_agent.protocol import Meter, Report, ReportRequest, from_json, to_json

COALESCE = timedelta(seconds=10)
"""Intervals that follow each other are one row until it is so long."""

NEARLY_FULL = 0.9
"""A journal is cut after a line."""

AGREE = timedelta(seconds=5)
"""Clocks that differ by less are taken to agree."""


def record_meters(
    session: Session, row: RunnerRow, report: Report, now: datetime, asked_at: datetime | None = None
) -> None:
    """Keeps the newest meter and readings, and what was counted since the meter before. `row` is written by whoever
    calls. `asked_at`: when it was asked for the report, which came `now`."""
    known = to_meter(row)
    ahead = _ahead(report.at, asked_at or now, now)
    kept = to_json(known) if known is not None else None
    meter = report.meter if report.meter is not None and _is_plain(to_json(report.meter)) else None
    if meter is not None and not _is_stale(known, meter):
        counted = between(known, meter)
        if counted is not None:
            _count(session, row, counted, ahead)
        kept = to_json(meter)
    told = (row.meter or {}).get("told_until") if _is_full(report) else _told_at(report.at, ahead, now).isoformat()
    row.meter = {"ahead_s": ahead.total_seconds(), "meter": kept, "told_until": told}
    if report.readings is not None and _is_plain(to_json(report.readings)):
        row.readings, row.readings_at = to_json(report.readings), now


def clock_ahead(row: RunnerRow) -> timedelta:
    """By how much the runner's clock was ahead of ours when it last reported."""
    return timedelta(seconds=(row.meter or {}).get("ahead_s", 0.0))


def to_meter(row: RunnerRow) -> Meter | None:
    """The newest that it reported."""
    kept = (row.meter or {}).get("meter")
    return from_json(Meter, kept) if kept else None


def told_until(row: RunnerRow) -> datetime | None:
    """Up to when all that its journals hold is here: a report that is full may have left some of it out."""
    told = (row.meter or {}).get("told_until")
    return datetime.fromisoformat(told) if told else None


def metered_until(row: RunnerRow) -> datetime | None:
    """How far its meters have counted, at our time."""
    meter = to_meter(row)
    at = moment(meter.at) if meter is not None else None
    return at - clock_ahead(row) if at is not None else None


def _is_stale(known: Meter | None, meter: Meter) -> bool:
    """Of one epoch the newest counts; of another, whatever comes."""
    if known is None or known.epoch != meter.epoch:
        return False
    then, now = moment(known.at), moment(meter.at)
    return then is not None and (now is None or now <= then)


def _count(session: Session, row: RunnerRow, counted: Metered, ahead: timedelta) -> None:
    """A clock that was set back makes an interval shorter, and takes no joule from it."""
    start, end = counted.start - ahead, counted.end - ahead
    query = select(EnergyRow).where(EnergyRow.runner == row.name).order_by(col(EnergyRow.started_at).desc())
    newest = session.exec(query.limit(1)).first()
    if newest is not None and start < newest.ended_at:
        start, end = newest.ended_at, max(end, newest.ended_at + timedelta(milliseconds=1))
    if newest is not None and _goes_on(row, newest, start, counted.whole):
        newest.ended_at, newest.joules = end, newest.joules + counted.joules
        session.add(newest)
        return
    joules = {"joules": counted.joules, "whole": counted.whole}
    session.add(EnergyRow(runner=row.name, started_at=start, ended_at=end, **joules))


def _goes_on(row: RunnerRow, newest: EnergyRow, start: datetime, whole: bool) -> bool:
    """Of a row that is settled in part, the rest stays as it is: what was spread over it has been paid."""
    unsettled = row.settled_until is None or newest.started_at >= row.settled_until
    short = newest.ended_at - newest.started_at < COALESCE
    return unsettled and short and newest.ended_at == start and newest.whole == whole


def _ahead(at: str, asked_at: datetime, now: datetime) -> timedelta:
    """A report that was under way for long says nothing against a clock."""
    said = moment(at)
    if said is None or asked_at - AGREE <= said <= now + AGREE:
        return timedelta()
    return said - (now if said > now else asked_at)


def _told_at(at: str, ahead: timedelta, now: datetime) -> datetime:
    """When the report was made, at our time."""
    said = moment(at)
    return min(now, said - ahead) if said is not None else now


def _is_full(report: Report) -> bool:
    return sum(len(chunk.data) for chunk in report.chunks) * 3 // 4 >= NEARLY_FULL * ReportRequest.max_bytes


def _is_plain(data: object) -> bool:
    """Whether a database can keep it: JSON knows no infinity."""
    try:
        json.dumps(data, allow_nan=False)
    except ValueError:
        return False
    return True
