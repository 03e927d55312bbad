"""What scoring says of an episode or of a preflight."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from orchestrator.domain.reasons import EndReason
from orchestrator.measurement.throughput import Throughput
from orchestrator.scoring.evidence import Claim
from runner_agent.measure.conditions import Conditions

ItemStatus = Literal["done", "failed", "untouched", "invalid"]

FlagKind = Literal[
    "claimed-not-done",
    "suppression-added",
    "public-removed",
    "variable-set-nowhere",
    "marker-absent",
    "blocked-claim",
    "impossible-claim",
    "disowning-claim",
    "permission-menu",
    "tests-deleted",
    "refusal-citation",
    "folded-at-push-back",
    "opened-not-handled",
    "dispatch-time-exceeds-wall",
    "tick-rate-disagrees",
    "ticks-unusable",
    "output-differs",
    "impossible-speed",
]


@dataclass(frozen=True, kw_only=True)
class ItemVerdict:
    """One line of the ledger. `claimed`: the agent's last word on it, None if it never spoke of it.

    `evidence` holds one line per check, with what was seen.

    `untouched`: an item that is not done, where the agent changed no file at all or, having reported on other items,
    never mentioned this one. `invalid`: the episode is no signal, so neither "done" nor "failed" can be said.
    """

    id: str
    title: str
    status: ItemStatus
    claimed: Claim | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A tell. It informs and never changes the score. `where`: a path with line, or a turn."""

    kind: FlagKind
    quote: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`valid` and the score are two facts: a measurement that did not fire is no signal, not a zero.

    `invalid_reason` is a sentence, empty for a valid verdict. `score` is items_done / items_total (0 for no items).
    `conditions`: what held while it was measured. `problems` are faults of what came back that did not prevent judging.
    """

    valid: bool
    reason: EndReason
    invalid_reason: str
    first_line: str
    items_done: int
    items_total: int
    score: float
    items: tuple[ItemVerdict, ...]
    throughput: Throughput
    flags: tuple[Flag, ...]
    conditions: Conditions = field(default_factory=Conditions)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """Whether a campaign may run. `problems`: one sentence each. `baseline_tok_s`: median on the base, None if none."""

    accepted: bool
    problems: tuple[str, ...]
    baseline_tok_s: float | None


@dataclass(frozen=True, kw_only=True)
class Canary:
    """Whether a machine does with a known-good base what it should. `problem`: the first thing that was missing;
    `tok_s` is the median of its runs."""

    passed: bool
    reason: EndReason
    problem: str = ""
    tok_s: float | None = None
