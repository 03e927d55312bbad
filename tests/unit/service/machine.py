"""Everything that can happen to a service and two runners, as rules that Hypothesis puts into any order."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlmodel import select

from orchestrator.domain.actions import Action
from orchestrator.domain.phases import ENDED
from orchestrator.errors import Conflict, LinkError, LinkRefused
from orchestrator.machines.fake import FakeAttempt
from orchestrator.planning.plan import plan
from orchestrator.service.again import retry
from orchestrator.store.acceptance import forget_refusals
from orchestrator.store.asking import ask
from orchestrator.store.commit import commit
from orchestrator.store.fleet import load_fleet
from orchestrator.store.record import record_report
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, RunnerRow
from runner_agent.protocol import LaunchSpec, ReportRequest
from tests.unit.service.leavings import Leavings, broke_down, leavings
from tests.unit.service.rig import LIVING, POINTS, VERBS, Rig, Toy

EPISODES_MAX = 4
PAST_ITS_CLAIM_S = 3601.0
ID_CHARS = 12
RUNNERS = ("a", "b")
runners = st.sampled_from(RUNNERS)
verbs = st.sampled_from(("launch", "grade", "cancel", "pull", "acknowledge", "report", "hello"))
any_of = st.integers(0, 11)
"""Which of some things: the place, around and around."""


class Happenings(RuleBasedStateMachine):
    toy: Toy

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=self.toy.folder))
        self.rig = Rig(self.toy, self.folder, runners=RUNNERS, slots=1)
        self.submitted: list[str] = []
        self.plans: list[tuple[Action, ...]] = []
        self.reports: list[Callable[[], None]] = []
        self.excused: set[str] = set()
        self.torn: set[str] = set()
        self.boots = 0

    def finally_remove(self) -> None:
        shutil.rmtree(self.folder)

    # What users do.

    @initialize(
        accepted=st.booleans(),
        beats=st.integers(0, 3),
        frozen=st.sampled_from(("pull", "launch", "")),
        lost=st.sampled_from(("launch", "pull", "report", "")),
    )
    def two_episodes_are_under_way(self, accepted: bool, beats: int, frozen: str, lost: str) -> None:
        self.submitted += self._named(self.rig.submit_accepted(count=2) if accepted else self.rig.submit(count=2))
        if frozen:
            self.a_process_freezes_in_a_call_and_goes_on_after_its_claim(verb=frozen, which=beats)
        if lost:
            for runner in RUNNERS:
                self.an_answer_is_lost(runner, lost)
        for _ in range(beats):
            self.rig.beat(2)

    @precondition(lambda self: len(self.submitted) < EPISODES_MAX)
    @rule()
    def submit(self) -> None:
        self.rig.clock.advance(1)
        self.submitted += self._named(self.rig.submit())

    @rule(which=any_of)
    def cancel(self, which: int) -> None:
        if open_ones := sorted(row.id for row in self.rig.rows(EpisodeRow) if row.phase not in ENDED):
            self.rig.cancel(open_ones[which % len(open_ones)])

    @rule(which=any_of)
    def try_afresh(self, which: int) -> None:
        over = sorted(row.id for row in self.rig.rows(EpisodeRow) if row.phase in ENDED and row.kind == "episode")
        if over and len(self.submitted) < EPISODES_MAX:
            try:
                new, _ = retry(self.rig.services, over[which % len(over)], "ada")
            except Conflict:
                return
            self.submitted += self._named([new.id])

    @rule(runner=runners)
    def declare_dead(self, runner: str) -> None:
        self.excused |= {row.id for row in self.rig.rows(AttemptRow) if row.runner == runner}
        self.rig.declare_dead(runner)

    @rule(runner=runners)
    def take_back(self, runner: str) -> None:
        self.rig.take_back(runner)

    # What the service does, in whatever order.

    @rule()
    def tick(self) -> None:
        self.rig.tick()

    @rule(runner=runners)
    def observe(self, runner: str) -> None:
        self.rig.observe(runner)

    @rule(which=any_of)
    def perform_any_due_act(self, which: int) -> None:
        if due := self.rig.due():
            self.rig.perform(due[which % len(due)])

    @rule(which=any_of, keep=st.booleans())
    def answer_any_bell_once_or_again(self, which: int, keep: bool) -> None:
        rung = self.rig.bell.rung
        if rung:
            chosen = rung.pop(which % len(rung))
            rung[:0] = [chosen, chosen] if keep else [chosen]
            self.rig.answer_one()

    @rule()
    def every_bell_is_lost(self) -> None:
        self.rig.bell.rung.clear()

    @rule(beats=st.integers(1, 4), working=st.booleans())
    def all_is_quiet_for_some_beats(self, beats: int, working: bool) -> None:
        self.rig.leave = self.rig.prove = leavings
        for _ in range(beats):
            self.rig.beat(8)
            if working:
                self.rig.work()

    @rule(seconds=st.sampled_from((1, 61, 301, 6 * 3600)))
    def time_passes(self, seconds: int) -> None:
        self.rig.clock.advance(seconds)

    @rule()
    def a_tick_is_held_up_after_planning(self) -> None:
        with self.rig.store.reading() as session:
            self.plans.append(plan(load_fleet(session), self.rig.services.policy, self.rig.clock()))

    @precondition(lambda self: self.plans)
    @rule()
    def and_goes_on(self) -> None:
        for action in self.plans.pop(0):
            with self.rig.store.writing() as session:
                commit(session, action, self.rig.clock())

    @rule(runner=runners)
    def an_observation_is_held_up(self, runner: str) -> None:
        with self.rig.store.reading() as session:
            asked = ask(session, runner)
        try:
            report = self.rig.runners[runner].report(ReportRequest(cursors=asked.cursors))
        except LinkError:
            return

        def record() -> None:
            with self.rig.store.writing() as session:
                record_report(session, runner, report, asked, self.rig.clock())

        self.reports.append(record)

    @precondition(lambda self: self.reports)
    @rule()
    def and_is_recorded_late(self) -> None:
        for record in self.reports:
            record()
        self.reports.clear()

    # What runners and agents do.

    @rule(which=any_of, end=st.sampled_from(("fine", "build", "sandbox", "torn", "ungraded")))
    def an_attempt_exits(self, which: int, end: str) -> None:
        if living := self.living():
            attempt_id = living[which % len(living)]
            self.rig.leave = self.rig.prove = lambda spec: left(spec, end)
            self.rig.exit(attempt_id)
            known = self.rig.runner_of(attempt_id).attempts[attempt_id]
            if end == "torn":
                self.torn.add(attempt_id)
                known.files["diff.patch"] = b"other"
            if end == "ungraded" and known.checks is None:
                files = {name: data for name, data in known.files.items() if name != "RUNNER_SHA256SUMS"}
                self.rig.runner_of(attempt_id).finish(attempt_id, files, gradable=True)

    @rule()
    def every_attempt_does_its_next_step(self) -> None:
        self.rig.leave = self.rig.prove = leavings
        self.rig.work()

    @rule(which=any_of)
    def a_supervisor_dies(self, which: int) -> None:
        if living := self.living():
            attempt_id = living[which % len(living)]
            self.rig.runner_of(attempt_id).die(attempt_id)

    @rule(runner=runners)
    def a_runner_reboots(self, runner: str) -> None:
        self.boots += 1
        self.rig.runners[runner].reboot(f"another-boot-{self.boots}")

    @rule(runner=runners, version=st.integers(1, 2))
    def a_runner_has_other_drivers(self, runner: str, version: int) -> None:
        self.rig.update_drivers(runner, f"radv 25.0.{version}")

    @rule(which=any_of)
    def a_folder_is_lost(self, which: int) -> None:
        names = sorted((known.status.episode_id, known.status.fence, name) for name, known in self.known().items())
        if names:
            *_, attempt_id = names[which % len(names)]
            self.torn.add(attempt_id)
            self.rig.runner_of(attempt_id).lose(attempt_id)

    # What goes wrong between them.

    @rule(runner=runners)
    def a_link_fails(self, runner: str) -> None:
        self.rig.cut(runner)

    @rule(runner=runners)
    def a_link_heals(self, runner: str) -> None:
        self.rig.runners[runner].unreachable = ""

    @rule(runner=runners)
    def the_next_launch_is_delayed(self, runner: str) -> None:
        self.rig.wires[runner].delayed += 1

    @rule(runner=runners)
    def delayed_launches_arrive(self, runner: str) -> None:
        self.rig.wires[runner].deliver()

    @rule(runner=runners, verb=verbs)
    def an_answer_is_lost(self, runner: str, verb: str) -> None:
        self.rig.wires[runner].after.setdefault(verb, []).append(LinkError("the answer was lost"))

    @rule(runner=runners, verb=verbs, times=st.sampled_from((1, 7)))
    def a_runner_has_a_fault_of_its_own(self, runner: str, verb: str, times: int) -> None:
        faults = self.rig.wires[runner].before.setdefault(verb, [])
        faults += [LinkRefused("runner-fault", "no space left on device")] * times

    @rule(verb=st.sampled_from(("launch", "pull", "grade")), which=any_of)
    def a_process_freezes_in_a_call_and_goes_on_after_its_claim(self, verb: str, which: int) -> None:
        def others_go_on() -> None:
            self.rig.clock.advance(PAST_ITS_CLAIM_S)
            if which % 3 == 1:
                self.a_supervisor_dies(which)
            for _ in range(2):
                self.rig.beat(20)
                self.rig.work()

        for wire in self.rig.wires.values():
            wire.after.setdefault(verb, []).append(others_go_on)

    @rule(kind=st.sampled_from((*VERBS, "score")), point=st.sampled_from(POINTS))
    def the_process_will_die(self, kind: str, point: str) -> None:
        if kind in VERBS or "call" not in point:
            self.rig.doom[kind] = point

    @rule(alone=st.booleans())
    def another_process_takes_over(self, alone: bool) -> None:
        self.rig.restart(alone)

    # What there is.

    def known(self) -> dict[str, FakeAttempt]:
        return {name: known for runner in self.rig.runners.values() for name, known in runner.attempts.items()}

    def living(self) -> list[str]:
        living = [known.status for known in self.known().values() if known.status.phase in LIVING]
        return [status.attempt_id for status in sorted(living, key=lambda said: (said.episode_id, said.fence))]

    def all_is_well_again(self) -> None:
        self.rig.heal()
        self.rig.restart()
        self.rig.leave = self.rig.prove = leavings
        with self.rig.store.writing() as session:
            for row in session.exec(select(CampaignRow)).all():
                forget_refusals(session, row.id)
        self.plans.clear()
        for name, wire in self.rig.wires.items():
            wire.delayed = 0
            wire.deliver()
            row = next(row for row in self.rig.rows(RunnerRow) if row.name == name)
            if row.service != "IN_SERVICE" or row.health == "QUARANTINED":
                self.rig.take_back(name)

    def _named(self, new: list[str]) -> list[str]:
        """Names in the order of submission: the planner goes by ids, and chance must not decide what happens next."""
        new += [row.id for row in self.rig.preflights() if len(row.id) == ID_CHARS]
        names = {old: f"e{len(self.submitted)}-{place}" for place, old in enumerate(new)}
        self.rig.rename(names)
        return list(names.values())


def left(spec: LaunchSpec, end: str) -> Leavings:
    results: dict[str, Any] = {"build": "failed"} if end == "build" else {}
    return broke_down(spec, "SANDBOX_UNAVAILABLE: none") if end == "sandbox" else leavings(spec, **results)
