"""The episodes of a campaign compared: from rows to what `orchestrator.measurement.compare` takes, and to JSON."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from orchestrator.domain.campaign import Campaign
from orchestrator.domain.campaign_file import read_campaign
from orchestrator.errors import BadInput
from orchestrator.measurement.bootstrap import Interval
from orchestrator.measurement.compare import Comparison, Estimate, Group, Measure, Plan, Result, compare, comparisons_of
from orchestrator.measurement.compare_words import sentence
from orchestrator.service.intake import decode_files
from orchestrator.service.services import Services
from orchestrator.store.queries import compared_campaign
from orchestrator.store.tables import CampaignRow, EpisodeRow

By = Literal["agent", "model"]
Json = dict[str, Any]

COMPARISONS_MOST = 120
SEED = 1
# A tenth of what an episode costs on average: what differs less is the same.
SMALLEST_COST = 0.10
SMALLEST_SHARE: Mapping[Measure, float] = {"items": 0.05, "validity": 0.10}
NO_MODEL = "(no model)"


def compared(services: Services, name: str, by: By, only: Sequence[str] = ()) -> Json:
    """The newest version of the campaign that has verdicts. Raises NotFound, or BadInput for names that it does not
    know and for more groups than can be told apart."""
    with services.store.reading() as session:
        campaign, rows, elsewhere = compared_campaign(session, name)
    judged = [row for row in rows if row.result is not None]
    whole = all(_whole_usd(row) for row in judged)
    results = _chosen([_result(row, by, whole=whole) for row in judged], by, only, name)
    plan = _plan(read_campaign(campaign.text, decode_files(campaign.files)), by, results)
    _refuse_too_many(results, plan, by, name)
    # The seed is a constant, so that asking twice answers the same; nothing secret hangs on it.
    found = compare(results, plan, random.Random(SEED))  # noqa: S311
    return {
        **_head(campaign, judged, by),
        "alpha": plan.alpha,
        "seed": SEED,
        "cost": "whole" if whole else "tokens",
        "subgroups": list(plan.subgroups),
        "episodes": {
            "judged": len(results),
            "not_chosen": len(judged) - len(results),
            "without_verdict": dict(sorted(Counter(row.phase for row in rows if row.result is None).items())),
            "of_other_versions": elsewhere,
        },
        "groups": [_group(group) for group in found.groups],
        "comparisons": [_comparison(each, plan) for each in found.comparisons],
    }


def _head(campaign: CampaignRow, judged: Sequence[EpisodeRow], by: By) -> Json:
    totals = {(row.result or {}).get("items_total") for row in judged}
    return {
        "campaign": campaign.name,
        "commit": campaign.commit,
        "by": by,
        "items_total": totals.pop() if len(totals) == 1 else None,
    }


def _whole_usd(row: EpisodeRow) -> float | None:
    """All that it cost; None until that is settled, and where nothing has a price."""
    spent = (row.result or {}).get("cost") or {}
    return spent.get("usd") or None if spent.get("settled") else None


def _result(row: EpisodeRow, by: By, *, whole: bool) -> Result:
    """`whole`: its cost is all that it cost, else what the agent reported of its tokens: they are never mixed."""
    told = row.result or {}
    parts = {"agent": row.agent, "model": row.model or NO_MODEL, "runner": row.runner or ""}
    done, total = told.get("items_done"), told.get("items_total")
    return Result(
        group=parts.pop(by),
        valid=told.get("valid") is True,
        reason=row.end_reason or "",
        parts=parts,
        items=done / total if done is not None and total else None,
        change=told.get("change"),
        # An agent that says nothing of its cost is summed up to 0, which none that asks a model is.
        cost_usd=_whole_usd(row) if whole else told.get("agent_usd") or None,
        reused=told.get("reused_from") is not None,
    )


def _chosen(results: list[Result], by: By, only: Sequence[str], name: str) -> list[Result]:
    groups = sorted({result.group for result in results})
    unknown = sorted(set(only) - set(groups))
    if unknown:
        known = ", ".join(groups) or "none"
        raise BadInput(f"campaign {name} has no verdict on {by} {', '.join(unknown)}", f"those that it has: {known}")
    return [result for result in results if not only or result.group in only]


def _refuse_too_many(results: Sequence[Result], plan: Plan, by: By, name: str) -> None:
    count = comparisons_of(results, plan)
    if count > COMPARISONS_MOST:
        groups = len({result.group for result in results})
        raise BadInput(
            f"campaign {name} has {groups} {by}s, which makes {count} comparisons: too many to tell apart",
            f"name those that you meant to compare, each with --only: up to {COMPARISONS_MOST} comparisons are made",
        )


def _plan(campaign: Campaign, by: By, results: Sequence[Result]) -> Plan:
    costs = [result.cost_usd for result in results if result.cost_usd is not None]
    smallest: dict[Measure, float] = {
        **SMALLEST_SHARE,
        "throughput": math.log1p(campaign.smoke.measure.smallest_effect),
        "cost": SMALLEST_COST * math.fsum(costs) / len(costs) if costs else SMALLEST_COST,
    }
    subgroups = tuple(key for key in campaign.compare.subgroups if key != by)
    return Plan(alpha=campaign.compare.alpha, smallest=smallest, subgroups=subgroups)


def _group(group: Group) -> Json:
    return {
        "name": group.name,
        "valid": group.valid,
        "reused": group.reused,
        "invalid": dict(group.invalid),
        "usd_per_signal": group.usd_per_signal,
        "estimates": [_estimate(each) for each in group.estimates],
    }


def _estimate(found: Estimate) -> Json:
    return {
        "measure": found.measure,
        "episodes": found.number,
        "mean": _shown(found.measure, found.mean),
        **_ends(found.measure, found.interval),
        "alike": found.alike,
    }


def _comparison(found: Comparison, plan: Plan) -> Json:
    return {
        "measure": found.measure,
        "within": found.part,
        "first": found.first,
        "second": found.second,
        "episodes": list(found.numbers),
        "difference": _shown(found.measure, found.difference),
        **_ends(found.measure, found.interval),
        "p": found.p,
        "p_holm": found.p_holm,
        "exact": found.exact,
        "finding": found.finding,
        "more": list(found.more) if found.more else None,
        "says": sentence(found, plan),
    }


def _ends(measure: Measure, interval: Interval | None) -> Json:
    return {
        "low": _shown(measure, interval.low) if interval else None,
        "high": _shown(measure, interval.high) if interval else None,
    }


def _shown(measure: Measure, value: float) -> float:
    """Log ratios as relative changes."""
    return math.expm1(value) if measure == "throughput" else value
