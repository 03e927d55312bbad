"""What an attempt at the toy campaign leaves in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from runner_agent.protocol import ExitReason, LaunchSpec, StageRecord, StageResult, to_json

STAGES = ("baseline", "checkout", "session", "quiesce", "build", "lint", "test", "smoke", "grade", "pack")
PERDISPATCH = "[GPU PERDISPATCH] seq=1 name=mlp bubble_ns=10 shader_ns=2000 submit_ns=30\n"
BASE_TOK_S = 50.0


@dataclass(frozen=True, kw_only=True)
class Leavings:
    files: dict[str, bytes]
    reason: ExitReason = "completed"
    detail: str = ""
    stages: tuple[StageRecord, ...] = field(default_factory=tuple)


def leavings(spec: LaunchSpec, *, tok_s: float = 80.0, **results: StageResult) -> Leavings:
    """A preflight shows the base as it is; an agent did both items. `build="failed"` makes a stage go wrong."""
    base = spec.kind == "preflight"
    results = {"session": "skipped", **results} if base else results
    stages = tuple(StageRecord(stage=name, result=results.get(name, "ok"), seconds=2.0) for name in STAGES)
    files = _files(spec, BASE_TOK_S if base else tok_s, exit_code=int(base))
    return Leavings(files=files, stages=stages)


def broke_down(spec: LaunchSpec, detail: str) -> Leavings:
    """The runner could not go on: an infrastructure failure in stage session."""
    stages = (StageRecord(stage="session", result="failed", seconds=1.0, detail=detail),)
    return Leavings(files=_files(spec, 0.0, 1), reason="infrastructure", detail=detail, stages=stages)


def _files(spec: LaunchSpec, tok_s: float, exit_code: int) -> dict[str, bytes]:
    evidence = {
        "schema": "matins-evidence-1",
        "graded": True,
        "opened": ["speed"],
        "changed": ["speed", "done.txt"],
        "checks": [
            {"id": "faster/0", "item": "faster", "kind": "throughput", "ran": True},
            {"id": "file/0", "item": "file", "kind": "command", "ran": True, "exit_code": exit_code},
        ],
    }
    rounds = [
        {"round": number, "side": side, "tokens": 100, "seconds": 1.0, "tok_s": speed + number / 10, "exit_code": 0}
        for number in (1, 2)
        for side, speed in (("baseline", BASE_TOK_S), ("candidate", tok_s))
    ]
    events = [
        {"seq": 1, "at": "2026-03-01T12:00:00Z", "event": "attempt-started"},
        {"seq": 2, "at": "2026-03-01T12:00:00Z", "event": "gate-waited", "gate": "build", "seconds": 5.0},
        {"seq": 3, "at": "2026-03-01T12:00:00Z", "event": "gate-released", "gate": "build", "held_s": 40.0},
        {"seq": 4, "at": "2026-03-01T12:00:01Z", "event": "gate-waited", "gate": "gpu", "seconds": 3.0},
        {"seq": 5, "at": "2026-03-01T12:00:09Z", "event": "gate-released", "gate": "gpu", "held_s": 8.0},
    ]
    return {
        "events.jsonl": _lines(events),
        "launch.json": json.dumps(to_json(spec)).encode(),
        "tests.json": json.dumps({"baseline": {"adds": "ok"}, "candidate": {"adds": "ok"}}).encode(),
        "smoke/throughput.jsonl": _lines(rounds),
        **{f"smoke/{side}-{n}.log": PERDISPATCH.encode() for side in ("baseline", "candidate") for n in (1, 2)},
        "grade/evidence.json": json.dumps(evidence).encode(),
        "diff.patch": b"diff --git a/speed b/speed\n",
    }


def _lines(values: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()
