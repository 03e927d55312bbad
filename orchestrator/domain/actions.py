"""What a plan consists of. An action names what was read (phase, fence), so that its commit can be guarded by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from orchestrator.domain.power import PowerAction
from orchestrator.domain.reasons import EndReason

Clearing = Literal["cancel", "salvage", "acknowledge"]


@dataclass(frozen=True, kw_only=True)
class Assign:
    """Lease a slot of `runner` to the episode."""

    episode_id: str
    runner: str


@dataclass(frozen=True, kw_only=True)
class Release:
    """Give the slot back: the runner cannot take the episode any more, and nothing of it has started."""

    episode_id: str
    runner: str


@dataclass(frozen=True, kw_only=True)
class BeginLaunch:
    """Commit a new attempt with the next fence, then launch it. `gpu`: the deviceUUID that it is for; empty: any."""

    episode_id: str
    runner: str
    fence: int
    gpu: str = ""


@dataclass(frozen=True, kw_only=True)
class SendChecks:
    """The attempt waits for the hidden checks, and its agent's processes are gone."""

    attempt_id: str


@dataclass(frozen=True, kw_only=True)
class SendCancel:
    """Tell the runner that the attempt is no longer wanted."""

    attempt_id: str


@dataclass(frozen=True, kw_only=True)
class BeginCollect:
    """The attempt has ended on its runner: pull its artifacts."""

    episode_id: str
    attempt_id: str


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Settle the attempt with `reason` and queue the episode again, not before `not_before`."""

    episode_id: str
    attempt_id: str
    reason: EndReason
    detail: str
    not_before: datetime


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """End the episode without a verdict. `attempt_id` is None if none was in force."""

    episode_id: str
    attempt_id: str | None
    reason: EndReason
    detail: str


@dataclass(frozen=True, kw_only=True)
class EndCancelled:
    """The episode was cancelled, or `detail` says why nobody needs it, and nothing of it runs."""

    episode_id: str
    attempt_id: str | None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Clear:
    """What an attempt that is over in the database left on its runner is to go: one step of that."""

    attempt_id: str
    act: Clearing


@dataclass(frozen=True, kw_only=True)
class Forget:
    """Nothing of an attempt that is over is left on its runner."""

    attempt_id: str


@dataclass(frozen=True, kw_only=True)
class BeginCanary:
    """Queue a canary of `campaign_id` on `runner` and its device `gpu` (a deviceUUID; empty: any), there and nowhere
    else. `reason` says why it is due."""

    runner: str
    gpu: str
    campaign_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class BeginPreflight:
    """Queue a preflight of `campaign_id` on `runner`, there and nowhere else: its base is unproven there."""

    runner: str
    campaign_id: str


Action = (
    Assign
    | Release
    | BeginLaunch
    | SendChecks
    | SendCancel
    | BeginCollect
    | Retry
    | GiveUp
    | EndCancelled
    | Clear
    | Forget
    | BeginCanary
    | BeginPreflight
    | PowerAction
)
