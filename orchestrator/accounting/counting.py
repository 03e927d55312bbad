"""What the end of something adds to the roll-ups. Pure; each row is counted once, when it has ended, as it was then: an
episode that is judged again later changes no counter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.accounting.additions import Additions
from orchestrator.accounting.histogram import DISPATCH_SECONDS, SECONDS, WAKE_SECONDS
from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.phases import Phase


@dataclass(frozen=True, kw_only=True)
class EndedEpisode:
    """`result`: what the database keeps of its verdict (`service.summary`), empty if it has none."""

    id: str
    campaign: str
    agent: str
    model: str
    kind: str
    phase: str
    end_reason: str
    runner: str
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime
    result: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class EndedWake:
    """`stages`: the seconds until each stage that came."""

    runner: str
    ready: bool
    stages: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, kw_only=True)
class EndedPull:
    """An act that was to fetch artifacts, and is over: they came, or were given up, after so many tries."""

    came: bool
    failed_tries: int


def outcome(phase: str, result: Mapping[str, Any]) -> str:
    """How an ended episode counts: valid, invalid, failed or cancelled."""
    if phase == Phase.DONE:
        return "valid" if result.get("valid") else "invalid"
    return "failed" if phase == Phase.FAILED else "cancelled"


def count_episode(additions: Additions, ended: EndedEpisode) -> None:
    """Preflights and canaries use machines and tokens, but are no episodes in any other count."""
    if ended.kind == EpisodeKind.EPISODE:
        _count_outcome(additions, ended)
        _count_times(additions, ended)
    _count_smoke(additions, ended)
    _note_speeds(additions, ended)
    for kind, count in ended.result.get("agent_tokens", {}).items():
        labels = {"agent": ended.agent, "model": ended.model, "type": kind}
        additions.add("matins_agent_tokens", labels, count)
    additions.add("matins_artifact_bytes", {}, ended.result.get("artifact_bytes", 0))


def count_wake(additions: Additions, wake: EndedWake) -> None:
    result = "ready" if wake.ready else "failed"
    additions.add("matins_wake_attempts", {"runner": wake.runner, "result": result}, 1)
    for stage, seconds in wake.stages:
        labels = {"runner": wake.runner, "stage": stage}
        additions.observe("matins_wake_duration_seconds", labels, WAKE_SECONDS, max(0.0, seconds))


def count_retry(additions: Additions, reason: str) -> None:
    """`reason`: why the attempt ended that another was made after."""
    additions.add("matins_episode_retries", {"reason": reason}, 1)


def count_pull(additions: Additions, pull: EndedPull) -> None:
    additions.add("matins_artifact_pulls", {"result": "ok"}, int(pull.came))
    additions.add("matins_artifact_pulls", {"result": "failed"}, pull.failed_tries)


def _count_outcome(additions: Additions, ended: EndedEpisode) -> None:
    who = {"campaign": ended.campaign, "agent": ended.agent}
    how = outcome(ended.phase, ended.result)
    additions.add("matins_episodes", {**who, "result": how}, 1)
    if how == "valid" and ended.result.get("reused_from") is None:
        additions.add("matins_signals", who, 1)
    if how == "invalid":
        additions.add("matins_invalid", {"campaign": ended.campaign, "reason": ended.end_reason}, 1)
    for status, count in ended.result.get("items", {}).items():
        additions.add("matins_items", {**who, "status": status}, count)


def _count_times(additions: Additions, ended: EndedEpisode) -> None:
    if ended.started_at is not None:
        waited_s = (ended.started_at - ended.submitted_at).total_seconds()
        _observe(additions, ended, "matins_episode_queue_duration_seconds", waited_s)
        _observe(
            additions, ended, "matins_episode_duration_seconds", (ended.ended_at - ended.started_at).total_seconds()
        )
    for told in ended.result.get("stages", []):
        _observe(additions, ended, "matins_episode_phase_duration_seconds", told["seconds"], phase=told["stage"])


def _count_smoke(additions: Additions, ended: EndedEpisode) -> None:
    smoke = ended.result.get("smoke")
    if not smoke or not ended.runner:
        return
    runner = {"runner": ended.runner}
    additions.add("matins_gpu_busy_seconds", runner, smoke["gate_held_s"])
    additions.add("matins_generated_tokens", runner, smoke["tokens"])
    additions.add("matins_generation_seconds", runner, smoke["seconds"])
    additions.add("matins_smoke_runs", {**runner, "result": smoke["result"]}, 1)
    for waited_s in smoke["gate_waits_s"]:
        _observe(additions, ended, "matins_gpu_gate_wait_seconds", waited_s)
    for kind, (counts, total) in smoke["dispatches"].items():
        slowest_s = smoke.get("slowest_s", {}).get(kind)
        exemplar = (ended.id, slowest_s, ended.ended_at.timestamp()) if slowest_s is not None else None
        labels = {**runner, "kind": kind}
        metric = "matins_gpu_dispatch_duration_seconds"
        additions.count(metric, labels, DISPATCH_SECONDS, counts, total, exemplar=exemplar)


def _note_speeds(additions: Additions, ended: EndedEpisode) -> None:
    """Of the newest episode that told: what the agent's tree did, the base beside it, and the known-good run with what
    that used to be on the same device and driver."""
    known_good: Mapping[str, Any] = ended.result.get("known_good") or {}
    speeds: dict[str, float | None] = {
        "matins_smoke_last_tokens_per_second": ended.result.get("tok_s") if ended.result.get("smoke") else None,
        "matins_smoke_baseline_tokens_per_second": ended.result.get("baseline_tok_s"),
        "matins_known_good_tokens_per_second": known_good.get("tok_s"),
        "matins_known_good_reference_tokens_per_second": known_good.get("reference_tok_s"),
    }
    labels = {"runner": ended.runner, "campaign": ended.campaign}
    for metric, tok_s in speeds.items():
        if tok_s and ended.runner:
            additions.set(metric, labels, tok_s, ended.ended_at)


def _observe(additions: Additions, ended: EndedEpisode, metric: str, seconds: float, **labels: str) -> None:
    additions.observe(metric, labels, SECONDS, max(0.0, seconds), episode_id=ended.id, at=ended.ended_at)
