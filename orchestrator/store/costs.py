"""What the report of costs asks of the database: sums over the ledger, and over episodes that ended. Read only. A
ledger may hold a million rows, so whatever can be summed there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import and_, case, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from orchestrator.accounting.report import By, Entry
from orchestrator.domain.episode import EpisodeKind
from orchestrator.errors import BadInput
from orchestrator.store.account_tables import CostRow
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, RunnerRow, WakeRow
from orchestrator.store.timeline import UNCOSTED

NAMED_MOST = 12
TOKENS = ("prompt", "completion", "cached")


@dataclass(frozen=True, kw_only=True)
class CostFilter:
    """Days in UTC, both included; None and empty mean any. A campaign, an agent or `episodes` (ids) leave out what no
    episode is charged with."""

    since: date | None = None
    until: date | None = None
    campaign: str = ""
    agent: str = ""
    runner: str = ""
    episodes: tuple[str, ...] = ()

    @property
    def of_episodes(self) -> bool:
        return bool(self.campaign or self.agent or self.episodes)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Episodes that ended with a verdict: valid ones that measured themselves are `signals`."""

    episodes: int = 0
    signals: int = 0
    turns_unpriced: int = 0
    tokens: Mapping[str, int]


def bounds(wanted: CostFilter) -> tuple[datetime | None, datetime | None]:
    """From the first moment, to before the second."""
    last = wanted.until if wanted.until and wanted.until < date.max else None
    return _midnight(wanted.since) if wanted.since else None, _midnight(last) + timedelta(days=1) if last else None


def of_ledger(wanted: CostFilter) -> list[Any]:
    """Of lines alone: days and runner."""
    where: list[Any] = []
    if wanted.since:
        where.append(col(CostRow.day) >= wanted.since.isoformat())
    if wanted.until:
        where.append(col(CostRow.day) <= wanted.until.isoformat())
    if wanted.runner:
        where.append(col(CostRow.runner) == wanted.runner)
    return where


def cost_sums(session: Session, wanted: CostFilter, by: By) -> Iterator[Entry]:
    """Lines that are alike in all that a report looks at, summed."""
    group: Any = {
        "day": CostRow.day,
        "campaign": CampaignRow.name,
        "agent": EpisodeRow.agent,
        "runner": CostRow.runner,
        "phase": CostRow.phase,
    }[by]
    # A verdict that was made anew counts for the attempt that it judges.
    ended = case(
        (col(EpisodeRow.attempt_id) == CostRow.attempt_id, func.coalesce(EpisodeRow.end_reason, AttemptRow.ended)),
        else_=func.coalesce(AttemptRow.ended, EpisodeRow.end_reason),
    )
    keys = [
        func.coalesce(group, ""),
        col(CostRow.phase),
        col(CostRow.kind),
        col(CostRow.label),
        col(CostRow.reason),
        func.coalesce(ended, ""),
        func.coalesce(EpisodeRow.kind, ""),
    ]
    sums = [func.sum(CostRow.usd), func.sum(CostRow.joules), func.sum(CostRow.seconds)]
    query = (
        select_columns(*keys, *sums)
        .select_from(CostRow)
        .outerjoin(EpisodeRow, col(EpisodeRow.id) == CostRow.episode_id)
        .outerjoin(AttemptRow, col(AttemptRow.id) == CostRow.attempt_id)
        .outerjoin(CampaignRow, col(CampaignRow.id) == EpisodeRow.campaign_id)
        .where(*of_ledger(wanted), *_named(wanted))
        .group_by(*keys)
        .order_by(*keys)
    )
    for *texts, usd, joules, seconds in session.execute(query):
        group_, phase, kind, label, reason, ended_, purpose = (str(text) for text in texts)
        yield Entry(
            group=group_, phase=phase, kind=kind, label=label, reason=reason, ended=ended_, purpose=purpose,
            usd=float(usd), joules=float(joules), seconds=float(seconds),
        )  # fmt: skip


