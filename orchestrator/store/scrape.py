"""What `/metrics` asks of the database: how things stand, from small queries, and of the roll-ups what has changed.
What has ended is never looked through. Read only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, text, true
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from orchestrator.domain.device import Health
from orchestrator.domain.phases import Phase
from orchestrator.domain.runner import Operation, Power, Runner, Service
from orchestrator.store.account_tables import GaugeRow, HistogramRow, SpanRow, TotalRow, WatchRow
from orchestrator.store.convert import to_devices
from orchestrator.store.fleet import LIVE
from orchestrator.store.tables import CampaignRow, EpisodeRow, OutboxRow, RunnerEventRow, RunnerRow
from orchestrator.store.totals import OF_A_HISTOGRAM, SET, TOGETHER, those
from runner_agent.protocol import Hello, from_json

Name = tuple[str, str]
"""A metric and its labels as JSON: the key of a roll-up."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a runner's hello says, which seldom changes: `info` is gpu, vendor, driver, Vulkan API, system."""

    at: datetime | None
    info: tuple[str, ...]
    gates: int


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One runner. `quarantined`: what was found of it then (`domain.health.Finding`), or "unknown"; empty unless it
    is."""

    runner: Runner
    told: Told
    last_seen: datetime | None
    sleeps: bool
    link_errors: Mapping[str, int]
    settled_until: datetime | None
    readings: Mapping[str, Any]
    readings_at: datetime | None
    quarantined: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Episodes that have not ended and are alike; `oldest`: when the first of them was submitted."""

    runner: str
    phase: Phase
    kind: str
    campaign: str
    agent: str
    count: int
    oldest: datetime


@dataclass(frozen=True, kw_only=True)
class Present:
    """How things stand. `open_spans`: per runner its shown state and since when; `acts`: per kind how many are due and
    since when the oldest is; `watched_until` and `ticks`: of the row that each tick moves on."""

    runners: Sequence[Seen]
    episodes: Sequence[Group]
    open_spans: Mapping[str, tuple[str, datetime]]
    acts: Mapping[str, tuple[int, datetime]]
    watched_until: datetime | None
    ticks: int


@dataclass
class Memory:
    """What seldom changes, so that it is not made again: hellos, runners with the facts that they were made from, and
    why a runner is quarantined since when."""

    told: dict[str, Told] = field(default_factory=dict[str, Told])
    runners: dict[str, tuple[Any, Runner]] = field(default_factory=dict[str, tuple[Any, Runner]])
    quarantined: dict[tuple[str, datetime | None], str] = field(default_factory=dict[tuple[str, datetime | None], str])


@dataclass(frozen=True, kw_only=True)
class Changed:
    """Roll-ups that changed after a number: counters, histograms as (counts, sum, exemplars), and gauges with the
    moments that they are of. `up_to` is the number to ask with next time."""

    up_to: int
    totals: Mapping[Name, float]
    histograms: Mapping[Name, tuple[list[int], float, dict[str, Any]]]
    gauges: Mapping[Name, tuple[float, datetime]]


def newest_change(session: Session) -> int:
    """The number of the newest change of a roll-up; lower than before only in another database."""
    largest: Any = [session.exec(select(func.max(table.changed))).one() for table in (TotalRow, HistogramRow)]
    return max((number or 0) for number in largest)


def changed_since(session: Session, number: int) -> Changed:
    """All roll-ups where `number` is 0."""
    up_to = newest_change(session)
    totals: dict[Name, float] = {}
    histograms: dict[Name, tuple[list[int], float, dict[str, Any]]] = {}
    if up_to > number:
        counters: Any = columns(TotalRow.metric, TotalRow.labels, TotalRow.value)  # pyright: ignore
        rows = _rows(session, counters.where(col(TotalRow.changed) > number))
        totals = {(metric, labels): value for metric, labels, value in rows}
        rows = _rows(session, columns(*OF_A_HISTOGRAM).where(col(HistogramRow.changed) > number))
        histograms = {(metric, labels): tuple(rest) for metric, labels, *rest in rows}
    moved = [(metric.removeprefix(SET), labels) for metric, labels in totals if metric.startswith(SET)]
    gauges = _gauges(session, None if number == 0 else moved)
    counted = {name: value for name, value in totals.items() if not name[0].startswith(SET)}
    return Changed(up_to=up_to, totals=counted, histograms=histograms, gauges=gauges)


def _rows(session: Session, query: Any) -> Sequence[Any]:
    """Without what a session does for objects: there are many."""
    return session.connection().execute(query).all()


def _gauges(session: Session, names: Sequence[Name] | None) -> dict[Name, tuple[float, datetime]]:
    """These, or all."""
    query: Any = columns(GaugeRow.metric, GaugeRow.labels, GaugeRow.value, GaugeRow.at)  # pyright: ignore
    which = [true()] if names is None else those(GaugeRow, names)
    rows = (row for these in which for row in _rows(session, query.where(these)))
    return {(metric, labels): (value, at) for metric, labels, value, at in rows}


def present(session: Session, memory: Memory) -> Present:
    watch = session.get(WatchRow, 1)
    return Present(
        runners=_runners(session, memory),
        episodes=_episodes(session),
        open_spans=_open_spans(session),
        acts=_acts(session),
        watched_until=watch.at if watch else None,
        ticks=watch.ticks if watch else 0,
    )


