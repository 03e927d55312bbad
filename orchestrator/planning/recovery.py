"""What follows when an attempt ends without a verdict: another attempt, or the end of the episode."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.domain.actions import EndCancelled, GiveUp, Retry
from orchestrator.domain.episode import Attempt, Episode
from orchestrator.domain.reasons import EndReason, meaning
from orchestrator.planning.policy import Policy


def after_failure(
    episode: Episode, attempt: Attempt, reason: EndReason, detail: str, policy: Policy, now: datetime
) -> Retry | GiveUp | EndCancelled:
    """A retry only where the table of reasons has one and an attempt is left; each attempt has its own fence, so the
    fence counts them."""
    if episode.cancel_requested:
        return EndCancelled(episode_id=episode.id, attempt_id=attempt.id)
    retry = meaning(reason).retry
    if retry is not None and attempt.fence < policy.attempts_max:
        wait = timedelta(seconds=retry.pause_s(attempt.fence))
        return Retry(episode_id=episode.id, attempt_id=attempt.id, reason=reason, detail=detail, not_before=now + wait)
    return GiveUp(episode_id=episode.id, attempt_id=attempt.id, reason=reason, detail=detail)