def judged_sums(session: Session, wanted: CostFilter, by: By) -> dict[str, Judged]:
    """By group; none where it is of phases, which no verdict belongs to: then all stand under "". Only of episodes that
    the ledger knows: a signal whose cost it lacks would make the others cheap."""
    group: Any = {
        "day": _day(session, EpisodeRow.ended_at),
        "campaign": CampaignRow.name,
        "agent": EpisodeRow.agent,
        "runner": func.coalesce(EpisodeRow.runner, ""),
    }.get(by)
    result: Any = col(EpisodeRow.result)
    signal = and_(result["valid"].as_boolean().is_(True), result["reused_from"].as_string().is_(None))
    counted = [func.count(), func.sum(case((signal, 1), else_=0)), func.sum(result["turns_unpriced"].as_integer())]
    spent = [func.sum(result[("agent_tokens", kind)].as_integer()) for kind in TOKENS]
    query = (
        select_columns(*([] if group is None else [group]), *counted, *spent)
        .select_from(EpisodeRow)
        .join(CampaignRow, col(CampaignRow.id) == EpisodeRow.campaign_id)
        .where(*_of_episodes(wanted))
    )
    found: dict[str, Judged] = {}
    for row in session.execute(query if group is None else query.group_by(group)):
        name, (episodes, signals, unpriced, *tokens) = ("", row) if group is None else (str(row[0]), row[1:])
        counts = {kind: int(count or 0) for kind, count in zip(TOKENS, tokens, strict=True)}
        found[name] = Judged(episodes=episodes, signals=signals or 0, turns_unpriced=unpriced or 0, tokens=counts)
    return found


def wake_counts(session: Session, wanted: CostFilter) -> tuple[int, int]:
    """Wakes that ended ready, and that failed: of machines, whoever they were for."""
    failed = col(WakeRow.failed_stage).is_not(None)
    sums = (func.sum(case((failed, 0), else_=1)), func.sum(case((failed, 1), else_=0)))
    where = _within(WakeRow.ended_at, wanted)
    if wanted.runner:
        where.append(col(WakeRow.runner) == wanted.runner)
    ready, lost = session.execute(select_columns(*sums).where(*where)).one()
    return int(ready or 0), int(lost or 0)


def unsettled_attempts(session: Session, wanted: CostFilter) -> int:
    """Attempts of which more will be in the ledger than is now, on whatever days."""
    where: list[Any] = [UNCOSTED, *_named(wanted)]
    if wanted.runner:
        where.append(col(AttemptRow.runner) == wanted.runner)
    query = (
        select_columns(func.count())
        .select_from(AttemptRow)
        .join(EpisodeRow, col(EpisodeRow.id) == AttemptRow.episode_id)
        .join(CampaignRow, col(CampaignRow.id) == EpisodeRow.campaign_id)
    )
    return session.execute(query.where(*where)).scalar_one()


def refuse_unknown(session: Session, wanted: CostFilter) -> None:
    """Raises BadInput for a name that nothing has, with those there are."""
    columns: dict[str, Any] = {"campaign": CampaignRow.name, "agent": EpisodeRow.agent, "runner": RunnerRow.name}
    for what, column in columns.items():
        name = getattr(wanted, what)
        if not name or session.exec(select(column).where(column == name).limit(1)).first() is not None:
            continue
        known = session.exec(select(column).where(column != "").distinct().order_by(column).limit(NAMED_MOST)).all()
        raise BadInput(f"there is no {what} {name!r}", f"those there are: {', '.join(known) or 'none'}")


def _of_episodes(wanted: CostFilter) -> list[Any]:
    where: list[Any] = [
        col(EpisodeRow.kind) == str(EpisodeKind.EPISODE),
        col(EpisodeRow.result).is_not(None),
        *_within(EpisodeRow.ended_at, wanted),
        col(EpisodeRow.id).in_(select(CostRow.episode_id).where(*of_ledger(wanted))),
    ]
    if wanted.runner:
        where.append(col(EpisodeRow.runner) == wanted.runner)
    return where + _named(wanted)


def _named(wanted: CostFilter) -> list[Any]:
    where: list[Any] = []
    if wanted.campaign:
        where.append(col(CampaignRow.name) == wanted.campaign)
    if wanted.agent:
        where.append(col(EpisodeRow.agent) == wanted.agent)
    if wanted.episodes:
        where.append(col(EpisodeRow.id).in_(wanted.episodes))
    return where


def _within(moment: Any, wanted: CostFilter) -> list[Any]:
    since, until = bounds(wanted)
    return [*([col(moment) >= since] if since else []), *([col(moment) < until] if until else [])]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _day(session: Session, moment: Any) -> Any:
    """A moment's day in UTC, whatever zone the database thinks in."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    return func.date(func.timezone("UTC", moment) if postgresql else moment)
