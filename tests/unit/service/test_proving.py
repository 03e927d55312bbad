"""A campaign is accepted on each runner by a preflight there, from the queue to the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from orchestrator.planning.explain import explain
from orchestrator.planning.policy import Policy
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.service.operate import resume
from orchestrator.store.convert import to_episode
from orchestrator.store.fleet import load_fleet
from orchestrator.store.tables import AcceptanceRow, AttemptRow, CampaignRow, EpisodeRow, RunnerEventRow, RunnerRow
from tests.unit.service.leavings import Leavings, broke_down, leavings
from tests.unit.service.rig import Rig, Toy

RUNNERS = ("a", "b")


class Pair(Rig):
    """Two runners; on those in `mute` the base prints nothing, on those in `broken` no preflight gets anywhere."""

    def __init__(self, toy: Toy, home: Path, slots: int = 1) -> None:
        super().__init__(toy, home, runners=RUNNERS, slots=slots)
        self.mute: set[str] = set()
        self.broken: set[str] = set()
        self.leave = self._leave

    def _leave(self, spec: Any) -> Leavings:
        where = self.attempt(spec.attempt_id).runner
        left = leavings(spec)
        if spec.kind != "preflight":
            return left
        if where in self.broken:
            return broke_down(spec, "SANDBOX_UNAVAILABLE: none")
        silent = {name: b"" for name in left.files if name.startswith("smoke/") and name.endswith(".log")}
        return replace(left, files={**left.files, **silent}) if where in self.mute else left

    def first(self) -> str:
        """The runner that accepted the campaign; the other one is free."""
        (one,) = self.preflights()
        (attempt,) = self.attempts(one.id)
        return attempt.runner

    def ran_on(self, ids: list[str]) -> set[str]:
        return {row.runner for row in self.rows(AttemptRow) if row.episode_id in ids}

    def begun_before(self, ids: list[str], name: str) -> bool:
        """Whether an episode was begun on the runner before its preflight had ended."""
        proof = min(row.at for row in self.rows(AcceptanceRow) if row.runner == name)
        own = [row for row in self.rows(AttemptRow) if row.runner == name and row.episode_id in ids]
        return any(row.created_at < proof for row in own)

    def explained(self, episode_id: str) -> str:
        with self.store.reading() as session:
            fleet = load_fleet(session)
        return " ".join(explain(fleet, to_episode(self.episode(episode_id)), self.clock()))

    def other(self) -> str:
        return next(name for name in RUNNERS if name != self.first())

    def until_accepted(self) -> None:
        for _ in range(60):
            if self.campaign().acceptance != "pending":
                return
            self.beat()
            self.work()
        raise AssertionError(self.picture())

    def until_answered(self, name: str) -> None:
        """Until the runner accepted the campaign or refused it."""
        for _ in range(200):
            if name in self.answers():
                return
            self.beat(5)
            self.work()
        raise AssertionError(self.picture())

    def serve(self, name: str, service: str) -> None:
        with self.store.writing() as session:
            session.execute(update(RunnerRow).where(col(RunnerRow.name) == name).values(service=service))

    def logged(self, event: str) -> list[tuple[str, str]]:
        rows = [row for row in self.rows(RunnerEventRow) if row.event == event]
        return [(row.runner, row.data["why"]) for row in rows]


@pytest.fixture
def pair(the_toy: Toy, tmp_path: Path) -> Iterator[Pair]:
    yield Pair(the_toy, tmp_path / "home")


def test_each_runner_proves_the_base_before_its_first_episode(pair: Pair) -> None:
    ids = pair.submit(count=4)
    pair.run()
    assert [pair.ended(one) for one in ids] == [("DONE", "completed")] * 4
    assert pair.ran_on(ids) == {"a", "b"}
    assert pair.answers() == {"a": True, "b": True}
    assert [row.pinned_runner for row in pair.proving()] == [pair.other()]
    assert not any(pair.begun_before(ids, name) for name in RUNNERS)
    assert sorted(pair.logged("campaign-accepted")) == [("a", ""), ("b", "")]


def test_an_episode_that_could_have_a_second_runner_says_what_comes_first_there(pair: Pair) -> None:
    first, second = pair.submit(count=2)
    pair.until_accepted()
    pair.beat()
    (proving,) = pair.proving()
    waiting = second if pair.episode(first).phase != "QUEUED" else first
    text = pair.explained(waiting)
    assert f"{pair.other()} has to prove the base of toy first: preflight {proving.id} is" in text


def test_a_runner_that_refuses_gets_none_and_all_run_on_the_other(pair: Pair) -> None:
    pair.submit()
    pair.until_accepted()
    sick = pair.other()
    pair.mute.add(sick)
    ids = pair.submit(count=3)
    pair.run()
    assert {pair.ended(one) for one in ids} == {("DONE", "completed")}
    assert pair.ran_on(ids) == {pair.first()}
    assert pair.answers() == {pair.first(): True, sick: False}
    assert pair.campaign().acceptance == "accepted"
    (proving,) = pair.proving()
    assert proving.phase == "DONE"
    ((where, why),) = pair.logged("campaign-refused")
    assert where == sick and why.startswith("on the untouched base: ") and "[GPU PERDISPATCH]" in why
    health = next(row.health for row in pair.rows(RunnerRow) if row.name == sick)
    assert health == "UNKNOWN", "what a campaign shows is not the machine's fault"


def test_whoever_waits_is_told_which_runner_refused_and_what_was_missing(pair: Pair) -> None:
    pair.submit()
    pair.until_accepted()
    sick = pair.other()
    pair.mute.add(sick)
    ids = pair.submit(count=9)
    pair.until_answered(sick)
    waiting = next(one for one in ids if pair.episode(one).phase == "QUEUED")
    (proving,) = pair.proving()
    ((_, why),) = pair.logged("campaign-refused")
    assert f"{sick} refused toy: {why} (preflight {proving.id})." in pair.explained(waiting)


def test_submitting_again_has_a_runner_that_refused_tried_again(pair: Pair) -> None:
    pair.submit()
    pair.until_accepted()
    sick = pair.other()
    pair.mute.add(sick)
    pair.submit(count=2)
    pair.run()
    assert not pair.answers()[sick]
    pair.mute.clear()
    ids = pair.submit(count=2)
    pair.run()
    assert pair.answers() == {"a": True, "b": True}
    assert [row.pinned_runner for row in pair.proving()] == [sick, sick]
    assert {pair.ended(one) for one in ids} == {("DONE", "completed")}


def test_other_drivers_have_to_be_proven_anew(pair: Pair) -> None:
    pair.submit(count=2)
    pair.run()
    pair.submit(count=2)
    pair.run()
    assert len(pair.proving()) == 1
    pair.update_drivers("a")
    pair.beat(61)
    ids = pair.submit(count=2)
    pair.run()
    assert [row.pinned_runner for row in pair.proving()][1:] == ["a"]
    assert {pair.ended(one) for one in ids} == {("DONE", "completed")}
    found = {(row.runner, row.drivers != "") for row in pair.rows(AcceptanceRow)}
    assert found == {("a", False), ("a", True), ("b", False)}


def test_two_ticks_and_a_death_in_between_make_one_preflight(pair: Pair) -> None:
    pair.submit(count=2)
    pair.until_accepted()
    pair.bell.rung.clear()
    pair.tick()
    pair.restart()
    pair.tick()
    assert len(pair.proving()) == 1
    for kind, point in (
        ("launch", "after the commit"),
        ("collect", "before the commit"),
        ("score", "after the commit"),
    ):
        pair.doom[kind] = point
        pair.beat()
        pair.work()
    pair.run()
    assert len(pair.proving()) == 1
    assert pair.answers() == {"a": True, "b": True}
    assert set(pair.starts().values()) == {1}


def test_a_preflight_that_breaks_down_is_tried_thrice_there_and_then_its_runner_refuses(pair: Pair) -> None:
    pair.submit()
    pair.until_accepted()
    pair.run()
    proven, sick = pair.first(), pair.other()
    pair.serve(proven, "DRAINING")
    pair.broken.add(sick)
    (one,) = pair.submit()
    pair.until_answered(sick)
    (proving,) = pair.proving()
    assert pair.ended(proving.id) == ("FAILED", "sandbox-unavailable")
    assert [row.runner for row in pair.attempts(proving.id)] == [sick] * 3
    assert {row.pinned_runner for row in pair.rows(EpisodeRow) if row.kind == "canary"} == {sick}, "it was blamed"
    assert f"{sick} refused toy: the preflight ended without a verdict (sandbox-unav" in pair.explained(one)
    pair.serve(proven, "IN_SERVICE")
    pair.run()
    assert pair.ended(one) == ("DONE", "completed")
    assert pair.ran_on([one]) == {proven}


def test_a_preflight_that_somebody_cancels_refuses_its_runner(pair: Pair) -> None:
    pair.submit(count=3)
    pair.until_accepted()
    pair.beat()
    (proving,) = pair.proving()
    pair.cancel(proving.id)
    pair.run()
    assert pair.ended(proving.id) == ("CANCELLED", "cancelled")
    assert pair.answers() == {pair.first(): True, proving.pinned_runner: False}
    assert len(pair.proving()) == 1


def test_the_first_runner_is_enough_where_an_operator_says_so(pair: Pair) -> None:
    policy = Policy(power=PowerPolicy(preflight_on="first-runner"))
    pair.services = replace(pair.services, policy=policy)
    ids = pair.submit(count=4)
    pair.run()
    assert pair.proving() == []
    assert pair.ran_on(ids) == {"a", "b"}


def test_a_campaign_that_no_runner_was_known_to_have_proven_goes_on(pair: Pair) -> None:
    """As after an update from a version that kept one answer for all."""
    ids = pair.submit_accepted(count=2)
    with pair.store.writing() as session:
        session.execute(update(AttemptRow).where(col(AttemptRow.ended).is_(None)).values(drivers=""))
        for row in pair.rows(AcceptanceRow):
            session.delete(session.merge(row))
    assert {row.acceptance for row in pair.rows(CampaignRow)} == {"accepted"}
    pair.run()
    assert {pair.ended(one) for one in ids} == {("DONE", "completed")}
    assert not any(pair.begun_before(ids, name) for name in pair.ran_on(ids))


def test_a_runner_that_was_out_of_service_proves_itself_when_it_is_back(pair: Pair) -> None:
    pair.submit(count=1)
    pair.until_accepted()
    away = pair.other()
    pair.serve(away, "DRAINING")
    pair.run()
    assert pair.proving() == []
    resume(pair.services, away, by="ada")
    ids = pair.submit(count=4)
    pair.run()
    assert pair.ran_on(ids) == {"a", "b"}
    assert pair.answers()[away]
