"""Rows to domain values. Anything that is not one of the domain's values raises here, at the border."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.domain.device import Device, DevicePrices, Health
from orchestrator.domain.episode import Acceptance, Attempt, CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.phases import Phase
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Address, Operation, Power, Prices, Runner, Service
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, RunnerRow
from runner_agent.protocol import AttemptStatus, Gpu, Hello, from_json


def to_campaign(row: CampaignRow) -> CampaignFacts:
    return CampaignFacts(
        id=row.id,
        name=row.name,
        acceptance=Acceptance(row.acceptance),
        acceptance_detail=row.acceptance_detail,
        needs_tags=tuple(row.needs_tags),
        needs_vram_bytes=row.needs_vram_bytes,
        submitted_at=row.submitted_at,
    )


def to_episode(row: EpisodeRow, avoids: frozenset[str] = frozenset()) -> Episode:
    return Episode(
        id=row.id,
        campaign_id=row.campaign_id,
        kind=EpisodeKind(row.kind),
        agent=row.agent,
        phase=Phase(row.phase),
        phase_since=row.phase_since,
        submitted_at=row.submitted_at,
        priority=row.priority,
        submitter=row.submitter,
        fence=row.fence,
        runner=row.runner,
        attempt_id=row.attempt_id,
        avoids=avoids,
        cancel_requested=row.cancel_requested,
        not_before=row.not_before,
        end_reason=_reason(row.end_reason),
        detail=row.detail,
        pinned_runner=row.pinned_runner,
        pinned_gpu=row.pinned_gpu,
    )


def to_attempt(
    row: AttemptRow, requested: frozenset[str] = frozenset(), finished: frozenset[str] = frozenset()
) -> Attempt:
    return Attempt(
        id=row.id,
        episode_id=row.episode_id,
        runner=row.runner,
        fence=row.fence,
        created_at=row.created_at,
        gpu=row.gpu,
        status=from_json(AttemptStatus, row.status) if row.status else None,
        reported_boot_id=row.reported_boot_id,
        gone=row.gone,
        requested=requested,
        finished=finished,
        failure=_reason(row.failure),
        failure_detail=row.failure_detail,
        ended=_reason(row.ended),
    )


def to_address(row: RunnerRow) -> Address:
    return Address(
        runner=row.name,
        kind=row.kind,
        host=row.host,
        port=row.port,
        user=row.ssh_user,
        key_path=row.key_path,
        host_key=row.host_key,
        home=row.home,
    )


def to_runner(row: RunnerRow) -> Runner:
    hello = from_json(Hello, row.hello) if row.hello else None
    return Runner(
        name=row.name,
        kind=row.kind,
        power=Power(row.power),
        operation=Operation(row.operation),
        service=Service(row.service),
        health=Health(row.health),
        agent_slots=row.agent_slots,
        build_slots=row.build_slots,
        buffer_slots=row.buffer_slots,
        tags=frozenset(row.tags),
        prices=Prices(**row.prices),
        hello=hello,
        devices=to_devices(hello, row.devices) if hello else (),
        boot_id=row.boot_id,
        last_seen=row.last_seen,
        detail=row.detail,
        canary_why=row.canary_why,
        canaried_at=row.canaried_at,
    )


def to_devices(hello: Hello, said: Mapping[str, Mapping[str, Any]]) -> tuple[Device, ...]:
    """The devices that a machine reported, best first, with what was `said` of them: `{deviceUUID: {"tags": [..],
    "prices": {..}, "health": "..", "detail": "..", "since": ISO 8601}}`, all of it optional."""
    return tuple(_to_device(gpu, said.get(gpu.device_uuid, {})) for gpu in hello.gpus)


def _to_device(gpu: Gpu, said: Mapping[str, Any]) -> Device:
    return Device(
        gpu=gpu,
        tags=frozenset(said.get("tags", ())),
        prices=DevicePrices(**said["prices"]) if said.get("prices") else None,
        health=Health(said.get("health", Health.UNKNOWN)),
        detail=said.get("detail", ""),
        since=datetime.fromisoformat(said["since"]) if said.get("since") else None,
    )


def _reason(value: str | None) -> EndReason | None:
    return EndReason(value) if value is not None else None
