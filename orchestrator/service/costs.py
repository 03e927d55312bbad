"""The report of costs: sums over the ledger, put together, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from orchestrator.accounting.alternatives import alternatives
from orchestrator.accounting.report import By, report
from orchestrator.errors import BadInput
from orchestrator.service.services import Services
from orchestrator.store.costs import (
    CostFilter,
    Judged,
    cost_sums,
    judged_sums,
    refuse_unknown,
    unsettled_attempts,
    wake_counts,
)
from orchestrator.store.otherwise import machines

Json = dict[str, Any]


def cost_report(services: Services, wanted: CostFilter, by: By) -> Json:
    """`accounting.report.CostReport` as JSON, with what was asked for and what stands beside money. Raises BadInput."""
    if wanted.since and wanted.until and wanted.since > wanted.until:
        raise BadInput(f"since {wanted.since} is later than until {wanted.until}", "name the earlier day first")
    with services.store.reading() as session:
        refuse_unknown(session, wanted)
        entries = list(cost_sums(session, wanted, by))
        judged = judged_sums(session, wanted, by)
        unsettled = unsettled_attempts(session, wanted)
        # What nobody held, and wakes, are of machines, and of no campaign or agent.
        wakes = None if wanted.of_episodes else wake_counts(session, wanted)
        whole = () if wanted.of_episodes else machines(session, wanted)
    signals = {name: each.signals for name, each in judged.items()}
    found = report(entries, by=by, signals=sum(signals.values()), group_signals=signals)
    otherwise = alternatives(whole, found.usd, found.signals) if whole else ()
    return {
        **_asked(wanted),
        **asdict(found),
        "episodes": sum(each.episodes for each in judged.values()),
        "unsettled": unsettled,
        "wakes": wakes and {"ready": wakes[0], "failed": wakes[1]},
        "tokens": _tokens(judged.values()),
        "alternatives": [asdict(each) for each in otherwise],
    }


def _asked(wanted: CostFilter) -> Json:
    days = {"since": wanted.since, "until": wanted.until}
    return {
        **{name: day.isoformat() if day else None for name, day in days.items()},
        "campaign": wanted.campaign or None,
        "agent": wanted.agent or None,
        "runner": wanted.runner or None,
        "of_episodes": list(wanted.episodes) or None,
    }


def _tokens(judged: Iterable[Judged]) -> Json:
    counts: Counter[str] = Counter()
    for each in judged:
        counts.update(each.tokens, unpriced_turns=each.turns_unpriced)
    return dict(counts)
