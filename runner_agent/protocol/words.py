"""The words that the messages are made of."""

from __future__ import annotations

from typing import Literal

SCHEMA = "matins-link-1"
EXIT_SCHEMA = "matins-exit-1"
EVIDENCE_SCHEMA = "matins-evidence-1"
BUILT_SCHEMA = "matins-built-1"

VERBS = ("hello", "launch", "report", "cancel", "grade", "pull", "acknowledge", "suspend", "doctor", "bundle")

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

STALE = "stale-binary"
"""How the detail of a smoke stage begins that would have measured something else than what was built."""

TREE_VARIABLE = "MATINS_TREE"
"""Names, to every command of an attempt, the tree that it runs on: the base's commit, or the hash of what was left."""
TREE_TAG = "[MATINS TREE]"
"""Stands before that name in a smoke log, where a campaign's program has it built in and prints it."""

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
Isolation = Literal["shared", "quiet"]
"""What others on the machine do while an attempt measures: they leave it cores of its own, or are frozen."""
BUILD_SLOT = "build"
"""What the journal calls the gate of those who build; all others are of devices."""

Finding = Literal["pass", "fail", "unknown"]
