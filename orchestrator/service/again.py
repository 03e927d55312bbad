"""Trying an ended episode afresh, and judging its kept artifacts again. The episode itself stays as it ended."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from orchestrator.domain.episode import EpisodeKind
from orchestrator.domain.phases import ENDED, Event, Phase
from orchestrator.domain.reasons import EndReason, meaning
from orchestrator.errors import Conflict
from orchestrator.service.places import attempt_folder
from orchestrator.service.scoring import Judged, judge_again
from orchestrator.service.services import Services
from orchestrator.store.changes import log_event, move_episode
from orchestrator.store.ledger import add_lines, settled_cost
from orchestrator.store.queries import find_episode
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow

COMPARED = ("valid", "invalid_reason", "items_done", "items_total", "tok_s", "change")


def retry(services: Services, prefix: str, by: str) -> tuple[EpisodeRow, CampaignRow]:
    """A new episode of the same campaign, agent, model and priority. Raises NotFound, BadInput and Conflict."""
    now = services.now()
    with services.store.writing() as session:
        old, campaign = find_episode(session, prefix)
        _refuse_retry(session, old)
        new = EpisodeRow(
            id=secrets.token_hex(6),
            campaign_id=old.campaign_id,
            kind=old.kind,
            agent=old.agent,
            model=old.model,
            agent_spec=old.agent_spec,
            phase=str(Phase.QUEUED),
            phase_since=now,
            submitted_at=now,
            submitter=by,
            priority=old.priority,
            retry_of=old.id,
        )
        session.add(new)
        session.flush()
        told = {"campaign": campaign.name, "agent": new.agent, "retry_of": old.id, "by": by}
        log_event(session, new.id, "episode-submitted", now=now, data=told)
        log_event(session, old.id, "retried-by-hand", now=now, data={"episode": new.id, "by": by})
    services.doorbell.tick()
    return new, campaign


def _refuse_retry(session: Session, old: EpisodeRow) -> None:
    if old.kind != EpisodeKind.EPISODE:
        remedy = "submit the campaign again: a refused one gets another preflight"
        if old.kind == EpisodeKind.CANARY:
            remedy = f"`matins runner canary {old.pinned_runner}` runs another"
        raise Conflict(f"{old.id} is a {old.kind}", remedy)
    if old.phase not in ENDED:
        raise Conflict(f"episode {old.id} has not ended: it is {old.phase}", "wait for it, or cancel it")
    if old.phase == Phase.DONE and (old.result or {}).get("valid"):
        raise Conflict(f"episode {old.id} is DONE with a valid verdict", "submit the campaign again for another one")
    again = select(EpisodeRow.id).where(
        EpisodeRow.retry_of == old.id, col(EpisodeRow.phase).not_in([str(phase) for phase in ENDED])
    )
    if (live := session.exec(again).first()) is not None:
        raise Conflict(f"episode {old.id} is being retried as {live}", f"follow that: `matins episode watch {live}`")


def rescore(services: Services, prefix: str, by: str) -> tuple[EpisodeRow, CampaignRow]:
    """Judge the artifacts of the episode's last attempt again. Raises NotFound, BadInput and Conflict."""
    with services.store.reading() as session:
        episode, _ = find_episode(session, prefix)
        attempt = _scorable(services, session, episode)
    with _alone_in(attempt_folder(services.settings.home, attempt.id)):
        judged = judge_again(services, attempt)
        reason = judged.verdict.reason
        if meaning(reason).kind == "infrastructure":
            raise Conflict(
                f"the artifacts of {episode.id} hold no verdict ({reason}): {judged.verdict.invalid_reason}",
                f"try it afresh: `matins episode retry {episode.id}`",
            )
        with services.store.writing() as session:
            settled = _settle(session, services, episode, judged, by)
            if episode.phase == Phase.FAILED:
                # Nobody could read its tokens before.
                add_lines(session, judged.token_lines(attempt.runner, episode.id, attempt.id, services.now()))
            return settled


def _scorable(services: Services, session: Session, episode: EpisodeRow) -> AttemptRow:
    """The attempt whose artifacts are the episode's."""
    scored = episode.phase == Phase.DONE or (
        episode.phase == Phase.FAILED and episode.end_reason == EndReason.SCORING_FAILED
    )
    if episode.kind != EpisodeKind.EPISODE or not scored or episode.attempt_id is None:
        why = f", {episode.end_reason}" if episode.end_reason else ""
        raise Conflict(
            f"{episode.kind} {episode.id} cannot be scored again: it is {episode.phase}{why}",
            "only episodes can that are DONE, or FAILED as scoring-failed",
        )
    if not attempt_folder(services.settings.home, episode.attempt_id).is_dir():
        raise Conflict(
            f"the artifacts of {episode.id} are not here any more",
            f"try it afresh: `matins episode retry {episode.id}`",
        )
    return session.get_one(AttemptRow, episode.attempt_id)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Two scorings at once would write the same drafts; the kernel frees the lock if a process dies."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict(f"{folder.name} is being scored at this moment", "wait for that") from None
    finally:
        os.close(handle)


def _settle(
    session: Session, services: Services, seen: EpisodeRow, judged: Judged, by: str
) -> tuple[EpisodeRow, CampaignRow]:
    reason = str(judged.verdict.reason)
    before = {"phase": seen.phase, "reason": seen.end_reason, **_compared(seen.result or {})}
    after = {"phase": str(Phase.DONE), "reason": reason, **_compared(judged.summary)}
    ended = {"phase_since": seen.phase_since, "ended_at": seen.ended_at}
    cost = settled_cost(session, seen.id)
    result = {**judged.summary, **({"cost": cost} if cost else {})}
    moved = move_episode(
        session,
        seen.id,
        Event.RESCORE,
        phase=Phase(seen.phase),
        fence=seen.fence,
        now=services.now(),
        values={"end_reason": reason, "detail": "", "result": result, **ended},
        data={"by": by, "before": before, "after": after},
    )
    if not moved:
        raise Conflict(f"episode {seen.id} was changed meanwhile", "look at it, and score it again if need be")
    return find_episode(session, seen.id)


def _compared(result: dict[str, Any]) -> dict[str, Any]:
    return {key: result.get(key) for key in COMPARED}
