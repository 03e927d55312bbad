"""Campaigns as far as planning needs them, episodes and their attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from orchestrator.domain.phases import Phase
from orchestrator.domain.reasons import EndReason
from runner_agent.protocol import AttemptStatus

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class EpisodeKind(StrEnum):
    """An episode has an agent; a preflight walks the same stages on the untouched base to show what the campaign's
    checks and instruments do there; a canary does so on one machine to show what that machine does with them."""

    EPISODE = "episode"
    PREFLIGHT = "preflight"
    CANARY = "canary"


class Acceptance(StrEnum):
    """Whether a campaign's preflight has shown that its instruments fire and that no item passes on its base."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class CampaignFacts:
    """What planning knows of a campaign. `needs_*` come from its `[requires]`."""

    id: str
    name: str
    acceptance: Acceptance = Acceptance.ACCEPTED
    acceptance_detail: str = ""
    needs_tags: tuple[str, ...] = ()
    needs_vram_bytes: int = 0
    submitted_at: datetime = LONG_AGO


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One episode. `fence` is that of its newest attempt (0 before the first); `attempt_id` names the one in force.
    `avoids`: runners on which an attempt of it ended for a reason that is to be retried elsewhere. `pinned_runner`,
    `pinned_gpu`: where alone a canary may run, or a preflight that is to prove the campaign on one more machine."""

    id: str
    campaign_id: str
    kind: EpisodeKind
    agent: str
    phase: Phase
    phase_since: datetime
    submitted_at: datetime
    priority: int = 0
    submitter: str = ""
    fence: int = 0
    runner: str | None = None
    attempt_id: str | None = None
    avoids: frozenset[str] = frozenset()
    cancel_requested: bool = False
    not_before: datetime | None = None
    end_reason: EndReason | None = None
    detail: str = ""
    pinned_runner: str = ""
    pinned_gpu: str = ""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at an episode on one runner, on its device `gpu` (a deviceUUID; empty: any of them). `status` is what
    the runner last said of it; None before it said anything. `reported_boot_id` is the boot of the newest report that
    was asked for once that was known, `gone` whether it said that nothing of the attempt is left. `requested` holds
    the kinds of act that were committed for it, `finished` those of them that are over. `failure` is what an act or an
    operator found that ends the attempt without a verdict; the planner decides what follows. `ended` is set once, when
    that is settled."""

    id: str
    episode_id: str
    runner: str
    fence: int
    created_at: datetime
    gpu: str = ""
    status: AttemptStatus | None = None
    reported_boot_id: str = ""
    gone: bool = False
    requested: frozenset[str] = frozenset()
    finished: frozenset[str] = frozenset()
    failure: EndReason | None = None
    failure_detail: str = ""
    ended: EndReason | None = None
