"""Roll-ups that metrics are made from: counters and histograms that only rise, so that deleting the rows they came from
lowers nothing. Each addition belongs into the transaction that marks its source as counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, select

from orchestrator.accounting.histogram import Histogram
from orchestrator.store.tables import GaugeRow, HistogramRow, TotalRow

Labels = Mapping[str, str]


def key(labels: Labels) -> str:
    """Canonical JSON: the same labels are the same row, in whatever order they are named."""
    return json.dumps(dict(labels), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def add_total(session: Session, metric: str, labels: Labels, amount: float) -> None:
    """`amount` is not negative; 0 makes a counter known. Raises ValueError."""
    if not amount >= 0:
        raise ValueError(f"{metric} is a counter and cannot change by {amount}")
    row = session.get(TotalRow, (metric, key(labels)))
    if row is not None and not amount:
        return
    row = row or TotalRow(metric=metric, labels=key(labels))
    row.value, row.changed = row.value + amount, _next(session)
    session.add(row)
    session.flush()


def observe_all(
    session: Session,
    metric: str,
    labels: Labels,
    bounds: Sequence[float],
    values: Iterable[float],
    *,
    episode_id: str = "",
    at: datetime | None = None,
) -> None:
    """Adds observations to a histogram; with `episode_id` and `at`, as exemplars too."""
    for value in values:
        seen = Histogram(bounds).observe([value])
        exemplar = (episode_id, value, at.timestamp()) if episode_id and at is not None else None
        add_counts(session, metric, labels, seen.counts, value, exemplar=exemplar)


def add_counts(
    session: Session,
    metric: str,
    labels: Labels,
    counts: Sequence[int],
    total: float,
    *,
    exemplar: tuple[str, float, float] | None = None,
) -> None:
    """Adds `counts` per bucket (not cumulative) and the sum of what was observed. Raises ValueError where the number of
    buckets is another than before. `exemplar`: of the bucket that counts here."""
    row = session.get(HistogramRow, (metric, key(labels)))
    if row is None:
        row = HistogramRow(metric=metric, labels=key(labels), counts=[0] * len(counts), exemplars={})
    row.counts = [mine + theirs for mine, theirs in zip(row.counts, counts, strict=True)]
    row.total += total
    if exemplar is not None:
        bucket = next(index for index, count in enumerate(counts) if count)
        row.exemplars = {**row.exemplars, str(bucket): list(exemplar)}
    row.changed = _next(session)
    session.add(row)
    session.flush()


def set_gauge(session: Session, metric: str, labels: Labels, value: float, at: datetime) -> None:
    """The newest word counts, in whatever order they come."""
    row = session.get(GaugeRow, (metric, key(labels)))
    if row is None:
        row = GaugeRow(metric=metric, labels=key(labels), at=at)
    elif at < row.at:
        return
    row.value, row.at = value, at
    session.add(row)
    session.flush()


def _next(session: Session) -> int:
    """Writers stand in line, so a number that is one more than the largest is nobody else's."""
    largest: Any = [session.exec(select(func.max(table.changed))).one() for table in (TotalRow, HistogramRow)]
    return max((number or 0) for number in largest) + 1
