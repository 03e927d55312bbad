"""What the orchestrator adds to a received folder. The same folder, facts and specification give the same bytes, so a
rescore is the same call again. SHA256SUMS is written last: a folder without it is unfinished."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.accounting.tokens import agent_cost
from orchestrator.artifacts import atif, dispatches, harbor, layout, loose, reader, readings, sums, trace
from orchestrator.artifacts.facts import Facts
from orchestrator.errors import ArtifactError
from orchestrator.scoring.evidence import Evidence
from orchestrator.scoring.judge import judge
from orchestrator.scoring.specification import Specification
from orchestrator.scoring.verdict import Verdict
from runner_agent.protocol import ExitRecord, to_json

VERDICT_SCHEMA = "matins-verdict-1"
LOCK_SCHEMA = "matins-lock-1"


@dataclass(frozen=True, kw_only=True)
class Derived:
    """What a folder was found to hold, and what was made of it. `launch` is what the runner was told, `hello` what it
    said of itself then; each empty where that is not known."""

    evidence: Evidence
    verdict: Verdict
    dispatches: tuple[dispatches.Part, ...]
    launch: dict[str, Any] = field(default_factory=dict[str, Any])
    hello: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def gpu(self) -> dict[str, Any]:
        """The device that it was measured on, or the only one that there is; empty where that is not known."""
        listed = loose.tables(self.hello.get("gpus"))
        named = [gpu for gpu in listed if gpu.get("device_uuid") == self.launch.get("gpu")]
        found = named or (listed if len(listed) == 1 else [])
        return found[0] if found else {}


def derive(folder: Path, facts: Facts, spec: Specification, exit: ExitRecord) -> Derived:
    """Judges the folder and writes all derived files. Raises OSError only."""
    evidence, parts = readings.read(reader.read(folder), spec)
    found = Derived(
        evidence=evidence,
        verdict=judge(evidence, spec, exit),
        dispatches=parts,
        launch=_read_table(folder / layout.LAUNCH),
        hello=_read_table(folder / layout.HELLO),
    )
    written = documents(folder, facts, spec, exit, found)
    (folder / layout.SUMS).unlink(missing_ok=True)
    for stale in set(sums.files(folder)) - _runner_files(folder) - written.keys():
        if layout.is_derived(stale) or layout.is_draft(stale) or stale == layout.EXCEPTION:
            (folder / stale).unlink()
    for path, data in written.items():
        sums.write_atomically(folder / path, data)
    sums.write(folder)
    return found


def documents(
    folder: Path,
    facts: Facts,
    spec: Specification,
    exit: ExitRecord,
    derived: Derived,
) -> dict[str, bytes]:
    """Path -> bytes of every derived file but the checksums."""
    evidence, verdict = derived.evidence, derived.verdict
    trial = harbor.config(facts, derived.launch)
    exception = harbor.exception(verdict, exit)
    found = {
        layout.CONFIG: _json(trial),
        layout.LOCK: _json(_lock(facts, derived.launch, derived.hello, spec)),
        layout.RESULT: _json(harbor.result(facts, verdict, evidence, spec, exit, trial)),
        layout.EXIT: _json(to_json(exit)),
        layout.REWARD: _json(harbor.reward(verdict)),
        layout.VERDICT: _json(verdict_json(verdict, evidence)),
        layout.DISPATCHES: dispatches.parquet(derived.dispatches),
        layout.TRACE: _json(trace.trace(evidence, derived.dispatches), indent=None),
    }
    runners_own = layout.EXCEPTION in _runner_files(folder)
    if exception and not runners_own:
        found[layout.EXCEPTION] = harbor.exception_text(exception).encode("utf-8", "replace")
    streams = {session: _streams(folder, session) for session in {turn.session for turn in evidence.turns}}
    return found | {path: _json(each) for path, each in atif.documents(facts, evidence.turns, streams).items()}


def verdict_json(verdict: Verdict, evidence: Evidence) -> dict[str, Any]:
    """verdict.json as data. `quality` is empty: the deltas of code quality are not measured yet."""
    spent = agent_cost(turn.usage.cost_usd if turn.usage else None for turn in evidence.turns if not turn.skipped)
    cost = {
        "usd": spent.usd,
        "by_phase": {"session": spent.usd},
        "turns_unreported": spent.unreported,
        "agent_gpu_s": evidence.agent_gpu_s,
    }
    return {"schema": VERDICT_SCHEMA, **dataclasses.asdict(verdict), "quality": {}, "cost": cost}


def _lock(facts: Facts, launch: dict[str, Any], hello: dict[str, Any], spec: Specification) -> dict[str, Any]:
    """What the request was resolved to: enough to ask for the very same again."""
    agent = loose.table(launch.get("agent"))
    return {
        "schema": LOCK_SCHEMA,
        "repo_url": launch.get("repo_url"),
        "commit": launch.get("commit"),
        "base_key": launch.get("base_key"),
        "specification_sha256": harbor.checksum(spec),
        "agent": {"name": facts.agent, "version": facts.agent_version, "model": facts.model, "kind": agent.get("kind")},
        "attempt_id": facts.attempt_id,
        "fence": launch.get("fence"),
        "runner": facts.runner,
        "runner_agent_version": hello.get("agent_version"),
        "os": hello.get("os"),
        "gpus": hello.get("gpus"),
        "tools": hello.get("tools"),
        "sandbox": hello.get("sandbox"),
        "quiescence": hello.get("quiescence"),
        "statistics": dataclasses.asdict(spec.rule),
    }


def _runner_files(folder: Path) -> set[str]:
    try:
        text = (folder / layout.RUNNER_SUMS).read_text(encoding="utf-8", errors="surrogateescape")
        return {layout.RUNNER_SUMS, *layout.parse_sums(text)}
    except (OSError, ArtifactError):
        return set()


def _streams(folder: Path, session: int) -> list[atif.StreamEvents]:
    path = folder / "agent" / f"session-{session}" / "stream.jsonl"
    try:
        with path.open("rb") as file:
            return atif.split_turns(file.read(reader.MOST_TEXT_BYTES).decode("utf-8", "replace"))
    except OSError:
        return []


def _read_table(path: Path) -> dict[str, Any]:
    try:
        return loose.table(loose.parse(path.read_text(encoding="utf-8", errors="replace")))
    except (OSError, loose.Unreadable):
        return {}


def _json(data: object, indent: int | None = 1) -> bytes:
    return (json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")
