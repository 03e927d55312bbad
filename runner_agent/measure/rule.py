"""The rule of a launch: the same for the runner, which stops by it, and for the verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from runner_agent.measure.decision import Rule
from runner_agent.protocol import Check, Measure


def rule_of(measure: Measure, checks: Iterable[Check]) -> Rule:
    """What a launch asks to be settled; each item's throughput check sets a bar."""
    bars = {check.min_change for check in checks if check.kind == "throughput" and check.min_change is not None}
    return Rule(
        mode=measure.mode, alpha=measure.alpha, smallest_effect=measure.smallest_effect, bars=tuple(sorted(bars))
    )
