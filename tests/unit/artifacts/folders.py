"""What a runner packs, written to disk and streamed by the runner's own manifest code."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner_agent import manifest

PERDISPATCH = "[GPU PERDISPATCH] seq=1 name=norm bubble_ns=4210 shader_ns=88120 submit_ns=10350\n"
SUBMIT = "[GPU SUBMIT] count=3\n"

EVIDENCE: dict[str, Any] = {
    "schema": "matins-evidence-1",
    "graded": True,
    "opened": ["crates/vk/src/queue.rs"],
    "changed": ["ci/gpu-smoke.sh", "crates/vk/src/queue.rs"],
    "checks": [
        {"id": "one-submit/1", "item": "one-submit", "kind": "command", "ran": True, "exit_code": 0, "timed_out": False,
         "log": "grade/one-submit-1.log", "matches": [], "scanned": [], "missing": [], "problem": ""},
        {"id": "one-submit/2", "item": "one-submit", "kind": "throughput", "ran": True},
        {"id": "submit-marker/1", "item": "submit-marker", "kind": "marker", "ran": True},
        {"id": "no-allow/1", "item": "no-allow", "kind": "pattern-absent", "ran": True, "exit_code": None,
         "matches": [], "scanned": ["crates/vk/src/queue.rs"], "missing": [], "notes": [], "problem": ""},
        {"id": "keep-tests/1", "item": "keep-tests", "kind": "tests", "ran": True},
    ],
    "added_env_reads": [{"name": "CORTEX_PROFILE_SUBMIT", "path": "crates/vk/src/queue.rs", "line": 12}],
    "env_set_in": {"CORTEX_PROFILE_SUBMIT": ["ci/gpu-smoke.sh"]},
    "added_suppressions": [],
    "removed_public": [],
}  # fmt: skip

TURNS: list[dict[str, Any]] = [
    {"session": 1, "turn": 1, "said": "Do all of it.", "when": "always", "skipped": False, "why": "",
     "started_at": "2026-03-01T12:01:00Z", "finished_at": "2026-03-01T12:05:00Z", "exit_code": 0, "result": "ok",
     "message": "Half of it.", "opened": ["crates/vk/src/queue.rs"], "claims": {"one-submit": "done"},
     "usage": {"prompt_tokens": 1200, "completion_tokens": 300, "cached_tokens": 1000, "cost_usd": 0.01,
               "source": "reported"}},
    {"session": 1, "turn": 2, "said": "Finish.", "when": "stopped-early", "skipped": True,
     "why": "every item is claimed to be done"},
    {"session": 2, "turn": 1, "said": "And the rest.", "when": "always", "skipped": False, "why": "",
     "started_at": "2026-03-01T12:06:00Z", "finished_at": "2026-03-01T12:09:00Z", "exit_code": 0, "result": "ok",
     "message": "All done.", "opened": [], "claims": {"keep-tests": "done"}, "usage": None},
]  # fmt: skip

STREAM: list[dict[str, Any]] = [
    {"type": "open", "path": "crates/vk/src/queue.rs"},
    {"type": "patch", "file": "01-one-submit.patch", "ok": True, "detail": ""},
    {"type": "run", "argv": ["cargo", "check"], "exit_code": 0, "seconds": 2.1, "output": "Finished"},
    {"type": "say", "text": "Half of it."},
    {"type": "claim", "item": "one-submit", "status": "done"},
    {"type": "turn-end"},
]

EVENTS: list[dict[str, Any]] = [
    {"seq": 1, "at": "2026-03-01T12:00:00Z", "event": "attempt-started"},
    {"seq": 2, "at": "2026-03-01T12:00:00Z", "event": "stage-started", "stage": "checkout"},
    {
        "seq": 3,
        "at": "2026-03-01T12:01:00Z",
        "event": "stage-finished",
        "stage": "checkout",
        "result": "ok",
        "seconds": 60,
    },
    {"seq": 4, "at": "2026-03-01T12:01:00Z", "event": "stage-started", "stage": "session"},
    {
        "seq": 5,
        "at": "2026-03-01T12:09:00Z",
        "event": "stage-finished",
        "stage": "session",
        "result": "ok",
        "seconds": 480,
    },
    {"seq": 6, "at": "2026-03-01T12:10:00Z", "event": "stage-started", "stage": "smoke"},
    {
        "seq": 7,
        "at": "2026-03-01T12:16:00Z",
        "event": "stage-finished",
        "stage": "smoke",
        "result": "ok",
        "seconds": 360,
    },
]

LAUNCH: dict[str, Any] = {
    "attempt_id": "a-1",
    "episode_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "fence": 1,
    "repo_url": "https://example.org/decode.git",
    "commit": "0f" * 20,
    "base_key": "b" * 16,
    "agent": {"kind": "replay", "name": "finisher", "files": ["01-one-submit.patch"], "secrets": []},
    "limits": {"wall_s": 14400.0},
    "network": "none",
}

SPEEDS = {"baseline": (19.0, 19.2, 18.9), "candidate": (50.1, 51.0, 49.8)}


def lines(values: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def contents() -> dict[str, str]:
    """Path -> text of a finisher's folder, as the runner writes it before its manifest."""
    rounds = [
        {"round": n, "side": side, "tokens": 256, "seconds": 5.0, "tok_s": speeds[n - 1],
         "at": f"2026-03-01T12:1{n}:00Z", "exit_code": 0}
        for n in (1, 2, 3) for side, speeds in SPEEDS.items()
    ]  # fmt: skip
    return {
        "events.jsonl": lines(EVENTS),
        "launch.json": json.dumps(LAUNCH),
        "hello.json": json.dumps({"agent_version": "0.1.0", "os": "Debian 12", "gpus": [], "sandbox": "bubblewrap"}),
        "agent/session-1/turns.jsonl": lines([turn for turn in TURNS if turn["session"] == 1]),
        "agent/session-1/stream.jsonl": lines(STREAM),
        "agent/session-2/turns.jsonl": lines([turn for turn in TURNS if turn["session"] == 2]),
        "agent/session-2/stream.jsonl": lines([{"type": "say", "text": "All done."}, {"type": "turn-end"}]),
        "tests.json": json.dumps({"baseline": {"vk::old": "ok"}, "candidate": {"vk::old": "ok", "vk::wraps": "ok"}}),
        "smoke/throughput.jsonl": lines(rounds),
        **{f"smoke/baseline-{n}.log": PERDISPATCH for n in (1, 2, 3)},
        **{f"smoke/candidate-{n}.log": PERDISPATCH + SUBMIT for n in (1, 2, 3)},
        "grade/evidence.json": json.dumps(EVIDENCE),
        "grade/one-submit-1.log": "test one_submit ... ok\n",
        "diff.patch": "diff --git a/x b/x\n",
        "artifacts/manifest.json": "[]\n",
    }


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def streamed(out: Path, held: Mapping[str, int] | None = None) -> io.BytesIO:
    """The folder's manifest and then its tar stream, both made by the runner's code."""
    manifest.write_sums(out)
    stream = io.BytesIO()
    manifest.stream(out, stream, held)
    stream.seek(0)
    return stream
