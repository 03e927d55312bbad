"""Which conditions hold now. Pure: all that it looks at is in `Seen`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.conditions import Condition
from orchestrator.domain.device import Device, Health
from orchestrator.domain.episode import Acceptance, Attempt, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.reasons import MEANINGS, EndReason
from orchestrator.domain.runner import Power, Runner, Service

WAKES_FAILED_MOST = 2
"""In a row: a single one happens on a sound machine."""

STALLED_S, STILL_S, LONG_S = 900.0, 300.0, 6 * 3600.0
"""Somebody has waited for so long, nothing is under way, and nothing was launched or ended for a while: between two
episodes there is a moment without one. Whoever waits for LONG_S waits too long whatever goes on."""

SILENT_FOR_S = 3600.0
"""After its last silent episode an instrument is no news any more, if no valid one ended before that."""

DISK_CLEAR_FACTOR = 1.2
"""A disk that was nearly full is told to be well again only with a margin, or it would be told again and again."""

SILENT = frozenset(
    {
        EndReason.MARKER_MISSING,
        EndReason.NO_THROUGHPUT,
        EndReason.NO_DISPATCHES,
        EndReason.STALE_BINARY,
        EndReason.BASELINE_SMOKE_FAILED,
    }
)
DRIFTED = "it drifted"
"""How the reason of such a quarantine begins (`service.drift`)."""

HOME = "MATINS_HOME"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An episode that has ended and of which nobody has been told. `reason` is empty where it has none."""

    id: str
    kind: EpisodeKind
    campaign: str
    agent: str
    submitter: str
    reason: str
    detail: str
    valid: bool
    at: datetime
    acceptance: Acceptance = Acceptance.ACCEPTED
    acceptance_detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Disk:
    free_bytes: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What an operator set. `submitter`: whose episodes are told of; empty: everybody's. `usd_per_signal`: 0: none."""

    disk_free_min_ratio: float = 0.1
    usd_per_signal: float = 0.0
    submitter: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """`disks`: by runner, and of HOME; `silent`: by campaign, when an episode of it was last silent, of those for which
    that still lasts; `lasting`: the keys of what lasts; `last_launch_at`: of any attempt; `usd_per_signal`: of the
    last day; None: there was no signal, or nobody counted."""

    now: datetime
    fleet: FleetState
    ended: tuple[Ended, ...] = ()
    disks: Mapping[str, Disk] = field(default_factory=dict[str, Disk])
    silent: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    lasting: Collection[str] = ()
    last_launch_at: datetime | None = None
    usd_per_signal: float | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """A condition holds, or happened, `about` whom (a runner, a campaign, an episode). `at`: its newest cause, where it
    lasts for a while after that."""

    condition: Condition
    about: str
    says: str
    at: datetime | None = None

    @property
    def key(self) -> str:
        """The same for as long as it is the same."""
        return f"{self.condition}:{self.about}" if self.about else str(self.condition)


def find(seen: Seen, bounds: Bounds) -> tuple[Found, ...]:
    """Each key once."""
    found = (
        *_runners(seen.fleet),
        *_queue(seen),
        *_silent(seen),
        *_disks(seen, bounds),
        *_cost(seen, bounds),
        *_refused(seen),
        *_ends(seen, bounds),
    )
    return tuple({each.key: each for each in found}.values())


def unsaid(seen: Seen) -> frozenset[Condition]:
    """Conditions of which nobody can say now whether they hold: what lasted goes on."""
    return frozenset({Condition.COST_HIGH} if seen.usd_per_signal is None else ())


def _runners(fleet: FleetState) -> Iterator[Found]:
    for runner in sorted(fleet.runners, key=lambda runner: runner.name):
        if runner.service is Service.RETIRED:
            continue
        facts = fleet.power.get(runner.name)
        if facts is not None and len(facts.failures) >= WAKES_FAILED_MOST:
            last = facts.failures[-1]
            why = last.reason or f"stage {last.failed_stage} did not come"
            says = f"{runner.name} failed to wake {len(facts.failures)} times in a row; the last time: {why}"
            yield Found(condition=Condition.WAKE_FAILING, about=runner.name, says=says)
        if runner.health is Health.QUARANTINED:
            yield _quarantined(runner.name, runner.name, runner.detail)
        else:
            yield from (
                _quarantined(f"{runner.name}/{device.uuid}", _of(device, runner), device.detail)
                for device in runner.devices
                if device.health is Health.QUARANTINED
            )


def _of(device: Device, runner: Runner) -> str:
    return f"{device.gpu.name} of {runner.name}"


def _quarantined(about: str, who: str, why: str) -> Found:
    condition = Condition.THROUGHPUT_DRIFTED if why.startswith(DRIFTED) else Condition.RUNNER_QUARANTINED
    return Found(condition=condition, about=about, says=f"{who} is quarantined: {why or 'no reason was given'}")


