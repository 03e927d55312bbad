"""What each runner was over time. One query finds what changed; only that is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from orchestrator.accounting.drawing import draw_of
from orchestrator.accounting.values import Draw, Span
from orchestrator.domain.device import Health
from orchestrator.domain.phases import LEASED
from orchestrator.domain.runner import Operation, Power, Runner, Service, shown_state
from orchestrator.store.account_tables import SpanRow, WatchRow
from orchestrator.store.changes import rows_changed
from orchestrator.store.tables import EpisodeRow, RunnerRow
from orchestrator.store.totals import add_total

STATE_SECONDS = "matins_runner_state_seconds"
WATCHED_UNTIL = select(WatchRow.at).where(WatchRow.id == 1)
UNWATCHED: tuple[str, Draw] = ("unknown", "away")
"""What a machine was while nobody watched."""

HOLDING_RUNNERS = select(EpisodeRow.runner).where(col(EpisodeRow.phase).in_([str(p) for p in LEASED])).distinct()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A runner as it is, and its open span, if it has one: `span` is that row's id, `was` its state and draw."""

    runner: str
    now: tuple[str, Draw]
    span: int | None
    was: tuple[str, str] | None


def watched_until(session: Session) -> datetime | None:
    """None before anybody ever watched."""
    return session.exec(WATCHED_UNTIL).first()


def watch(session: Session, now: datetime, gap: timedelta) -> bool:
    """Somebody looks, at `now`. False where another has looked since, or at this very moment. After more than `gap`
    nobody knows what the machines were meanwhile."""
    before = watched_until(session)
    if before is None:
        session.add(WatchRow(at=now, ticks=1))
    else:
        forward = update(WatchRow).where(col(WatchRow.id) == 1, col(WatchRow.at) < now)
        if rows_changed(session, forward.values(at=now, ticks=WatchRow.ticks + 1)) == 0:
            return False
    unwatched_since = before if before is not None and now - before > gap else None
    for shown in list(_shown(session)):
        if unwatched_since is not None and shown.span is not None and shown.now[1] != "off":
            _close_unwatched(session, shown, unwatched_since, now)
        elif shown.was == shown.now:
            continue
        elif shown.span is not None:
            _close(session, shown.span, now)
        session.add(SpanRow(runner=shown.runner, state=shown.now[0], draw=shown.now[1], started_at=now))
    session.flush()
    return True


def spans_between(session: Session, runner: str, start: datetime, end: datetime) -> tuple[Span, ...]:
    """Those that reach into that time, in order; of one that is open, as much of it as lies before `end`."""
    of_runner = select(SpanRow).where(SpanRow.runner == runner)
    begun = of_runner.where(col(SpanRow.started_at) <= start).order_by(col(SpanRow.started_at).desc()).limit(1)
    later = of_runner.where(col(SpanRow.started_at) > start, col(SpanRow.started_at) < end)
    rows = [*session.exec(begun), *session.exec(later.order_by(col(SpanRow.started_at)))]
    return tuple(to_span(row, end) for row in rows)


def first_watched(session: Session, runner: str) -> datetime | None:
    """When its first span began."""
    begun = select(SpanRow.started_at).where(SpanRow.runner == runner).order_by(col(SpanRow.started_at)).limit(1)
    return session.exec(begun).first()


def to_span(row: SpanRow, until: datetime) -> Span:
    draw: Draw = row.draw  # pyright: ignore[reportAssignmentType]  only `_shown` writes it
    return Span(state=row.state, draw=draw, start=row.started_at, end=row.ended_at or until)


def _shown(session: Session) -> Iterator[Shown]:
    leased = set(session.exec(HOLDING_RUNNERS).all())
    for name, service, health, power, operation, span, state, draw in session.execute(_facets_and_spans()):
        now = _looks(service, health, power, operation, name in leased)
        yield Shown(runner=name, now=now, span=span, was=(state, draw) if span is not None else None)


@cache
def _facets_and_spans() -> Select[Any]:
    """Of each runner, with its open span."""
    is_open = and_(col(SpanRow.runner) == col(RunnerRow.name), col(SpanRow.ended_at).is_(None))
    facets = (RunnerRow.service, RunnerRow.health, RunnerRow.power, RunnerRow.operation)
    query = select_columns(RunnerRow.name, *facets, SpanRow.id, SpanRow.state, SpanRow.draw)  # pyright: ignore
    return query.select_from(RunnerRow).outerjoin(SpanRow, is_open)


@cache
def _looks(service: str, health: str, power: str, operation: str, leased: bool) -> tuple[str, Draw]:
    runner = Runner(
        name="",
        kind="",
        service=Service(service),
        health=Health(health),
        power=Power(power),
        operation=Operation(operation),
    )
    return shown_state(runner, leases=int(leased)), draw_of(runner)


def _close(session: Session, span: int, at: datetime) -> None:
    row = session.get_one(SpanRow, span)
    row.ended_at = at
    session.add(row)
    session.flush()
    add_total(session, STATE_SECONDS, {"runner": row.runner, "state": row.state}, _seconds(row.started_at, at))


def _close_unwatched(session: Session, shown: Shown, since: datetime, now: datetime) -> None:
    state, draw = UNWATCHED
    row = session.get_one(SpanRow, shown.span)
    if row.started_at < since:
        _close(session, row.id or 0, since)
        row = SpanRow(runner=shown.runner, state=state, draw=draw, started_at=since)
    row.state, row.draw, row.ended_at = state, draw, now
    session.add(row)
    session.flush()
    add_total(session, STATE_SECONDS, {"runner": row.runner, "state": state}, _seconds(row.started_at, now))


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())
