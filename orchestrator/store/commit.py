"""Actions of a plan as guarded updates and outbox rows, one transaction an action. A stale action does nothing."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import or_, update
from sqlmodel import Session, col, select

from orchestrator.domain.actions import (
    Action,
    Assign,
    BeginCanary,
    BeginCollect,
    BeginLaunch,
    BeginPreflight,
    Clear,
    EndCancelled,
    Forget,
    GiveUp,
    Release,
    Retry,
    SendCancel,
    SendChecks,
)
from orchestrator.domain.episode import Acceptance, EpisodeKind
from orchestrator.domain.phases import ENDED, LEASED, Event, Phase
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Operation, Service
from orchestrator.domain.slots import ANY, room
from orchestrator.store.acceptance import begin_preflight, drivers_of_row, keep_answer
from orchestrator.store.canary import begin_canary, end_canary, unproven
from orchestrator.store.changes import log_event, move_episode, request_act, rows_changed
from orchestrator.store.commit_power import commit_power
from orchestrator.store.convert import to_runner
from orchestrator.store.health import end_attempt
from orchestrator.store.ledger import has_uncosted, waste_wakes
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, RunnerRow


def commit(session: Session, action: Action, now: datetime) -> bool:
    """Whether the action still applied, and was written."""
    match action:
        case Assign():
            return _assign(session, action, now)
        case Release():
            return _release(session, action, now)
        case BeginLaunch():
            return _begin_launch(session, action, now)
        case SendChecks():
            return _request(session, "checks", action.attempt_id, now)
        case SendCancel():
            return _request(session, "cancel", action.attempt_id, now)
        case BeginCollect():
            return _begin_collect(session, action, now)
        case Retry():
            return _retry(session, action, now)
        case GiveUp():
            return _end(session, action, Event.GIVE_UP, action.reason, action.detail, now)
        case Clear():
            return _clear(session, action, now)
        case Forget():
            return _forget(session, action, now)
        case BeginCanary():
            return begin_canary(session, action, now) is not None
        case BeginPreflight():
            return begin_preflight(session, action, now)
        case EndCancelled():
            return _end(session, action, Event.CANCEL, EndReason.CANCELLED, action.detail, now)
        case _:
            return commit_power(session, action, now)


def _assign(session: Session, action: Assign, now: datetime) -> bool:
    episode = session.get_one(EpisodeRow, action.episode_id)
    if not _has_free_slot(session, action.runner, EpisodeKind(episode.kind)):
        return False
    return move_episode(
        session,
        action.episode_id,
        Event.ASSIGN,
        phase=Phase.QUEUED,
        fence=episode.fence,
        now=now,
        values={"runner": action.runner},
        data={"runner": action.runner},
    )


def _has_free_slot(session: Session, runner: str, kind: EpisodeKind) -> bool:
    """Another tick may have leased it or asked it to sleep, or an operator taken the runner out of service, since the
    plan was made."""
    leased = (EpisodeRow.runner == runner, col(EpisodeRow.phase).in_([str(phase) for phase in LEASED]))
    said = select(AttemptRow.gpu, AttemptRow.status).select_from(EpisodeRow)
    said = said.outerjoin(AttemptRow, col(EpisodeRow.attempt_id) == col(AttemptRow.id)).where(*leased)
    standing = [(gpu or ANY, (status or {}).get("stage")) for gpu, status in session.exec(said).all()]
    row = session.get_one(RunnerRow, runner)
    if not _serves(row, kind) or row.operation != Operation.NONE:
        return False
    machine = to_runner(row)
    return room(machine.slots, [device.uuid for device in machine.devices], standing).free > 0


def _serves(row: RunnerRow, kind: EpisodeKind) -> bool:
    """Canaries run wherever there is a machine, other work only where an operator wants it."""
    return row.service != Service.RETIRED if kind is EpisodeKind.CANARY else row.service == Service.IN_SERVICE


def _release(session: Session, action: Release, now: datetime) -> bool:
    episode = session.get_one(EpisodeRow, action.episode_id)
    if episode.runner != action.runner:
        return False
    return move_episode(
        session,
        action.episode_id,
        Event.RELEASE,
        phase=Phase.ASSIGNED,
        fence=episode.fence,
        now=now,
        values={"runner": None},
        data={"runner": action.runner},
    )


def _begin_launch(session: Session, action: BeginLaunch, now: datetime) -> bool:
    """The attempt and its fence are committed before anything goes over the wire."""
    attempt_id = str(uuid4())
    episode = session.get_one(EpisodeRow, action.episode_id)
    if episode.runner != action.runner:
        return False
    runner = session.get_one(RunnerRow, action.runner)
    if not _serves(runner, EpisodeKind(episode.kind)):
        return False
    values = {"fence": action.fence, "attempt_id": attempt_id, "not_before": None}
    if episode.started_at is None:
        values["started_at"] = now
    moved = move_episode(
        session,
        action.episode_id,
        Event.LAUNCH,
        phase=Phase.ASSIGNED,
        fence=action.fence - 1,
        now=now,
        values=values,
        data={"attempt": attempt_id, "fence": action.fence, "runner": action.runner, "gpu": action.gpu},
    )
    if not moved:
        return False
    attempt = AttemptRow(
        id=attempt_id,
        episode_id=action.episode_id,
        runner=action.runner,
        fence=action.fence,
        gpu=action.gpu,
        drivers=drivers_of_row(runner),
        created_at=now,
    )
    session.add(attempt)
    session.flush()
    return request_act(session, "launch", attempt_id, now=now)


def _begin_collect(session: Session, action: BeginCollect, now: datetime) -> bool:
    episode = session.get_one(EpisodeRow, action.episode_id)
    if episode.attempt_id != action.attempt_id or episode.phase != Phase.RUNNING:
        return False
    data = {"attempt": action.attempt_id}
    move_episode(session, episode.id, Event.ENDED, phase=Phase.RUNNING, fence=episode.fence, now=now, data=data)
    return request_act(session, "collect", action.attempt_id, now=now)


def _retry(session: Session, action: Retry, now: datetime) -> bool:
    episode = session.get_one(EpisodeRow, action.episode_id)
    if episode.attempt_id != action.attempt_id or not end_attempt(session, action.attempt_id, action.reason, now=now):
        return False
    _release_on_runner(session, action.attempt_id, episode, now)
    return move_episode(
        session,
        action.episode_id,
        Event.RETRY,
        phase=Phase(episode.phase),
        fence=episode.fence,
        now=now,
        values={
            "runner": None,
            "attempt_id": None,
            "end_reason": str(action.reason),
            "detail": action.detail,
            "not_before": action.not_before,
        },
        data={
            "attempt": action.attempt_id,
            "runner": episode.runner,
            "reason": str(action.reason),
            "detail": action.detail,
            "not_before": action.not_before.isoformat(),
        },
    )


def _end(
    session: Session, action: GiveUp | EndCancelled, event: Event, reason: EndReason, detail: str, now: datetime
) -> bool:
    episode = session.get_one(EpisodeRow, action.episode_id)
    if episode.attempt_id != action.attempt_id or episode.phase in ENDED:
        return False
    if action.attempt_id is not None:
        if not end_attempt(session, action.attempt_id, reason, now=now):
            return False
        _release_on_runner(session, action.attempt_id, episode, now)
    if episode.kind == EpisodeKind.PREFLIGHT:
        _answer_without_verdict(session, episode, action, f"ended without a verdict ({reason}): {detail}", now)
    if episode.kind == EpisodeKind.CANARY:
        end_canary(session, episode, unproven(reason), f"{reason}: {detail}" if detail else str(reason), now)
    moved = move_episode(
        session,
        action.episode_id,
        event,
        phase=Phase(episode.phase),
        fence=episode.fence,
        now=now,
        values={"end_reason": str(reason), "detail": detail},
        data={"attempt": action.attempt_id, "reason": str(reason), "detail": detail},
    )
    if moved and not has_uncosted(session, action.episode_id):
        waste_wakes(session, action.episode_id, str(reason))
    return moved


def _request(session: Session, kind: str, attempt_id: str, now: datetime) -> bool:
    attempt = session.get_one(AttemptRow, attempt_id)
    if attempt.ended is not None or not request_act(session, kind, attempt_id, now=now):
        return False
    log_event(session, attempt.episode_id, f"{kind}-sent", now=now, attempt_id=attempt_id)
    return True


def _clear(session: Session, action: Clear, now: datetime) -> bool:
    attempt = session.get_one(AttemptRow, action.attempt_id)
    return attempt.ended is not None and request_act(session, action.act, attempt.id, now=now)


def _forget(session: Session, action: Forget, now: datetime) -> bool:
    over = (col(AttemptRow.id) == action.attempt_id, col(AttemptRow.acknowledged_at).is_(None))
    # A tombstone that was made meanwhile is something again.
    nothing = or_(col(AttemptRow.gone), col(AttemptRow.status).is_(None))
    changed = update(AttemptRow).where(*over, col(AttemptRow.ended).is_not(None), nothing).values(acknowledged_at=now)
    if rows_changed(session, changed) == 0:
        return False
    episode_id = session.get_one(AttemptRow, action.attempt_id).episode_id
    log_event(session, episode_id, "nothing-left-on-runner", now=now, attempt_id=action.attempt_id)
    return True


def _release_on_runner(session: Session, attempt_id: str, episode: EpisodeRow, now: datetime) -> None:
    """Once its artifacts are here, the runner may delete its copy; until then they stay where they are."""
    if Phase(episode.phase) is Phase.SCORING:
        request_act(session, "acknowledge", attempt_id, now=now)


def _answer_without_verdict(
    session: Session, preflight: EpisodeRow, action: GiveUp | EndCancelled, how: str, now: datetime
) -> None:
    """Episodes wait for a preflight, so its end must answer them: for its one machine, or for all. One that nobody
    needed any more has no answer."""
    if not preflight.pinned_runner:
        campaign = session.get_one(CampaignRow, preflight.campaign_id)
        campaign.acceptance, campaign.acceptance_detail = str(Acceptance.REFUSED), f"its preflight {how}"
        session.add(campaign)
    elif preflight.cancel_requested:
        keep_answer(session, preflight, action.attempt_id, "the preflight was cancelled", now)
    elif isinstance(action, GiveUp):
        keep_answer(session, preflight, action.attempt_id, f"the preflight {how}", now)
