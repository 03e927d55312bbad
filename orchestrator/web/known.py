"""The series that are known before anything was counted: they are shown at 0, so that the first event is a rise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import get_args

from orchestrator.accounting.values import Kind
from orchestrator.conditions import CONDITIONS, Condition
from orchestrator.domain.reasons import MEANINGS
from orchestrator.domain.runner import SHOWN_STATES
from orchestrator.domain.wake import WakeStage
from orchestrator.errors import LINK_ERRORS
from orchestrator.scoring.verdict import ItemStatus
from orchestrator.service.summary import USAGE
from orchestrator.store.messages import RESULTS as MESSAGE_RESULTS
from orchestrator.store.messages import RESULTS as TOLD
from orchestrator.web.rollups import Key
from runner_agent.protocol import STAGES, StageResult

RESULTS = ("valid", "invalid", "failed", "cancelled")
WASTE = (*(str(reason) for reason, means in MEANINGS.items() if not means.signal), "wake-failed")
INVALID = tuple(str(reason) for reason, m in MEANINGS.items() if not m.signal and m.kind in ("agent", "measurement"))
RETRIED = tuple(str(reason) for reason, means in MEANINGS.items() if means.retry is not None)
DISPATCH_PARTS = ("bubble", "shader", "submit")


@dataclass(frozen=True, kw_only=True)
class Census:
    """Who there is: runners, those of them that can be woken, campaigns with the agents that were sent into them, and
    agents with their models."""

    runners: tuple[str, ...]
    sleepers: tuple[str, ...]
    entered: frozenset[tuple[str, str]]
    models: frozenset[tuple[str, str]]


def known_counters(census: Census) -> Iterator[tuple[str, Iterable[Key]]]:
    runners, campaigns = census.runners, sorted({campaign for campaign, _ in census.entered})
    entered, agents = sorted(census.entered), sorted({agent for _, agent in census.entered})
    yield "matins_runner_state_seconds", product(runners, SHOWN_STATES)
    yield "matins_link_errors", product(runners, LINK_ERRORS)
    yield "matins_runner_energy_joules", product(runners, ("measured", "estimated"))
    yield "matins_wake_attempts", product(census.sleepers, ("ready", "failed"))
    yield "matins_smoke_runs", product(runners, (each for each in get_args(StageResult) if each != "skipped"))
    for name in ("matins_gpu_busy_seconds", "matins_generated_tokens", "matins_generation_seconds"):
        yield name, product(runners)
    yield "matins_episodes", ((*who, result) for who, result in product(entered, RESULTS))
    yield "matins_signals", entered
    yield "matins_items", ((*who, status) for who, status in product(entered, get_args(ItemStatus)))
    yield "matins_invalid", product(campaigns, INVALID)
    yield "matins_agent_tokens", ((*who, kind) for who, kind in product(sorted(census.models), USAGE.values()))
    yield "matins_episode_retries", product(RETRIED)
    yield "matins_artifact_bytes", [()]
    yield "matins_artifact_pulls", product(("ok", "failed"))
    yield "matins_cost_usd", product(get_args(Kind), ("", *agents))
    yield "matins_waste_usd", product(WASTE)
    yield "matins_notifications", product(map(str, CONDITIONS), MESSAGE_RESULTS)
    yield "matins_notifications", product(map(str, Condition), TOLD)


def known_histograms(census: Census) -> Iterator[tuple[str, Iterable[Key]]]:
    yield "matins_wake_duration_seconds", product(census.sleepers, map(str, WakeStage))
    yield "matins_gpu_dispatch_duration_seconds", product(census.runners, DISPATCH_PARTS)
    yield "matins_episode_phase_duration_seconds", product(STAGES)
    for name in ("episode_queue_duration_seconds", "episode_duration_seconds", "gpu_gate_wait_seconds"):
        yield f"matins_{name}", [()]
