"""The ledger of costs: lines are added to it, and the counters of money rise with them, in the same transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from orchestrator.accounting.values import Line
from orchestrator.accounting.waste import gives_signal
from orchestrator.domain.phases import ENDED
from orchestrator.store.account_tables import CostRow
from orchestrator.store.changes import rows_changed
from orchestrator.store.tables import AttemptRow, EpisodeRow
from orchestrator.store.timeline import UNCOSTED
from orchestrator.store.totals import add_total

COST_USD = "matins_cost_usd"
WASTE_USD = "matins_waste_usd"
ENERGY_JOULES = "matins_runner_energy_joules"
KEY = ("day", "runner", "episode_id", "attempt_id", "phase", "kind", "label", "reason")
SUMMED = ("usd", "joules", "seconds")


def add_lines(session: Session, lines: Collection[Line]) -> None:
    """Adds them to those of the same day, runner and charge. What failed wakes cost is waste at once, and so is what a
    wake cost for an episode that has ended without a signal."""
    if not lines:
        return
    table = _insert(session)
    more = {name: getattr(CostRow, name) + table.excluded[name] for name in SUMMED}
    session.connection().execute(
        table.on_conflict_do_update(index_elements=list(KEY), set_=more), [_row(line) for line in lines]
    )
    _count(session, lines)


def close_attempt(session: Session, attempt: AttemptRow) -> bool:
    """All that it cost is in the ledger. With the last one of an episode that has ended, its row gets to know the sum.
    False where that was done before."""
    last = update(AttemptRow).where(col(AttemptRow.id) == attempt.id, UNCOSTED).values(costed=True)
    if rows_changed(session, last) == 0:
        return False
    _waste(session, attempt.ended, _usd(session, CostRow.attempt_id == attempt.id))
    episode = session.get_one(EpisodeRow, attempt.episode_id)
    if _is_settled(session, episode):
        waste_wakes(session, episode.id, episode.end_reason)
        _tell(session, episode)
    return True


def waste_wakes(session: Session, episode_id: str, reason: str | None) -> None:
    """What was spent on waking for an episode that has ended is waste, unless it gave a signal. To be called once for
    an episode, when it has ended and none of its attempts will cost more."""
    _waste(session, reason, _usd(session, CostRow.episode_id == episode_id, CostRow.attempt_id == ""))


def has_uncosted(session: Session, episode_id: str) -> bool:
    """Whether an attempt of it is not wholly in the ledger."""
    left = select(AttemptRow.id).where(AttemptRow.episode_id == episode_id, UNCOSTED)
    return session.exec(left).first() is not None


def settled_cost(session: Session, episode_id: str) -> dict[str, Any] | None:
    """`{"usd", "by_phase", "by_label", "settled": true}` of all attempts of an episode and its wakes, USD; None before
    all of them are in the ledger, and where nothing is."""
    if has_uncosted(session, episode_id):
        return None
    columns = (CostRow.phase, CostRow.label, func.sum(CostRow.usd))
    query = select(*columns).where(CostRow.episode_id == episode_id).group_by(CostRow.phase, CostRow.label)
    by_phase: defaultdict[str, float] = defaultdict(float)
    by_label: defaultdict[str, float] = defaultdict(float)
    for phase, label, usd in session.exec(query.order_by(CostRow.phase, CostRow.label)).all():
        by_phase[phase] += usd
        by_label[label] += usd
    if not by_phase:
        return None
    return {"usd": sum(by_phase.values()), "by_phase": by_phase, "by_label": by_label, "settled": True}


def _tell(session: Session, episode: EpisodeRow) -> None:
    cost = settled_cost(session, episode.id)
    if episode.result is None or cost is None:
        return
    told = {**episode.result, "cost": cost}
    session.execute(update(EpisodeRow).where(col(EpisodeRow.id) == episode.id).values(result=told))


def _count(session: Session, lines: Collection[Line]) -> None:
    charged = _charged(session, {line.charge.episode_id for line in lines} - {""})
    usd: defaultdict[tuple[str, str], float] = defaultdict(float)
    joules: defaultdict[tuple[str, str], float] = defaultdict(float)
    for line in lines:
        charge, amount = line.charge, line.amount
        episode = charged.get(charge.episode_id)
        usd[charge.kind, episode.agent if episode else ""] += amount.usd
        joules[line.runner, "measured" if charge.label == "measured" else "estimated"] += amount.joules
        if charge.reason:
            _add_waste(session, charge.reason, amount.usd)
        elif episode and not charge.attempt_id and _is_settled(session, episode):
            _waste(session, episode.end_reason, amount.usd)
    for (kind, agent), amount in usd.items():
        add_total(session, COST_USD, {"kind": kind, "agent": agent}, amount)
    for (runner, source), amount in joules.items():
        add_total(session, ENERGY_JOULES, {"runner": runner, "source": source}, amount)


def _charged(session: Session, episodes: Collection[str]) -> dict[str, EpisodeRow]:
    if not episodes:
        return {}
    return {row.id: row for row in session.exec(select(EpisodeRow).where(col(EpisodeRow.id).in_(episodes)))}


def _is_settled(session: Session, episode: EpisodeRow) -> bool:
    return episode.phase in ENDED and not has_uncosted(session, episode.id)


def _waste(session: Session, reason: str | None, usd: float) -> None:
    if reason is not None and not gives_signal(reason):
        _add_waste(session, reason, usd)


def _add_waste(session: Session, reason: str, usd: float) -> None:
    add_total(session, WASTE_USD, {"reason": reason}, usd)


def _usd(session: Session, *of: Any) -> float:
    return float(session.exec(select(func.coalesce(func.sum(CostRow.usd), 0.0)).where(*of)).one())


def _row(line: Line) -> dict[str, Any]:
    charge, amount = line.charge, line.amount
    return {
        "day": line.day,
        "runner": line.runner,
        "episode_id": charge.episode_id,
        "attempt_id": charge.attempt_id,
        "phase": charge.phase,
        "kind": charge.kind,
        "label": charge.label,
        "reason": charge.reason,
        "usd": amount.usd,
        "joules": amount.joules,
        "seconds": amount.seconds,
    }


def _insert(session: Session) -> Any:
    dialect = session.get_bind().dialect.name
    return (postgresql if dialect == "postgresql" else sqlite).insert(CostRow.__table__)  # pyright: ignore
