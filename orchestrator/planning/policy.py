"""The numbers that an operator may set for planning."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.planning.power_policy import PowerPolicy


@dataclass(frozen=True, kw_only=True)
class Policy:
    """`attempts_max` bounds the attempts of one episode. Where and after which pause is in the table of reasons.
    `power`: waking and letting sleep."""

    attempts_max: int = 3
    power: PowerPolicy = field(default_factory=PowerPolicy)
