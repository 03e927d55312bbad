"""The messages between orchestrator and runner: the only thing that both sides know.

One call is one run of the agent file: `python3 -I -S AGENT VERB --home DIR`, a JSON object on standard input, one
JSON object on standard output (`pull` answers with a tar stream instead). Every answer carries `schema`; a refusal
is `{"schema": …, "error": {"kind": …, "message": …}}` with exit status 1.

Times are ISO 8601 UTC, durations seconds, sizes bytes. Unknown keys are ignored on reading, so that either side may
be newer than the other.
"""

from __future__ import annotations

from runner_agent.protocol.attempts import (
    PULL_OFFSET,
    AttemptRequest,
    AttemptStatus,
    Chunk,
    ExitRecord,
    GradeRequest,
    PullRequest,
    Report,
    ReportRequest,
    StageRecord,
    rest_from,
)
from runner_agent.protocol.bundles import BundleAnswer, BundleRequest
from runner_agent.protocol.launching import (
    Agent,
    Check,
    Command,
    Item,
    LaunchSpec,
    Limits,
    Measure,
    OverlayFile,
    Session,
    Smoke,
    Turn,
)
from runner_agent.protocol.machine import (
    DoctorAnswer,
    DoctorRequest,
    Gpu,
    Hello,
    Prerequisite,
    SuspendAnswer,
    SuspendRequest,
)
from runner_agent.protocol.reading import (
    MalformedMessage,
    from_json,
    to_json,
)
from runner_agent.protocol.words import (
    BUILD_SLOT,
    BUILT_SCHEMA,
    EVIDENCE_SCHEMA,
    EXIT_SCHEMA,
    SCHEMA,
    STAGES,
    STALE,
    TREE_TAG,
    TREE_VARIABLE,
    VERBS,
    AttemptPhase,
    CheckKind,
    ExitReason,
    Finding,
    Isolation,
    PowerDown,
    RefusalKind,
    StageResult,
    SuspendRefusal,
)

__all__ = [
    "BUILD_SLOT",
    "BUILT_SCHEMA",
    "EVIDENCE_SCHEMA",
    "EXIT_SCHEMA",
    "PULL_OFFSET",
    "SCHEMA",
    "STAGES",
    "STALE",
    "TREE_TAG",
    "TREE_VARIABLE",
    "VERBS",
    "Agent",
    "AttemptPhase",
    "AttemptRequest",
    "AttemptStatus",
    "BundleAnswer",
    "BundleRequest",
    "Check",
    "CheckKind",
    "Chunk",
    "Command",
    "DoctorAnswer",
    "DoctorRequest",
    "ExitReason",
    "ExitRecord",
    "Finding",
    "Gpu",
    "GradeRequest",
    "Hello",
    "Isolation",
    "Item",
    "LaunchSpec",
    "Limits",
    "MalformedMessage",
    "Measure",
    "OverlayFile",
    "PowerDown",
    "Prerequisite",
    "PullRequest",
    "RefusalKind",
    "Report",
    "ReportRequest",
    "Session",
    "Smoke",
    "StageRecord",
    "StageResult",
    "SuspendAnswer",
    "SuspendRefusal",
    "SuspendRequest",
    "Turn",
    "from_json",
    "rest_from",
    "to_json",
]
