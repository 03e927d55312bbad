"""How things stand, as gauges, and the counters that live in rows of their own. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from orchestrator.domain.device import Health
from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.health import Finding
from orchestrator.domain.phases import LEASED, Phase
from orchestrator.domain.runner import SHOWN_STATES, shown_state
from orchestrator.store.scrape import Group, Present, Seen
from orchestrator.web.rollups import Key

Values = Mapping[Key, float]

HEALTH = {health: str(health).lower() for health in Health}

READINGS_MAX = timedelta(seconds=120)
"""Older readings say nothing of now."""

QUARANTINES = {
    Finding.WAKES_FAILED: "wakes-failed",
    Finding.DRIFTED: "drifted",
    Finding.FAILED: "canary-failed",
    Finding.BROKE_DOWN: "canary-failed",
}
REASONS = ("wakes-failed", "drifted", "canary-failed", "other")

ACTS = ("launch", "checks", "cancel", "collect", "salvage", "score", "acknowledge", "wake", "suspend", "notify")

OF_A_GPU = {
    "matins_gpu_clock_hertz": "clock_hz",
    "matins_gpu_memory_clock_hertz": "memory_clock_hz",
    "matins_gpu_power_watts": "power_w",
    "matins_gpu_temperature_celsius": "temperature_c",
    "matins_gpu_utilization_ratio": "utilization",
    "matins_gpu_memory_used_bytes": "memory_used_bytes",
}


def standing(seen: Present, now: datetime) -> Iterator[tuple[str, Values]]:
    yield from _runners(seen)
    yield from _readings([each for each in seen.runners if _is_fresh(each, now)])
    yield from _queue(seen, now)
    yield "matins_ticks", {(): seen.ticks}
    last = {(): seen.watched_until.timestamp()} if seen.watched_until else {}
    yield "matins_last_tick_timestamp_seconds", last
    none = {(kind,): 0.0 for kind in ACTS}
    yield "matins_acts_pending", {**none, **{(kind,): count for kind, (count, _) in seen.acts.items()}}
    ages = {(kind,): max(0.0, (now - oldest).total_seconds()) for kind, (_, oldest) in seen.acts.items()}
    yield "matins_act_oldest_age_seconds", {**none, **ages}


def open_seconds(seen: Present) -> dict[Key, float]:
    """How long each runner has been shown as it is, up to when somebody watched: on top of what is over."""
    if seen.watched_until is None:
        return {}
    spans = ((runner, state, seen.watched_until - since) for runner, (state, since) in seen.open_spans.items())
    return {(runner, state): max(0.0, lasted.total_seconds()) for runner, state, lasted in spans}


def _runners(seen: Present) -> Iterator[tuple[str, Values]]:
    leases: Counter[str] = Counter()
    for group in seen.episodes:
        leases[group.runner] += group.count if group.phase in LEASED else 0
    shown = {each.runner.name: shown_state(each.runner, leases[each.runner.name]) for each in seen.runners}
    yield "matins_runner_info", {(each.runner.name, *each.told.info): 1.0 for each in seen.runners}
    yield "matins_runner_state", {of: 1.0 if of[1] == shown[of[0]] else 0.0 for of in product(shown, SHOWN_STATES)}
    health = {each.runner.name: HEALTH[each.runner.health] for each in seen.runners}
    yield (
        "matins_runner_health",
        {of: 1.0 if of[1] == health[of[0]] else 0.0 for of in product(health, HEALTH.values())},
    )
    why = {each.runner.name: _reason(each) for each in seen.runners}
    yield "matins_runner_quarantined", {of: 1.0 if of[1] == why[of[0]] else 0.0 for of in product(why, REASONS)}
    yield "matins_runner_slots", {key: number for each in seen.runners for key, number in _slots(each)}
    last = {(each.runner.name,): each.last_seen.timestamp() for each in seen.runners if each.last_seen}
    yield "matins_runner_last_seen_timestamp_seconds", last
    settled = {(each.runner.name,): each.settled_until.timestamp() for each in seen.runners if each.settled_until}
    yield "matins_settled_timestamp_seconds", settled
    errors = {(each.runner.name, kind): count for each in seen.runners for kind, count in each.link_errors.items()}
    yield "matins_link_errors", errors


def _reason(seen: Seen) -> str:
    return QUARANTINES.get(seen.quarantined, "other") if seen.quarantined else ""  # pyright: ignore


def _slots(seen: Seen) -> Iterator[tuple[Key, int]]:
    slots, name = seen.runner.slots, seen.runner.name
    yield (name, "agent"), slots.agent
    yield (name, "build"), slots.build
    yield (name, "buffer"), slots.buffer
    yield (name, "gpu"), seen.told.gates


def _is_fresh(seen: Seen, now: datetime) -> bool:
    return seen.readings_at is not None and now - seen.readings_at <= READINGS_MAX


def _readings(fresh: list[Seen]) -> Iterator[tuple[str, Values]]:
    gpus = [((each.runner.name, gpu["gpu"]), gpu) for each in fresh for gpu in each.readings.get("gpus", ())]
    for name, key in OF_A_GPU.items():
        yield name, {of: gpu[key] for of, gpu in gpus if gpu.get(key) is not None}
    yield "matins_runner_power_watts", _told(fresh, "power_w")
    yield "matins_runner_load1", _told(fresh, "load1")
    sized = [each for each in fresh if each.readings.get("disk_size_bytes")]
    yield "matins_runner_disk_free_bytes", _told(sized, "disk_free_bytes")
    yield "matins_runner_disk_size_bytes", _told(sized, "disk_size_bytes")
    came = {(each.runner.name,): each.readings_at.timestamp() for each in fresh if each.readings_at}
    yield "matins_runner_readings_timestamp_seconds", came


def _told(fresh: list[Seen], key: str) -> dict[Key, Any]:
    return {(each.runner.name,): each.readings[key] for each in fresh if each.readings.get(key) is not None}


def _queue(seen: Present, now: datetime) -> Iterator[tuple[str, Values]]:
    running = {(each.runner.name,): 0 for each in seen.runners}
    queued = {(str(kind),): 0 for kind in EpisodeKind}
    oldest = {(str(kind),): 0.0 for kind in EpisodeKind}
    for group in seen.episodes:
        if group.phase is Phase.RUNNING:
            running[group.runner,] += group.count
        if group.phase is Phase.QUEUED:
            queued[group.kind,] += group.count
            oldest[group.kind,] = max(oldest[group.kind,], _age_s(group, now))
    yield "matins_episodes_running", running
    yield "matins_episodes_queued", queued
    yield "matins_queue_oldest_age_seconds", oldest


def _age_s(group: Group, now: datetime) -> float:
    return max(0.0, (now - group.oldest).total_seconds())
