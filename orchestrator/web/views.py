"""Rows as the JSON that clients see (CONTRACTS, `episode list --json`). Times ISO 8601 UTC, durations seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.device import Device
from orchestrator.domain.runner import Runner, shown_state
from orchestrator.store.tables import (
    AcceptanceRow,
    AttemptRow,
    CampaignRow,
    EpisodeRow,
    EventRow,
    RunnerEventRow,
    RunnerRow,
)

Json = dict[str, Any]

VERDICT_KEYS = (
    "valid",
    "items_done",
    "items_total",
    "tok_s",
    "baseline_tok_s",
    "change",
    "reused_from",
    "invalid_reason",
    "first_line",
)


def moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def episode_summary(row: EpisodeRow, campaign: CampaignRow) -> Json:
    result = row.result or {}
    return {
        "id": row.id,
        "campaign": campaign.name,
        "kind": row.kind,
        "agent": row.agent,
        "model": row.model,
        "phase": row.phase,
        "end_reason": row.end_reason,
        "detail": row.detail,
        "runner": row.runner,
        "priority": row.priority,
        "submitter": row.submitter or None,
        "retry_of": row.retry_of,
        **{key: result.get(key) for key in VERDICT_KEYS},
        "cost": result.get("cost"),
        "phase_seconds": _phase_seconds(result.get("stages", [])),
        "submitted_at": moment(row.submitted_at),
        "started_at": moment(row.started_at),
        "ended_at": moment(row.ended_at),
    }


def _phase_seconds(stages: list[Json]) -> dict[str, float]:
    """Seconds per stage; a stage that ran several times, as sessions do, counts with all of them."""
    spent: Counter[str] = Counter()
    for stage in stages:
        spent[stage["stage"]] += stage["seconds"]
    return dict(spent)


def attempt_view(row: AttemptRow) -> Json:
    status = row.status or {}
    return {
        "id": row.id,
        "fence": row.fence,
        "runner": row.runner,
        "gpu": row.gpu or None,
        "phase": row.ended or status.get("phase") or "launching",
        "stage": status.get("stage"),
        "detail": row.failure_detail or status.get("detail", ""),
        "started_at": moment(row.created_at),
        "ended_at": moment(row.ended_at),
    }


def stages_view(events: list[EventRow]) -> list[Json]:
    """The stages that have ended, from the journal."""
    keys = ("stage", "result", "seconds", "detail")
    return [{key: event.data.get(key) for key in keys} for event in events if event.event == "stage-finished"]


def event_view(row: EventRow) -> Json:
    return {"seq": row.id, "at": moment(row.at), "source": row.source, "event": row.event, "data": row.data}


def runner_event_view(row: RunnerEventRow) -> Json:
    return {"at": moment(row.at), "event": row.event, "actor": row.actor, "data": row.data}


def proof_view(row: AcceptanceRow, campaign: str, drivers: str) -> Json:
    """`drivers`: what the runner has now; what was found under others is not `in_force`."""
    return {
        "campaign": campaign,
        "campaign_id": row.campaign_id,
        "accepted": row.accepted,
        "detail": row.detail,
        "episode": row.episode_id,
        "drivers": row.drivers,
        "in_force": row.drivers == drivers,
        "at": moment(row.at),
    }


def runner_view(row: RunnerRow, runner: Runner, running: list[str], on_devices: Mapping[str, str]) -> Json:
    """`running`: the episodes that hold a slot; `on_devices`: by episode, the device of the attempt in force."""
    hello = row.hello or {}
    gpu = next(iter(hello.get("gpus", [])), {})
    return {
        "name": row.name,
        "kind": row.kind,
        "host": row.host or None,
        "port": row.port if row.host else None,
        "user": row.ssh_user or None,
        "home": row.home or None,
        "host_key": row.host_key or None,
        "mac": row.mac or None,
        "broadcast": row.broadcast or None,
        "interface": row.interface or None,
        "secureon": bool(row.secureon),
        "sleeps": row.sleeps,
        "state": shown_state(runner, len(running)),
        "power": row.power,
        "operation": row.operation,
        "service": row.service,
        "health": row.health,
        "gpu": gpu.get("name"),
        "driver": gpu.get("driver"),
        "vulkan_api": gpu.get("vulkan_api"),
        "os": hello.get("os"),
        "tags": sorted({*row.tags, *hello.get("tags", [])}),
        "slots": {"agent": row.agent_slots, "build": row.build_slots, "buffer": runner.slots.buffer},
        "prices": row.prices,
        "devices": _devices(row, runner, on_devices),
        "running": running,
        "last_seen": moment(row.last_seen),
        "detail": row.detail,
        "hello": row.hello,
    }


def _devices(row: RunnerRow, runner: Runner, on_devices: Mapping[str, str]) -> list[Json]:
    """Best first, and then those that something was said of, but that the machine does not report."""
    reported = {device.uuid for device in runner.devices}
    lost = [{"uuid": uuid, "reported": False, **row.devices[uuid]} for uuid in sorted(row.devices.keys() - reported)]
    return [*(_device(device, on_devices) for device in runner.devices), *lost]


def _device(device: Device, on_devices: Mapping[str, str]) -> Json:
    return {
        "uuid": device.uuid,
        "reported": True,
        "name": device.gpu.name,
        "type": device.gpu.device_type,
        "driver": device.gpu.driver,
        "vulkan_api": device.gpu.vulkan_api,
        "vram_bytes": device.vram_bytes,
        "health": str(device.health),
        "detail": device.detail,
        "since": moment(device.since),
        "tags": sorted(device.offered_tags),
        "prices": vars(device.prices) if device.prices else None,
        "running": sorted(episode_id for episode_id, gpu in on_devices.items() if gpu == device.uuid),
    }