OF_A_RUNNER: tuple[Any, ...] = (
    RunnerRow.name,
    RunnerRow.kind,
    RunnerRow.power,
    RunnerRow.operation,
    RunnerRow.service,
    RunnerRow.health,
    RunnerRow.agent_slots,
    RunnerRow.build_slots,
    RunnerRow.buffer_slots,
    RunnerRow.hello_at,
    RunnerRow.last_seen,
    RunnerRow.mac,
    RunnerRow.link_errors,
    RunnerRow.settled_until,
    RunnerRow.readings,
    RunnerRow.readings_at,
    RunnerRow.quarantined_since,
)
FACTS = 9
"""Of these, how many a runner is made from."""


def _runners(session: Session, memory: Memory) -> list[Seen]:
    rows = _rows(session, columns(*OF_A_RUNNER).order_by(col(RunnerRow.name)))
    news = [row.name for row in rows if row.name not in memory.told or memory.told[row.name].at != row.hello_at]
    _learn_hellos(session, memory, news)
    _learn_reasons(session, memory, {r.name: r.quarantined_since for r in rows if r.health == Health.QUARANTINED})
    return [_seen(row, memory) for row in rows]


def _seen(row: Any, memory: Memory) -> Seen:
    return Seen(
        runner=_runner(tuple(row)[:FACTS], memory),
        told=memory.told[row.name],
        last_seen=row.last_seen,
        sleeps=bool(row.mac),
        link_errors=row.link_errors,
        settled_until=row.settled_until,
        readings=row.readings or {},
        readings_at=row.readings_at,
        quarantined=memory.quarantined[row.name, row.quarantined_since] if row.health == Health.QUARANTINED else "",
    )


def _runner(facts: tuple[Any, ...], memory: Memory) -> Runner:
    name, kind, power, operation, service, health, agent_slots, build_slots, buffer_slots = facts
    known = memory.runners.get(name)
    if known is None or known[0] != facts:
        runner = Runner(
            name=name,
            kind=kind,
            power=Power(power),
            operation=Operation(operation),
            service=Service(service),
            health=Health(health),
            agent_slots=agent_slots,
            build_slots=build_slots,
            buffer_slots=buffer_slots,
        )
        memory.runners[name] = known = (facts, runner)
    return known[1]


def _learn_hellos(session: Session, memory: Memory, names: Sequence[str]) -> None:
    for part in (names[start : start + TOGETHER] for start in range(0, len(names), TOGETHER)):
        query = select(RunnerRow.name, RunnerRow.hello, RunnerRow.hello_at).where(col(RunnerRow.name).in_(part))
        for name, said, at in session.exec(query).all():
            hello = from_json(Hello, said) if said else None
            gpu = next(iter(hello.gpus), None) if hello else None
            info = (gpu.name, gpu.vendor, gpu.driver, gpu.vulkan_api) if gpu else ("", "", "", "")
            hardware = [device for device in to_devices(hello, {}) if not device.is_software] if hello else []
            memory.told[name] = Told(at=at, info=(*info, hello.os if hello else ""), gates=len(hardware) or 1)


def _learn_reasons(session: Session, memory: Memory, since: Mapping[str, datetime | None]) -> None:
    """Of each quarantine the newest change of the machine's own health; those of its devices stand with these."""
    names = [name for name, at in since.items() if (name, at) not in memory.quarantined]
    for part in (names[start : start + TOGETHER] for start in range(0, len(names), TOGETHER)):
        changes = (col(RunnerEventRow.runner).in_(part), RunnerEventRow.event == "health-changed")
        query = select(RunnerEventRow.runner, RunnerEventRow.data).where(*changes).order_by(col(RunnerEventRow.id))
        findings = {
            name: data.get("finding", "")
            for name, data in session.exec(query).all()
            if "device" not in data and data.get("health") == Health.QUARANTINED
        }
        memory.quarantined |= {(name, since[name]): findings.get(name) or "unknown" for name in part}


def _episodes(session: Session) -> list[Group]:
    alike = (EpisodeRow.runner, EpisodeRow.phase, EpisodeRow.kind, EpisodeRow.campaign_id, EpisodeRow.agent)
    query: Any = columns(*alike, func.count(), func.min(EpisodeRow.submitted_at))  # pyright: ignore
    rows = _rows(session, query.where(col(EpisodeRow.phase).in_(LIVE)).group_by(*alike))
    named = select(CampaignRow.id, CampaignRow.name).where(col(CampaignRow.id).in_({row[3] for row in rows}))
    campaigns = dict(session.exec(named).all())
    return [
        Group(
            runner=runner or "",
            phase=Phase(phase),
            kind=kind,
            campaign=campaigns[campaign_id],
            agent=agent,
            count=count,
            oldest=oldest,
        )
        for runner, phase, kind, campaign_id, agent, count, oldest in rows
    ]


def _open_spans(session: Session) -> dict[str, tuple[str, datetime]]:
    query: Any = columns(SpanRow.runner, SpanRow.state, SpanRow.started_at)  # pyright: ignore
    rows = _rows(session, query.where(col(SpanRow.ended_at).is_(None)))
    return {runner: (state, since) for runner, state, since in rows}


def _acts(session: Session) -> dict[str, tuple[int, datetime]]:
    """What is not done is not counted either, and of that there is an index."""
    query: Any = columns(OutboxRow.kind, func.count(), func.min(OutboxRow.created_at))  # pyright: ignore
    due = query.where(text("NOT outbox.counted"), col(OutboxRow.done_at).is_(None)).group_by(OutboxRow.kind)
    return {kind: (count, oldest) for kind, count, oldest in _rows(session, due)}
