"""The words that the messages are made of."""

from __future__ import annotations

from typing import Literal

SCHEMA = "matins-link-1"
EXIT_SCHEMA = "matins-exit-1"
EVIDENCE_SCHEMA = "matins-evidence-1"

VERBS = ("hello", "launch", "report", "cancel", "grade", "pull", "acknowledge", "suspend", "doctor")

STAGES = (
    "baseline",
    "checkout",
    "session",
    "quiesce",
    "build",
    "lint",
    "test",
    "smoke",
    "grade",
    "pack",
)

StageResult = Literal["ok", "failed", "timed-out", "crashed", "skipped"]
CheckKind = Literal["command", "pattern-absent", "pattern-present", "marker", "tests", "throughput"]
ExitReason = Literal["completed", "cancelled", "wall-limit", "infrastructure"]
AttemptPhase = Literal["running", "awaiting-checks", "exited", "dead", "cancelled"]

RefusalKind = Literal["bad-request", "stale-fence", "unknown-attempt", "not-ended", "suspending", "runner-fault"]
"""`suspending`: the machine is about to sleep; the launch may come again once it has woken."""

PowerDown = Literal["suspend", "power-off"]
SuspendRefusal = Literal[
    "live-attempt",
    "held-gate",
    "operator-login",
    "unacknowledged-result",
    "launch-in-progress",
    "no-power-command",
    "wake-not-armed",
]
Finding = Literal["pass", "fail", "unknown"]
