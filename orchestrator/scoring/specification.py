"""What an episode is scored against: N items, fixed before the run, and the lines that the instrument must print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from runner_agent.measure.decision import Rule
from runner_agent.measure.rule import rule_of
from runner_agent.protocol import Check, LaunchSpec


@dataclass(frozen=True, kw_only=True)
class ItemSpec:
    """One item; it is done if and only if every one of its checks passes."""

    id: str
    title: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class Specification:
    """`throughput` and `dispatches` name a format of a smoke log or are a regular expression; empty: none is expected.

    `rule` says how a change is decided. `equal`: texts that mark lines which both sides of a round must print alike.
    `ceiling_tok_s`: what the device cannot exceed; None: not known.
    """

    items: tuple[ItemSpec, ...]
    must_print: tuple[str, ...] = ()
    throughput: str = "matins"
    dispatches: str = "perdispatch"
    rule: Rule = field(default_factory=Rule)
    equal: tuple[str, ...] = ()
    ceiling_tok_s: float | None = None

    def checks(self) -> tuple[Check, ...]:
        return tuple(check for item in self.items for check in item.checks)


def specification(launch: LaunchSpec, hidden: Iterable[Check] = ()) -> Specification:
    """The specification of a launched attempt and the hidden checks that it was not sent."""
    checks = (*launch.checks, *hidden)
    return Specification(
        items=tuple(
            ItemSpec(id=item.id, title=item.title, checks=tuple(check for check in checks if check.item == item.id))
            for item in launch.items
        ),
        must_print=launch.smoke.must_print,
        throughput=launch.smoke.throughput,
        dispatches=launch.smoke.dispatches,
        rule=rule_of(launch.smoke.measure, checks),
        equal=launch.smoke.equal,
        ceiling_tok_s=launch.smoke.ceiling_tok_s,
    )
