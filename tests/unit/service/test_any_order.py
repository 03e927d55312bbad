"""Any order of ticks, reports, acts, deaths and mishaps: no episode is lost, doubled or left without an end."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Phases
from hypothesis.stateful import invariant, run_state_machine_as_test

from orchestrator.domain.phases import ENDED, LEASED
from orchestrator.domain.reasons import EndReason, meaning
from orchestrator.planning.explain import explain
from orchestrator.store.account_tables import CostRow
from orchestrator.store.fleet import load_fleet
from orchestrator.store.tables import AcceptanceRow, AttemptRow, EpisodeRow, OutboxRow
from tests.unit.service.accounts import all_time_is_accounted, price, totals
from tests.unit.service.machine import Happenings
from tests.unit.service.rig import LIVING, Toy

EXAMPLES, STEPS = 12, 24


class AnyOrder(Happenings):
    """What holds after every step, and what is true once everything has healed."""

    def __init__(self) -> None:
        super().__init__()
        self.fences: dict[str, int] = {}
        self.over: dict[str, Any] = {}
        self.proven: set[str] = set()
        self.counted: dict[tuple[str, str], float] = {}
        price(self.rig)

    @invariant()
    def what_holds_at_every_moment(self) -> None:
        episodes, attempts, known = self.rig.rows(EpisodeRow), self.rig.rows(AttemptRow), self.known()
        self.no_submitted_episode_is_missing(episodes)
        self.one_attempt_lives_in_the_database(episodes, attempts)
        self.each_starts_once_and_none_beside_another(known)
        self.what_is_over_here_lives_nowhere(attempts, known)
        self.fences_rise_and_ends_are_final(episodes)
        self.no_result_without_its_artifacts(episodes, attempts)
        self.no_runner_holds_more_than_its_slots(episodes)
        self.one_canary_lives_per_machine(episodes)
        self.one_preflight_lives_per_campaign_and_machine(episodes)
        self.what_is_pinned_runs_there(episodes, attempts)
        self.no_episode_is_begun_where_its_campaign_is_unproven(episodes, attempts)
        self.no_counter_falls()

    def no_submitted_episode_is_missing(self, episodes: list[EpisodeRow]) -> None:
        assert sorted(self.submitted) == sorted(row.id for row in episodes if not row.pinned_runner)

    def one_attempt_lives_in_the_database(self, episodes: list[EpisodeRow], attempts: list[AttemptRow]) -> None:
        live = Counter(row.episode_id for row in attempts if row.ended is None)
        assert all(count == 1 for count in live.values())
        assert not {row.id for row in episodes if row.phase in ENDED} & set(live)

    def each_starts_once_and_none_beside_another(self, known: dict[str, Any]) -> None:
        assert all(count == 1 for count in self.rig.starts().values())
        running = [(name, each.status.episode_id) for name, each in known.items() if each.status.phase in LIVING]
        beside = Counter(episode_id for name, episode_id in running if name not in self.excused)
        assert all(count == 1 for count in beside.values())

    def what_is_over_here_lives_nowhere(self, attempts: list[AttemptRow], known: dict[str, Any]) -> None:
        """But on a machine that somebody declared dead: an attempt is never given up while it may run."""
        for row in attempts:
            if row.ended is not None and row.id not in self.excused and row.id in known:
                assert known[row.id].status.phase not in LIVING, row

    def fences_rise_and_ends_are_final(self, episodes: list[EpisodeRow]) -> None:
        for row in episodes:
            assert row.fence >= self.fences.get(row.id, 0)
            self.fences[row.id] = row.fence
            if row.phase in ENDED:
                how = (row.phase, row.end_reason, row.fence, row.attempt_id, row.ended_at, row.result is None)
                assert self.over.setdefault(row.id, how) == how
        for runner in self.rig.runners.values():
            started = [(known.status.episode_id, known.status.fence) for known in runner.attempts.values()]
            assert len(set(started)) == len(started)

    def no_result_without_its_artifacts(self, episodes: list[EpisodeRow], attempts: list[AttemptRow]) -> None:
        for row in episodes:
            if row.result is not None:
                assert (self.folder / "attempts" / str(row.attempt_id) / "SHA256SUMS").is_file()
        settled = {row.id: row.ended for row in attempts}
        for name, known in self.known().items():
            if known.acknowledged and known.spec is not None:
                assert (self.folder / "attempts" / name / "RUNNER_SHA256SUMS").is_file()
                assert settled[name], "the runner deleted what was not settled"

    def one_canary_lives_per_machine(self, episodes: list[EpisodeRow]) -> None:
        canaries = Counter(row.pinned_runner for row in episodes if row.kind == "canary" and row.phase not in ENDED)
        assert all(count == 1 for count in canaries.values())

    def one_preflight_lives_per_campaign_and_machine(self, episodes: list[EpisodeRow]) -> None:
        open_ones = [row for row in episodes if row.kind == "preflight" and row.phase not in ENDED]
        live = Counter((row.campaign_id, row.pinned_runner) for row in open_ones)
        assert all(count == 1 for count in live.values())

    def no_episode_is_begun_where_its_campaign_is_unproven(
        self, episodes: list[EpisodeRow], attempts: list[AttemptRow]
    ) -> None:
        """Drivers may change between a plan and its commit, so what counts is that it was proven there at all."""
        self.proven |= {row.runner for row in self.rig.rows(AcceptanceRow) if row.accepted}
        agents = {row.id for row in episodes if row.kind == "episode"}
        assert {row.runner for row in attempts if row.episode_id in agents} <= self.proven

    def no_counter_falls(self) -> None:
        counted = totals(self.rig)
        assert all(counted[name] >= value for name, value in self.counted.items())
        self.counted = counted

    def what_is_pinned_runs_there(self, episodes: list[EpisodeRow], attempts: list[AttemptRow]) -> None:
        pinned = {row.id: row.pinned_runner for row in episodes if row.pinned_runner}
        assert all(pinned.get(row.episode_id, row.runner) == row.runner for row in attempts)

    def no_runner_holds_more_than_its_slots(self, episodes: list[EpisodeRow]) -> None:
        leases = Counter(row.runner for row in episodes if row.phase in LEASED)
        assert all(count <= 1 for count in leases.values())

    def teardown(self) -> None:
        try:
            self.whoever_has_not_ended_says_why()
            self.all_is_well_again()
            self.rig.run(after_s=20)
            for _ in range(4):  # what does not verify is pulled again, ever more rarely
                self.rig.beat(61)
            self.everything_has_ended_and_nothing_is_left()
            self.all_of_it_is_in_the_ledger()
        finally:
            self.finally_remove()

    def whoever_has_not_ended_says_why(self) -> None:
        with self.rig.store.reading() as session:
            fleet = load_fleet(session)
        for episode in fleet.episodes:
            assert all(explain(fleet, episode, self.rig.clock()))

    def everything_has_ended_and_nothing_is_left(self) -> None:
        self.what_holds_at_every_moment()
        for row in self.rig.rows(EpisodeRow):
            assert row.phase in ENDED
            assert row.end_reason or row.kind == "preflight"
        assert not self.living()
        assert not self.rig.due()
        open_ones = {row.attempt_id for row in self.rig.rows(OutboxRow) if row.kind == "salvage" and not row.done_at}
        for row in self.rig.rows(AttemptRow):
            assert row.ended
            assert row.acknowledged_at or (row.id in open_ones and row.id in self.torn), row
        for name, known in self.known().items():
            assert known.acknowledged or name in self.torn, name

    def all_of_it_is_in_the_ledger(self) -> None:
        all_time_is_accounted(self.rig)
        assert all(row.costed for row in self.rig.rows(AttemptRow))
        wasted = sum(value for (metric, _), value in totals(self.rig).items() if metric == "matins_waste_usd")
        reasons = {row.id: row.ended for row in self.rig.rows(AttemptRow)}
        lines = [row for row in self.rig.rows(CostRow) if reasons.get(row.attempt_id)]
        lost = [row for row in lines if not meaning(EndReason(reasons[row.attempt_id])).signal]
        assert abs(wasted - sum(row.usd for row in lost)) < 1e-9


@pytest.mark.fault(1, 3, 4, 5, 8, 9, 12, 13, 17, 18, 19, 20)
@pytest.mark.usefixtures("told")
def test_any_order_of_events_ends_every_episode_once(the_toy: Toy) -> None:
    machine = type("AnyOrderOnToy", (AnyOrder,), {"toy": the_toy})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            # Shrinking takes minutes: whoever looks into a failure may add it.
            phases=(Phases.explicit, Phases.reuse, Phases.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )
