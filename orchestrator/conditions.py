"""What Matins tells people of without being asked, as one literal table. That nobody ticks, or that `/metrics` cannot
be read, is not among it: what has stopped cannot say so, and Prometheus notices it from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Severity = Literal["warning", "info"]


class Condition(StrEnum):
    RUNNER_QUARANTINED = "runner-quarantined"
    THROUGHPUT_DRIFTED = "throughput-drifted"
    WAKE_FAILING = "wake-failing"
    QUEUE_STALLED = "queue-stalled"
    INSTRUMENT_SILENT = "instrument-silent"
    DISK_FILLING = "disk-filling"
    COST_HIGH = "cost-high"
    CAMPAIGN_REFUSED = "campaign-refused"
    EPISODE_FAILED = "episode-failed"
    EPISODE_ENDED = "episode-ended"


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """`lasts`: it begins, and is over some time, which is told too; else it happened, and that is all. `says`: one
    sentence for a person."""

    severity: Severity
    lasts: bool
    says: str


def _lasting(severity: Severity, says: str) -> Meaning:
    return Meaning(severity=severity, lasts=True, says=says)


def _happened(severity: Severity, says: str) -> Meaning:
    return Meaning(severity=severity, lasts=False, says=says)


_C = Condition

CONDITIONS: Mapping[Condition, Meaning] = {
    _C.RUNNER_QUARANTINED: _lasting("warning", "A runner, or a device of it, is quarantined and gets no episodes."),
    _C.THROUGHPUT_DRIFTED: _lasting("warning", "A device is quarantined: its known-good runs are not what they were."),
    _C.WAKE_FAILING: _lasting("warning", "A runner did not wake twice in a row."),
    _C.QUEUE_STALLED: _lasting("warning", "Episodes wait and none is under way, or one has waited for hours."),
    _C.INSTRUMENT_SILENT: _lasting("warning", "An instrument did not fire in an episode of an accepted campaign."),
    _C.DISK_FILLING: _lasting("warning", "The disk of a runner, or of MATINS_HOME, is nearly full."),
    _C.COST_HIGH: _lasting("warning", "A signal of the last day cost more than `cost_per_signal_max_usd`."),
    _C.CAMPAIGN_REFUSED: _happened("warning", "A campaign's preflight refused it."),
    _C.EPISODE_FAILED: _happened("info", "An episode ended without a signal."),
    _C.EPISODE_ENDED: _happened("info", "An episode ended, however it did."),
}

BY_DEFAULT = tuple(condition for condition in Condition if condition is not Condition.EPISODE_ENDED)
"""An episode that ended well is in the list of episodes; who wants a message for each asks for it."""