def _queue(seen: Seen) -> Iterator[Found]:
    waiting = [
        one
        for one in seen.fleet.queued
        if one.kind is EpisodeKind.EPISODE and not one.cancel_requested and (one.not_before or seen.now) <= seen.now
    ]
    if not waiting:
        return
    oldest = min(waiting, key=lambda one: (one.submitted_at, one.id))
    waits_s = (seen.now - oldest.submitted_at).total_seconds()
    if waits_s < STALLED_S or (waits_s < LONG_S and _moves(seen)):
        return
    many = f"{len(waiting)} episodes wait" if len(waiting) > 1 else "An episode waits"
    says = f"{many}, the first for {waits_s / 60:.0f} minutes; `matins episode explain {oldest.id}` says why"
    yield Found(condition=Condition.QUEUE_STALLED, about="", says=says)


def _moves(seen: Seen) -> bool:
    fleet = seen.fleet
    moments = [seen.last_launch_at, *(facts.busy_until for facts in fleet.power.values())]
    newest = max((at for at in moments if at is not None), default=None)
    lately = newest is not None and newest > seen.now - timedelta(seconds=STILL_S)
    return lately or any(_goes_on(attempt, fleet) for attempt in fleet.attempts)


def _goes_on(attempt: Attempt, fleet: FleetState) -> bool:
    runner = fleet.runner.get(attempt.runner)
    return attempt.ended is None and runner is not None and runner.power is not Power.UNREACHABLE


def _silent(seen: Seen) -> Iterator[Found]:
    """By campaign, if its newest word is silence: what it said before, or an hour ago, is of no matter."""
    last: dict[str, tuple[datetime, str]] = {campaign: (at, "") for campaign, at in seen.silent.items()}
    for one in sorted(seen.ended, key=lambda one: (one.at, one.id)):
        if one.kind is not EpisodeKind.EPISODE:
            continue
        if one.reason in SILENT:
            last[one.campaign] = (one.at, one.id)
        elif one.valid:
            last.pop(one.campaign, None)
    for campaign, (at, episode_id) in sorted(last.items()):
        if seen.now - at < timedelta(seconds=SILENT_FOR_S):
            example = f" (episode {episode_id})" if episode_id else ""
            says = (
                f"An instrument of campaign {campaign} did not fire{example}: money was spent, and there is no signal"
            )
            yield Found(condition=Condition.INSTRUMENT_SILENT, about=campaign, says=says, at=at)


def _disks(seen: Seen, bounds: Bounds) -> Iterator[Found]:
    for name, disk in sorted(seen.disks.items()):
        runner = seen.fleet.runner.get(name)
        if disk.size_bytes <= 0 or (runner is not None and runner.service is Service.RETIRED):
            continue
        was = f"{Condition.DISK_FILLING}:{name}" in seen.lasting
        ratio = disk.free_bytes / disk.size_bytes
        if ratio < bounds.disk_free_min_ratio * (DISK_CLEAR_FACTOR if was else 1.0):
            says = f"The disk of {name} has {ratio:.0%} free ({disk.free_bytes / 2**30:.1f} GiB)"
            yield Found(condition=Condition.DISK_FILLING, about=name, says=says)


def _cost(seen: Seen, bounds: Bounds) -> Iterator[Found]:
    spent = seen.usd_per_signal
    if bounds.usd_per_signal and spent is not None and spent > bounds.usd_per_signal:
        says = f"A signal of the last 24 hours cost {spent:.2f} USD; the bound is {bounds.usd_per_signal:.2f}"
        yield Found(condition=Condition.COST_HIGH, about="", says=says)


def _refused(seen: Seen) -> Iterator[Found]:
    """By the preflight: a campaign that is submitted again has another, which may refuse it again."""
    for one in seen.ended:
        if one.kind is EpisodeKind.PREFLIGHT and one.acceptance is Acceptance.REFUSED:
            says = f"Campaign {one.campaign} was refused at preflight: {one.acceptance_detail}"
            yield Found(condition=Condition.CAMPAIGN_REFUSED, about=one.id, says=says)


def _ends(seen: Seen, bounds: Bounds) -> Iterator[Found]:
    """What somebody cancelled has ended, and has not failed; what its campaign's refusal ended is told with that."""
    for one in seen.ended:
        if one.kind is not EpisodeKind.EPISODE or (bounds.submitter and one.submitter != bounds.submitter):
            continue
        says = f"Episode {one.id} of {one.campaign} by {one.agent} {_how(one)}"
        yield Found(condition=Condition.EPISODE_ENDED, about=one.id, says=says)
        if not one.valid and one.reason not in (EndReason.CANCELLED, EndReason.CAMPAIGN_REFUSED):
            yield Found(condition=Condition.EPISODE_FAILED, about=one.id, says=says)


def _how(one: Ended) -> str:
    if one.reason not in set(EndReason):
        return "ended"
    says = MEANINGS[EndReason(one.reason)].says
    return f"is a signal: {says}" if one.valid else f"is no signal, {one.reason}: {one.detail or says}"
