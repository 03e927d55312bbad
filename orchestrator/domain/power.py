"""What planning knows of a machine's sleep, and the actions that move it. Joules and seconds of whole cycles are
derived from these, never stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from orchestrator.domain.wake import GpuNeed, SleepKind, WakeAttempt, WakeRecord, WakeStage

HISTORY_MAX = 64
"""Ended wakes that are looked at per runner, the newest."""


@dataclass(frozen=True, kw_only=True)
class PowerFacts:
    """Of one runner.

    `sleeps`: how it is put to sleep; None: it cannot be woken over the network, so it is never put to sleep.
    `wakes`: its ended wakes, `wake` the one under way. `busy_until` is when its last slot was given back, `awake_since`
    when it came up other than by a wake, such as when it was added; a runner that is out of reach for a while moves
    neither, so a blip does not look like activity. `asleep_since`, `suspending_since`: None if it is not.
    `stay_awake_until`: an operator or the machine's own interlock asked for that, `stay_awake_why` says who.
    `failures_since`: failed wakes before it are forgiven, as after `runner resume`. `quarantined_since` with `by_wakes`
    if it was quarantined for failed wakes, so that a proven wake may lift that.
    """

    runner: str
    sleeps: SleepKind | None = None
    wakes: tuple[WakeRecord, ...] = ()
    wake: WakeAttempt | None = None
    busy_until: datetime | None = None
    awake_since: datetime | None = None
    asleep_since: datetime | None = None
    suspending_since: datetime | None = None
    stay_awake_until: datetime | None = None
    stay_awake_why: str = ""
    failures_since: datetime | None = None
    quarantined_since: datetime | None = None
    by_wakes: bool = False

    @property
    def idle_since(self) -> datetime | None:
        """Since when it has been awake and no episode has held a slot; None while that is unknown."""
        moments = (self.busy_until, self.awake_since, *(record.ended_at for record in self.wakes if record.showed_life))
        return max((at for at in moments if at is not None), default=None)

    @cached_property
    def failures(self) -> tuple[WakeRecord, ...]:
        """The failed wakes since the last ready one, oldest first."""
        failed: list[WakeRecord] = []
        for record in sorted(self.wakes, key=lambda record: record.ended_at, reverse=True):
            forgiven = self.failures_since is not None and record.ended_at <= self.failures_since
            if record.ready or forgiven:
                break
            failed.append(record)
        return tuple(reversed(failed))


@dataclass(frozen=True, kw_only=True)
class Warmth:
    """Where the workspace of a base is warm: `base` of each campaign, and the runners that hold it."""

    base: dict[str, str] = field(default_factory=dict[str, str])
    runners: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])


@dataclass(frozen=True, kw_only=True)
class Wake:
    """Wake the runner and prove it within `deadline_s`. `episodes` are those it is woken for. As a `probe` it is woken
    to see whether it has recovered."""

    runner: str
    slept: SleepKind
    deadline_s: float
    waking: int
    gpu: GpuNeed = GpuNeed.ANY
    episodes: tuple[str, ...] = ()
    probe: bool = False


@dataclass(frozen=True, kw_only=True)
class EndWake:
    """The wake that began at `started_at` has passed its deadline, and whoever looked after it did not say so."""

    runner: str
    started_at: datetime
    failed_stage: WakeStage
    reason: str


@dataclass(frozen=True, kw_only=True)
class LetSleep:
    """Ask the machine to sleep; its own interlock may still refuse."""

    runner: str
    how: SleepKind
    reason: str


@dataclass(frozen=True, kw_only=True)
class EndSuspend:
    """The machine was asked to sleep at `since` and has neither refused nor fallen silent in time."""

    runner: str
    since: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class Quarantine:
    """Its wakes failed once too often; `stage` is the one that did not come last."""

    runner: str
    stage: WakeStage
    reason: str


@dataclass(frozen=True, kw_only=True)
class Readmit:
    """A proven wake after a quarantine for failed ones: health is UNKNOWN again, so that a canary decides."""

    runner: str
    reason: str


PowerAction = Wake | EndWake | LetSleep | EndSuspend | Quarantine | Readmit
