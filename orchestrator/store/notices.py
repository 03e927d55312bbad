"""What people are told of, as rows: conditions that last, what is still to be told, and which ends of episodes are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import bindparam, delete, text, update
from sqlmodel import Session, and_, col, func, select

from orchestrator.conditions import CONDITIONS, Condition
from orchestrator.domain.episode import Acceptance, EpisodeKind
from orchestrator.planning.notices import Change, Notice, Say
from orchestrator.planning.noticing import Disk, Ended, Found
from orchestrator.store.account_tables import TotalRow
from orchestrator.store.ledger import COST_USD
from orchestrator.store.notice_tables import MessageRow, NoticeRow, SpendingRow
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, OutboxRow, RunnerRow

KEPT_S = 7 * 86400.0
"""What is over and told is forgotten after so long, and so are messages."""

SIGNALS = "matins_signals"

# As the indices have it: `noticed = false` would not be taken for the same, nor would a parameter for ''.
UNNOTICED = (
    select(EpisodeRow.id)
    .where(text("NOT episode.noticed"), col(EpisodeRow.ended_at).is_not(None))
    .order_by(col(EpisodeRow.ended_at))
    .limit(bindparam("most"))  # pyright: ignore[reportArgumentType]
)
LASTING = select(NoticeRow).where(col(NoticeRow.over_at).is_(None)).order_by(col(NoticeRow.id))
UNTOLD = select(NoticeRow).where(text("notice.say <> ''")).order_by(col(NoticeRow.id))


def unnoticed(session: Session, most: int) -> list[str]:
    """Episodes that have ended and of which nobody has been told, the oldest first."""
    return list(session.exec(UNNOTICED, params={"most": most}).all())


def load_ended(session: Session, ids: Collection[str], since: datetime) -> tuple[Ended, ...]:
    """Those that ended after `since`: what is older is no news."""
    wanted = (col(EpisodeRow.id).in_(ids), col(EpisodeRow.ended_at) > since)
    query = select(EpisodeRow, CampaignRow).where(*wanted, EpisodeRow.campaign_id == CampaignRow.id)
    return tuple(_to_ended(row, campaign) for row, campaign in session.exec(query).all())


def mark_noticed(session: Session, ids: Iterable[str]) -> None:
    session.execute(update(EpisodeRow).where(col(EpisodeRow.id).in_(list(ids))).values(noticed=True))


def load_lasting(session: Session) -> list[Notice]:
    return [_to_notice(row) for row in session.exec(LASTING)]


def load_untold(session: Session) -> list[Notice]:
    return [_to_notice(row) for row in session.exec(UNTOLD)]


def apply(session: Session, change: Change, now: datetime) -> None:
    for found in change.begin:
        session.add(_begun(found, now))
    for notice, at in change.again:
        session.execute(update(NoticeRow).where(col(NoticeRow.id) == notice.id).values(seen_at=at))
    for notice in change.over:
        # What nobody has been told of yet is told as a whole.
        _end(session, notice, now, "began" if notice.say == "began" else "over")
    for notice in change.dropped:
        _end(session, notice, now, "")
    session.flush()


def told(session: Session, ids: Collection[int]) -> None:
    session.execute(update(NoticeRow).where(col(NoticeRow.id).in_(list(ids))).values(say=""))


def forget(session: Session, now: datetime) -> None:
    """What lasted or happened long ago, and the messages about it with the acts that sent them."""
    long_ago = now - timedelta(seconds=KEPT_S)
    session.execute(delete(NoticeRow).where(col(NoticeRow.over_at) < long_ago, col(NoticeRow.say) == ""))
    old = and_(col(MessageRow.made_at) < long_ago, col(MessageRow.ended_at).is_not(None))
    acts = list(session.exec(select(MessageRow.outbox_id).where(old)).all())
    session.execute(delete(MessageRow).where(old))
    session.execute(delete(OutboxRow).where(col(OutboxRow.id).in_(acts)))


def last_launch_at(session: Session) -> datetime | None:
    return session.exec(select(AttemptRow.created_at).order_by(col(AttemptRow.created_at).desc()).limit(1)).first()


def load_disks(session: Session) -> dict[str, Disk]:
    """By runner, as it last reported: what an asleep one had, it has."""
    rows = session.exec(select(RunnerRow.name, RunnerRow.readings).where(col(RunnerRow.readings).is_not(None))).all()
    return {
        name: Disk(
            free_bytes=int(readings.get("disk_free_bytes", 0)), size_bytes=int(readings.get("disk_size_bytes", 0))
        )
        for name, readings in rows
        if readings
    }


def usd_per_signal(session: Session, now: datetime) -> float | None:
    """Of the last day, or of as much of it as is known; None if there was no signal in it."""
    since = col(SpendingRow.at) >= now - timedelta(days=1)
    first = session.exec(select(SpendingRow).where(since).order_by(col(SpendingRow.at)).limit(1)).first()
    usd, signals = _spent(session)
    if first is None or signals - first.signals < 1:
        return None
    return (usd - first.usd) / (signals - first.signals)


def spending_is_due(session: Session, now: datetime) -> bool:
    return session.get(SpendingRow, _hour(now)) is None


def note_spending(session: Session, now: datetime) -> None:
    """Once an hour."""
    if spending_is_due(session, now):
        usd, signals = _spent(session)
        session.add(SpendingRow(at=_hour(now), usd=usd, signals=signals))
        session.execute(delete(SpendingRow).where(col(SpendingRow.at) < now - timedelta(days=1, hours=1)))


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)


def _spent(session: Session) -> tuple[float, float]:
    query = select(TotalRow.metric, func.sum(TotalRow.value)).where(col(TotalRow.metric).in_((COST_USD, SIGNALS)))
    sums: dict[str, Any] = dict(cast(Sequence[tuple[str, Any]], session.exec(query.group_by(TotalRow.metric)).all()))
    return float(sums.get(COST_USD, 0.0)), float(sums.get(SIGNALS, 0.0))


def _begun(found: Found, now: datetime) -> NoticeRow:
    return NoticeRow(
        key=found.key,
        condition=str(found.condition),
        says=found.says[:2000],
        began_at=now,
        seen_at=found.at or now,
        over_at=None if CONDITIONS[found.condition].lasts else now,
    )


def _end(session: Session, notice: Notice, now: datetime, say: Say) -> None:
    lasts = (col(NoticeRow.id) == notice.id, col(NoticeRow.over_at).is_(None))
    session.execute(update(NoticeRow).where(*lasts).values(over_at=now, say=say))


def _to_notice(row: NoticeRow) -> Notice:
    return Notice(
        id=row.id or 0,
        key=row.key,
        condition=Condition(row.condition),
        says=row.says,
        began_at=row.began_at,
        seen_at=row.seen_at,
        over_at=row.over_at,
        say=cast(Say, row.say),
    )


def _to_ended(row: EpisodeRow, campaign: CampaignRow) -> Ended:
    return Ended(
        id=row.id,
        kind=EpisodeKind(row.kind),
        campaign=campaign.name,
        agent=row.agent,
        submitter=row.submitter,
        reason=row.end_reason or "",
        detail=row.detail,
        valid=bool((row.result or {}).get("valid")),
        at=row.ended_at or row.phase_since,
        acceptance=Acceptance(campaign.acceptance),
        acceptance_detail=campaign.acceptance_detail,
    )
