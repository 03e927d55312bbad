"""A comparison as a sentence."""

from __future__ import annotations

import math

from orchestrator.measurement.compare import Comparison, Finding, Measure, Plan
from orchestrator.measurement.power import MOST

WORDS: dict[tuple[Measure, Finding], str] = {
    ("items", "higher"): "does more of the items than",
    ("items", "lower"): "does fewer of the items than",
    ("throughput", "higher"): "gains more throughput than",
    ("throughput", "lower"): "gains less throughput than",
    ("cost", "higher"): "costs more than",
    ("cost", "lower"): "costs less than",
    ("validity", "higher"): "gives valid episodes more often than",
    ("validity", "lower"): "gives valid episodes less often than",
}


def sentence(found: Comparison, plan: Plan) -> str:
    """What is settled; or what would settle it, and not a word on where it seems to go."""
    if found.finding == "same":
        smallest = amount(found.measure, plan.smallest[found.measure])
        return f"the same: {found.first} and {found.second} differ by less than {smallest}"
    if found.finding != "open" or found.more is None:
        return f"{found.first} {WORDS[found.measure, found.finding]} {found.second}"
    return f"not enough episodes: {_more(found, found.more)}"


def amount(measure: Measure, size: float) -> str:
    """A difference without its sign."""
    if measure == "items":
        return f"{100 * size:.3g} % of the items"
    if measure == "throughput":
        return f"{100 * math.expm1(size):.3g} % of throughput"
    if measure == "cost":
        return f"{size:.2g} USD an episode"
    return f"{100 * size:.3g} % of the episodes"


def _more(found: Comparison, more: tuple[int, int]) -> str:
    if max(found.numbers[n] + more[n] for n in (0, 1)) >= MOST:
        return f"more than {MOST} of each would be needed to settle it"
    about = "at least" if min(found.numbers) < 2 else "about"
    parts = [f"{count} of {name}" for count, name in zip(more, (found.first, found.second), strict=True) if count]
    return f"{about} {sum(more)} more would settle it ({', '.join(parts)})"
