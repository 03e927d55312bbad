"""What is needed to reckon what the same work would have cost otherwise: each machine's sums, and what its attempts
held of it. Read only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from orchestrator.accounting.alternatives import Alone, Machine, alone, machine
from orchestrator.accounting.tenure import holds
from orchestrator.accounting.values import Amount, Charge, Hold, Line
from orchestrator.domain.runner import Prices
from orchestrator.store.account_tables import CostRow
from orchestrator.store.convert import to_runner
from orchestrator.store.costs import CostFilter, bounds, of_ledger
from orchestrator.store.tables import AttemptRow, RunnerRow
from orchestrator.store.timeline import tenures

ATTEMPTS_MOST = 1000
"""Journals that are read for one report."""


def machines(session: Session, wanted: CostFilter) -> tuple[Machine, ...]:
    """Of the ledger of whole machines, at the prices that they have now. How long attempts would have taken alone is
    not known of more than ATTEMPTS_MOST."""
    lines: defaultdict[str, list[Line]] = defaultdict(list)
    for line in _sums(session, wanted):
        lines[line.runner].append(line)
    rows = {row.name: row for row in session.exec(select(RunnerRow).where(col(RunnerRow.name).in_(lines)))}
    attempts = _attempts(session, wanted)
    return tuple(
        machine(known, _prices(rows.get(name)), _alone(session, rows.get(name), attempts, wanted))
        for name, known in sorted(lines.items())
    )


def _sums(session: Session, wanted: CostFilter) -> Iterator[Line]:
    keys: list[Any] = [col(CostRow.runner), col(CostRow.phase), col(CostRow.kind)]
    sums = [func.sum(CostRow.usd), func.sum(CostRow.joules), func.sum(CostRow.seconds)]
    query = select_columns(*keys, *sums).where(*of_ledger(wanted), col(CostRow.kind) != "tokens").group_by(*keys)
    for runner, phase, kind, usd, joules, seconds in session.execute(query):
        charge = Charge(phase=phase, kind=kind, label="configured")
        yield Line(day="", runner=runner, charge=charge, amount=Amount(usd=usd, joules=joules, seconds=seconds))


def _attempts(session: Session, wanted: CostFilter) -> dict[str, list[AttemptRow]] | None:
    """By runner; None if they are too many."""
    charged = select(CostRow.attempt_id).where(*of_ledger(wanted), CostRow.attempt_id != "").distinct()
    ids = session.exec(charged.limit(ATTEMPTS_MOST + 1)).all()
    if len(ids) > ATTEMPTS_MOST:
        return None
    found: defaultdict[str, list[AttemptRow]] = defaultdict(list)
    for row in session.exec(select(AttemptRow).where(col(AttemptRow.id).in_(ids)).order_by(col(AttemptRow.id))):
        found[row.runner].append(row)
    return found


def _alone(
    session: Session, row: RunnerRow | None, attempts: dict[str, list[AttemptRow]] | None, wanted: CostFilter
) -> Alone | None:
    if attempts is None or row is None or row.settled_until is None:
        return None
    since, until = bounds(wanted)
    end = min(row.settled_until, until or row.settled_until)
    held = [hold for each in tenures(session, row, attempts.get(row.name, ())) for hold in holds(each, end)]
    return alone(_from(held, since))


def _from(held: Iterable[Hold], since: datetime | None) -> Iterator[Hold]:
    """What of them lies after that."""
    for hold in held:
        start = max(hold.start, since or hold.start)
        if start < hold.end:
            yield replace(hold, start=start)


def _prices(row: RunnerRow | None) -> Prices:
    return to_runner(row).full_prices if row else Prices()
