"""What the database keeps of a judged episode, so that lists and metrics need not open its folder. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from orchestrator.accounting.histogram import DISPATCH_SECONDS, Histogram
from orchestrator.accounting.tokens import agent_cost
from orchestrator.artifacts.derive import Derived
from orchestrator.artifacts.dispatches import Part, Row, rows
from orchestrator.scoring.evidence import Evidence
from runner_agent.protocol import BUILD_SLOT, ExitRecord

NS = 1e-9
USAGE = {"prompt_tokens": "prompt", "completion_tokens": "completion", "cached_tokens": "cached"}


def summarise(found: Derived, exit: ExitRecord, artifact_bytes: int, base_tok_s: float | None) -> dict[str, Any]:
    """JSON data. Times in seconds, money in USD. `base_tok_s`: of the untouched base, where it ran alone."""
    verdict, evidence = found.verdict, found.evidence
    speed = verdict.throughput
    return {
        "valid": verdict.valid,
        "invalid_reason": verdict.invalid_reason or None,
        "first_line": verdict.first_line,
        "items_done": verdict.items_done,
        "items_total": verdict.items_total,
        "items": dict(Counter(item.status for item in verdict.items)),
        "tok_s": speed.candidate,
        "baseline_tok_s": speed.baseline,
        "known_good": _known_good(found, speed.baseline if speed.baseline is not None else base_tok_s),
        "change": speed.change,
        "change_low": speed.low,
        "change_high": speed.high,
        "reused_from": speed.reused_from,
        "stages": [{"stage": s.stage, "result": s.result, "seconds": s.seconds} for s in exit.stages],
        "smoke": _smoke(evidence, exit, found.dispatches, reused=speed.reused_from is not None),
        "agent_tokens": _tokens(evidence),
        "agent_usd": agent_cost(turn.usage.cost_usd if turn.usage else None for turn in evidence.turns).usd,
        "agent_gpu_s": evidence.agent_gpu_s,
        "artifact_bytes": artifact_bytes,
    }


def _known_good(found: Derived, tok_s: float | None) -> dict[str, Any] | None:
    """What the untouched base did, and on which device and driver: a runner's history is of one of each."""
    device, driver = found.gpu.get("device_uuid"), found.gpu.get("driver")
    if tok_s is None or not device or found.verdict.throughput.reused_from:
        return None
    return {"tok_s": tok_s, "device": device, "driver": driver, "software": found.gpu.get("device_type") == "cpu"}


def _smoke(evidence: Evidence, exit: ExitRecord, dispatches: Iterable[Part], *, reused: bool) -> dict[str, Any] | None:
    """What the device did; None where it did nothing, as for a measurement of another episode."""
    result = next((stage.result for stage in exit.stages if stage.stage == "smoke"), "skipped")
    if result == "skipped" or reused:
        return None
    return {
        "result": result,
        "tokens": sum(done.tokens or 0.0 for done in evidence.rounds),
        "seconds": sum(done.seconds or 0.0 for done in evidence.rounds),
        "gate_held_s": sum(_of_gpu(evidence, "gate-released", "held_s")),
        "gate_waits_s": list(_of_gpu(evidence, "gate-waited", "seconds")),
        **_dispatched(rows(dispatches)),
    }


def _of_gpu(evidence: Evidence, event: str, key: str) -> Iterable[float]:
    """What the journal says of a device's gate; building has one too."""
    for told in evidence.events:
        value = told.data.get(key)
        if told.event == event and told.data.get("gate") != BUILD_SLOT and isinstance(value, (int, float)):
            yield float(value)


def _dispatched(dispatches: Iterable[Row]) -> dict[str, Any]:
    """Per kind (bubble, shader, submit) the counts per bucket and the sum in seconds, and the longest of all."""
    kinds = {kind: Histogram(DISPATCH_SECONDS) for kind in ("bubble", "shader", "submit")}
    slowest_s: dict[str, float] = {}
    for row in dispatches:
        for kind, spent_ns in (("bubble", row.bubble_ns), ("shader", row.shader_ns), ("submit", row.submit_ns)):
            if spent_ns is not None:
                kinds[kind].observe([spent_ns * NS])
                slowest_s[kind] = max(slowest_s.get(kind, 0.0), spent_ns * NS)
    counted = {kind: (histogram.counts, histogram.total) for kind, histogram in kinds.items() if any(histogram.counts)}
    return {"dispatches": counted, "slowest_s": slowest_s}


def _tokens(evidence: Evidence) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for turn in evidence.turns:
        for key, kind in USAGE.items():
            counts[kind] += (getattr(turn.usage, key) or 0) if turn.usage else 0
    return dict(counts)
