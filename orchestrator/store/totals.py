"""Roll-ups that metrics are made from: counters and histograms that only rise, so that deleting the rows they came from
lowers nothing. Each addition belongs into the transaction that marks its source as counted.

Every row that a transaction touches gets one and the same `changed`, above all before: who has read up to a number has
what was committed up to then. A gauge has no such column; a counter of how often it was set, named `set:<metric>`,
tells that it changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import and_, func
from sqlalchemy import select as columns
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, select

from orchestrator.accounting.additions import Additions, Observed, Series
from orchestrator.store.account_tables import GaugeRow, HistogramRow, TotalRow

SET = "set:"
TOGETHER = 500
"""Rows asked for in one query: SQLite once took 999 parameters."""

OF_A_HISTOGRAM: tuple[Any, ...] = (
    HistogramRow.metric,
    HistogramRow.labels,
    HistogramRow.counts,
    HistogramRow.total,
    HistogramRow.exemplars,
)

LARGEST = [select(func.max(table.changed)) for table in (TotalRow, HistogramRow)]


def key(labels: Mapping[str, str]) -> str:
    """Canonical JSON: the same labels are the same row, in whatever order they are named."""
    return json.dumps(dict(labels), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def add_total(session: Session, metric: str, labels: Mapping[str, str], amount: float) -> None:
    """`amount` is not negative; 0 makes a counter known. Raises ValueError."""
    additions = Additions()
    additions.add(metric, labels, amount)
    write(session, additions)


def write(session: Session, additions: Additions) -> None:
    """A few statements, however many rows. Raises ValueError where a histogram has another number of buckets than
    before."""
    number = _next(session)
    _write_totals(session, additions, number)
    _write_histograms(session, additions.histograms, number)
    _write_gauges(session, additions)


def _write_totals(session: Session, additions: Additions, number: int) -> None:
    told = [(_name(of), amount) for of, amount in additions.totals.items()]
    told += [((f"{SET}{metric}", labels), 1.0) for metric, labels in map(_name, additions.gauges)]
    rows = [{"metric": m, "labels": labels, "value": amount, "changed": number} for (m, labels), amount in told]
    dialect = session.get_bind().dialect.name
    _execute(session, _rising(dialect), [row for row in rows if row["value"]])
    _execute(session, _insert(dialect, TotalRow).on_conflict_do_nothing(), [row for row in rows if not row["value"]])


@cache
def _rising(dialect: str) -> Any:
    insert = _insert(dialect, TotalRow)
    return insert.on_conflict_do_update(
        index_elements=["metric", "labels"],
        set_={"value": TotalRow.value + insert.excluded.value, "changed": insert.excluded.changed},
    )


def _write_histograms(session: Session, added: Mapping[Series, Observed], number: int) -> None:
    if not added:
        return
    named = {_name(of): seen for of, seen in added.items()}
    held = {
        (row.metric, row.labels): row
        for these in those(HistogramRow, list(named))
        for row in session.execute(columns(*OF_A_HISTOGRAM).where(these))
    }
    insert = _insert(session.get_bind().dialect.name, HistogramRow)
    changes = {name: insert.excluded[name] for name in ("counts", "total", "exemplars", "changed")}
    merged = insert.on_conflict_do_update(index_elements=["metric", "labels"], set_=changes)
    _execute(session, merged, [_merged(name, seen, held.get(name), number) for name, seen in named.items()])


def _merged(name: tuple[str, str], seen: Observed, held: Any, number: int) -> dict[str, Any]:
    counts, total, exemplars = held[2:] if held else ([0] * len(seen.histogram.counts), 0.0, {})
    newest = {str(bucket): list(exemplar) for bucket, exemplar in seen.exemplars.items()}
    return {
        "metric": name[0],
        "labels": name[1],
        "counts": [mine + theirs for mine, theirs in zip(counts, seen.histogram.counts, strict=True)],
        "total": total + seen.histogram.total,
        "exemplars": {**exemplars, **newest},
        "changed": number,
    }


def _write_gauges(session: Session, additions: Additions) -> None:
    if not additions.gauges:
        return
    rows = [
        {"metric": metric, "labels": labels, "value": value, "at": at}
        for (metric, labels), (value, at) in ((_name(of), told) for of, told in additions.gauges.items())
    ]
    insert = _insert(session.get_bind().dialect.name, GaugeRow)
    newest = insert.on_conflict_do_update(
        index_elements=["metric", "labels"],
        set_={"value": insert.excluded.value, "at": insert.excluded.at},
        where=GaugeRow.at <= insert.excluded.at,
    )
    _execute(session, newest, rows)


def _next(session: Session) -> int:
    """Writers stand in line, so a number that is one more than the largest is nobody else's; it holds for all of a
    transaction."""
    of, number = session.info.get("matins-changed", (None, 0))
    if of is not session.get_transaction() or of is None:
        largest: Any = [session.exec(query).one() for query in LARGEST]
        number = max((known or 0) for known in largest) + 1
        session.info["matins-changed"] = (session.get_transaction(), number)
    return number


def _name(of: Series) -> tuple[str, str]:
    return of[0], key(dict(of[1]))


def _insert(dialect: str, table: Any) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table.__table__)


def _execute(session: Session, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        session.connection().execute(statement, list(rows))


def those(table: Any, names: Iterable[tuple[str, str]]) -> Iterator[Any]:
    """Conditions that together name these rows. SQLite looks for pairs in a list by scanning the table, and for one
    metric's labels by its index."""
    of: dict[str, list[str]] = {}
    for metric, labels in names:
        of.setdefault(metric, []).append(labels)
    for metric, labels in of.items():
        for start in range(0, len(labels), TOGETHER):
            yield and_(table.metric == metric, table.labels.in_(labels[start : start + TOGETHER]))
