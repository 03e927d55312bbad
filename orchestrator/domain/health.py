"""The ladder of health, of a machine or of a device of it, as one literal table. Why and when are other facts."""

from __future__ import annotations

from enum import StrEnum

from orchestrator.domain.device import Health
from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.reasons import EndReason, meaning


class Finding(StrEnum):
    """What moves health. Each comment says who finds it."""

    # An attempt ended for a reason that blames the machine: the transaction that settles it.
    BLAMED = "blamed"
    # A canary: every instrument fired on the base, and its smoke test passed.
    PASSED = "passed"
    # A canary: something of that was missing.
    FAILED = "failed"
    # A canary whose attempts all broke down, so that there is no verdict.
    BROKE_DOWN = "broke-down"
    # A canary that Matins itself could not judge, or that nobody wanted any more.
    VOID = "void"
    # Its known-good runs are not what they were, by more than a bound: whoever scores one.
    DRIFTED = "drifted"
    # Wakes that failed too often in a row: the planner.
    WAKES_FAILED = "wakes-failed"
    # A wake that was proven after that: the planner.
    WOKE = "woke"
    # An operator said `runner resume`.
    RESUMED = "resumed"


_H, _F = Health, Finding

LADDER: dict[tuple[Health, Finding], Health] = {
    (_H.GOOD, _F.BLAMED): _H.SUSPECT,
    (_H.UNKNOWN, _F.BLAMED): _H.SUSPECT,
    (_H.UNKNOWN, _F.PASSED): _H.GOOD,
    (_H.SUSPECT, _F.PASSED): _H.GOOD,
    (_H.QUARANTINED, _F.PASSED): _H.GOOD,
    (_H.GOOD, _F.FAILED): _H.QUARANTINED,
    (_H.UNKNOWN, _F.FAILED): _H.QUARANTINED,
    (_H.SUSPECT, _F.FAILED): _H.QUARANTINED,
    (_H.GOOD, _F.BROKE_DOWN): _H.QUARANTINED,
    (_H.UNKNOWN, _F.BROKE_DOWN): _H.QUARANTINED,
    (_H.SUSPECT, _F.BROKE_DOWN): _H.QUARANTINED,
    (_H.SUSPECT, _F.VOID): _H.UNKNOWN,
    (_H.GOOD, _F.DRIFTED): _H.QUARANTINED,
    (_H.UNKNOWN, _F.DRIFTED): _H.QUARANTINED,
    (_H.SUSPECT, _F.DRIFTED): _H.QUARANTINED,
    (_H.GOOD, _F.WAKES_FAILED): _H.QUARANTINED,
    (_H.UNKNOWN, _F.WAKES_FAILED): _H.QUARANTINED,
    (_H.SUSPECT, _F.WAKES_FAILED): _H.QUARANTINED,
    (_H.QUARANTINED, _F.WOKE): _H.UNKNOWN,
    (_H.SUSPECT, _F.RESUMED): _H.UNKNOWN,
    (_H.QUARANTINED, _F.RESUMED): _H.UNKNOWN,
}


def judged(health: Health, finding: Finding) -> Health:
    """The health after `finding`; what is not in the ladder changes nothing."""
    return LADDER.get((health, finding), health)


def blames_machine(kind: EpisodeKind, reason: EndReason) -> bool:
    """Whether an attempt that ended so puts its machine under suspicion. A canary is itself the judge; what a preflight
    measures may be the fault of a campaign that nobody has tried before."""
    if kind is EpisodeKind.CANARY or meaning(reason).blames != "machine":
        return False
    return kind is EpisodeKind.EPISODE or meaning(reason).kind == "infrastructure"


def diagram() -> str:
    """The ladder as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", "    [*] --> UNKNOWN"]
    return "\n".join([*lines, *(f"    {start} --> {end}: {finding}" for (start, finding), end in LADDER.items())])
