"""A fleet on a virtual clock, moved by the planner's own functions and by nothing else.

Deterministic: the same workload and policy give the same run. A rule that is broken, such as an episode on a machine
that sleeps, ends it with an AssertionError.
"""

from __future__ import annotations

import heapq
import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.actions import Assign, BeginCollect, BeginLaunch, GiveUp, Retry
from orchestrator.domain.episode import Attempt, Episode
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import EndSuspend, EndWake, LetSleep, Quarantine, Readmit, Wake
from orchestrator.domain.runner import Health, Operation, Power
from orchestrator.planning.plan import next_acts
from orchestrator.planning.policy import Policy
from orchestrator.planning.power import plan_power
from orchestrator.planning.power_policy import PowerPolicy
from runner_agent.protocol import AttemptStatus
from tests.simulation.machine import GOES_DOWN_S, Machine
from tests.simulation.workload import START, Job, Workload

BEAT_S = 30
"""Plans are made on this grid, and only when something happened or may be due."""

QUIET_S = 120
COLLECT_S = 20.0


@dataclass(kw_only=True)
class Outcome:
    """`megajoules` over the whole span; `floor_mj` what of that machines draw with an episode on them, and asleep
    otherwise: no idling, and wakes that cost nothing. Waits in seconds from submission to start."""

    megajoules: float = 0.0
    floor_mj: float = 0.0
    waits_s: list[float] = field(default_factory=list)
    done: int = 0
    failed: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    plan_ms: list[float] = field(default_factory=list)

    @property
    def wait_mean_s(self) -> float:
        return statistics.fmean(self.waits_s)

    @property
    def wait_p95_s(self) -> float:
        return statistics.quantiles(self.waits_s, n=20)[-1]


