"""Rows to domain values. Anything that is not one of the domain's values raises here, at the border."""

from __future__ import annotations

from orchestrator.domain.episode import Acceptance, Attempt, CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.phases import Phase
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Address, Health, Operation, Power, Prices, Runner, Service
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, RunnerRow
from runner_agent.protocol import AttemptStatus, Hello, from_json


def to_campaign(row: CampaignRow) -> CampaignFacts:
    return CampaignFacts(
        id=row.id,
        name=row.name,
        acceptance=Acceptance(row.acceptance),
        acceptance_detail=row.acceptance_detail,
        needs_tags=tuple(row.needs_tags),
        needs_vram_bytes=row.needs_vram_bytes,
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
    return Runner(
        name=row.name,
        kind=row.kind,
        power=Power(row.power),
        operation=Operation(row.operation),
        service=Service(row.service),
        health=Health(row.health),
        agent_slots=row.agent_slots,
        build_slots=row.build_slots,
        tags=frozenset(row.tags),
        prices=Prices(**row.prices),
        hello=from_json(Hello, row.hello) if row.hello else None,
        boot_id=row.boot_id,
        last_seen=row.last_seen,
        detail=row.detail,
    )


def _reason(value: str | None) -> EndReason | None:
    return EndReason(value) if value is not None else None