class Fleet:
    """The world and its clock."""

    def __init__(self, workload: Workload, policy: PowerPolicy, seed: int, *, awake: bool) -> None:
        # A die for each machine, so that one more wake of one does not change the luck of all others.
        self.machines = {
            runner.name: Machine(runner=runner, hidden=hidden, dice=random.Random(f"{seed} {runner.name}"))
            for runner, hidden in workload.machines
        }
        for machine in self.machines.values() if awake else ():
            machine.runner = replace(machine.runner, power=Power.AWAKE)
            machine.facts = replace(machine.facts, asleep_since=None, awake_since=START)
        self.campaigns, self.policy = workload.campaigns, policy
        self.jobs: dict[str, Job] = {job.episode.id: job for job in workload.jobs}
        self.episodes: dict[str, Episode] = {}
        self.attempts: dict[str, Attempt] = {}
        self.outcome = Outcome()
        self.now = START
        self._order = itertools.count()
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        for job in workload.jobs:
            self._at(job.episode.submitted_at, self._submitter(job.episode))

    def run(self, until: datetime) -> Outcome:
        while self.now < until:
            self._pass_time()
            self._plan()
            self.now = min(until, self._next_beat())
        for machine in self.machines.values():
            machine.meter(until)
            self.outcome.megajoules += machine.joules / 1e6
            self.outcome.floor_mj += machine.floor_joules / 1e6
        return self.outcome

    def _next_beat(self) -> datetime:
        """The next beat after something happens, or after a while in which a limit may have passed."""
        quiet = self.now + timedelta(seconds=QUIET_S)
        due = min(self._events[0][0], quiet) if self._events else quiet
        beats = max(1, -(-(due - self.now) // timedelta(seconds=BEAT_S)))
        return self.now + beats * timedelta(seconds=BEAT_S)

    def _at(self, when: datetime, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), what))

    def _pass_time(self) -> None:
        beat = self.now
        while self._events and self._events[0][0] <= beat:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        self.now = beat

    def _plan(self) -> None:
        runners = tuple(machine.runner for machine in self.machines.values())
        fleet = FleetState(
            runners=runners,
            episodes=tuple(self.episodes.values()),
            attempts=tuple(self.attempts.values()),
            campaigns=self.campaigns,
        )
        facts = {name: machine.facts for name, machine in self.machines.items()}
        begun = time.process_time()
        actions = (*next_acts(fleet, Policy(), self.now), *plan_power(fleet, facts, self.policy, self.now))
        self.outcome.plan_ms.append((time.process_time() - begun) * 1000)
        for action in actions:
            self.outcome.actions[type(action).__name__] += 1
            self._do(action)
        assigned = tuple(one for one in self.episodes.values() if one.phase is Phase.ASSIGNED)
        for action in next_acts(replace(fleet, episodes=assigned, attempts=()), Policy(), self.now):
            self._do(action)

    def _do(self, action: object) -> None:
        match action:
            case Assign():
                episode = self.episodes[action.episode_id]
                assert episode.phase is Phase.QUEUED
                self._put(replace(episode, phase=Phase.ASSIGNED, runner=action.runner))
            case BeginLaunch():
                self._launch(action)
            case BeginCollect():
                self._put(replace(self.episodes[action.episode_id], phase=Phase.COLLECTING))
                self._at(self.now + timedelta(seconds=COLLECT_S), self._collector(action))
            case Retry():
                episode = replace(self.episodes[action.episode_id], phase=Phase.QUEUED, runner=None, attempt_id=None)
                self._put(replace(episode, not_before=action.not_before, end_reason=action.reason))
                del self.attempts[action.attempt_id]
            case GiveUp():
                self.outcome.failed += 1
                del self.episodes[action.episode_id]
                self.attempts.pop(action.attempt_id or "", None)
            case Wake():
                machine = self.machines[action.runner]
                record = machine.wake(action, self.now)
                self._at(record.ended_at, lambda: machine.woke(record, self.now))
            case LetSleep():
                machine = self.machines[action.runner]
                assert machine.used == 0 and machine.runner.power is Power.AWAKE
                machine.suspend(self.now)
                self._at(self.now + timedelta(seconds=GOES_DOWN_S), lambda: machine.slept(self.now))
            case Quarantine():
                self._judge(action.runner, Health.QUARANTINED, action.reason)
            case Readmit():
                self._judge(action.runner, Health.GOOD, "")
            case EndWake() | EndSuspend():
                raise AssertionError(f"nobody was late: {action}")
            case _:
                raise AssertionError(f"nothing here asks for {action}")

    def _judge(self, name: str, health: Health, detail: str) -> None:
        machine = self.machines[name]
        bad = health is Health.QUARANTINED
        machine.runner = replace(machine.runner, health=health, detail=detail)
        machine.facts = replace(machine.facts, quarantined_since=self.now if bad else None, by_wakes=bad)

    def _launch(self, action: BeginLaunch) -> None:
        machine, job = self.machines[action.runner], self.jobs[action.episode_id]
        assert machine.runner.power is Power.AWAKE and machine.runner.operation is Operation.NONE
        machine.take(self.now)
        assert machine.used <= machine.runner.agent_slots
        attempt_id = f"{action.episode_id}-{action.fence}"
        status = AttemptStatus(attempt_id=attempt_id, episode_id=action.episode_id, fence=action.fence, phase="running")
        episode = replace(self.episodes[action.episode_id], phase=Phase.RUNNING, fence=action.fence)
        self._put(replace(episode, attempt_id=attempt_id))
        self.attempts[attempt_id] = Attempt(
            id=attempt_id,
            episode_id=episode.id,
            runner=action.runner,
            fence=action.fence,
            created_at=self.now,
            status=status,
        )
        if action.fence == 1:
            self.outcome.waits_s.append((self.now - episode.submitted_at).total_seconds())
        dies = job.dies and action.fence == 1
        takes_s = job.takes_s * (0.5 if dies else 1.0)
        self._at(self.now + timedelta(seconds=takes_s), self._ender(attempt_id, "dead" if dies else "exited"))

    def _ender(self, attempt_id: str, phase: str) -> Callable[[], None]:
        def end() -> None:
            attempt = self.attempts[attempt_id]
            assert attempt.status is not None
            self.attempts[attempt_id] = replace(attempt, status=replace(attempt.status, phase=phase))
            self.machines[attempt.runner].give_back(self.now)

        return end

    def _collector(self, action: BeginCollect) -> Callable[[], None]:
        def collected() -> None:
            attempt = self.attempts.pop(action.attempt_id)
            assert self.machines[attempt.runner].runner.power is Power.AWAKE
            del self.episodes[action.episode_id]
            self.outcome.done += 1

        return collected

    def _submitter(self, episode: Episode) -> Callable[[], None]:
        return lambda: self._put(episode)

    def _put(self, episode: Episode) -> None:
        self.episodes[episode.id] = episode
