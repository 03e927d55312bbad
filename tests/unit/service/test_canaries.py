"""Machines that have to prove themselves: suspected, tried by a canary, trusted again or quarantined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from orchestrator.errors import Conflict, LinkRefused, NotFound
from orchestrator.planning.explain import explain
from orchestrator.planning.policy import Policy
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.service.canary import ask_canary, canary_status
from orchestrator.service.fleet_ops import drain
from orchestrator.store.convert import to_episode
from orchestrator.store.fleet import load_fleet
from orchestrator.store.queries import EpisodeFilter, list_episodes
from orchestrator.store.tables import EpisodeRow, RunnerEventRow, RunnerRow
from tests.unit.planning.builders import gpu
from tests.unit.service.leavings import Leavings, broke_down, leavings
from tests.unit.service.rig import Rig, Toy

CARDS = (gpu(device_uuid="aa", device_type="discrete-gpu"), gpu(device_uuid="bb", device_type="discrete-gpu"))


class Fleet(Rig):
    """A rig that knows of health."""

    def runner(self, name: str = "local") -> RunnerRow:
        return next(row for row in self.rows(RunnerRow) if row.name == name)

    def set(self, name: str = "local", **values: object) -> None:
        with self.store.writing() as session:
            session.execute(update(RunnerRow).where(col(RunnerRow.name) == name).values(**values))

    def canaries(self) -> list[EpisodeRow]:
        rows = [row for row in self.rows(EpisodeRow) if row.kind == "canary"]
        return sorted(rows, key=lambda row: row.submitted_at)

    def changes(self, name: str = "local") -> list[tuple[str, str, str]]:
        """Was, is, and who."""
        rows = [row for row in self.rows(RunnerEventRow) if (row.runner, row.event) == (name, "health-changed")]
        return [(row.data["was"], row.data["health"], row.actor) for row in rows if "device" not in row.data]

    def explained(self, episode_id: str) -> str:
        with self.store.reading() as session:
            fleet = load_fleet(session)
        return " ".join(explain(fleet, to_episode(self.episode(episode_id)), self.clock()))

    def lose(self, episode_id: str) -> None:
        """The machine takes an attempt down with it."""
        self.runner_of(attempt := self.up_to("RUNNING", episode_id)).die(attempt)
        self.beat()


@pytest.fixture
def fleet(the_toy: Toy, tmp_path: Path) -> Iterator[Fleet]:
    yield Fleet(the_toy, tmp_path / "home", slots=1)


@pytest.fixture
def two(the_toy: Toy, tmp_path: Path) -> Iterator[Fleet]:
    yield Fleet(the_toy, tmp_path / "home", runners=("a", "b"), slots=1)


def mute(spec: Any) -> Leavings:
    """The smoke test runs, and its instrument does not fire."""
    left = leavings(spec)
    return replace(left, files={**left.files, "smoke/candidate-1.log": b"", "smoke/candidate-2.log": b""})


def test_a_machine_that_lost_an_attempt_proves_itself_before_it_gets_the_next(fleet: Fleet) -> None:
    (one,) = fleet.submit_accepted()
    fleet.lose(one)
    row = fleet.runner()
    assert row.health == "SUSPECT"
    assert row.canary_why.startswith(f"an attempt of {one} ended as supervisor-died: ")
    (canary,) = fleet.canaries()
    assert (canary.pinned_runner, canary.submitter, canary.agent) == ("local", "matins", "canary")
    fleet.clock.advance(11)
    assert f"local is SUSPECT ({row.canary_why}): canary {canary.id} decides." in fleet.explained(one)
    fleet.run()
    assert fleet.ended(one) == ("DONE", "completed")
    assert fleet.ended(canary.id) == ("DONE", "completed")
    assert fleet.attempts(canary.id)[0].created_at < fleet.attempts(one)[1].created_at
    row = fleet.runner()
    assert (row.health, row.canary_why, row.canaried_at is not None) == ("GOOD", "", True)
    assert fleet.changes() == [("UNKNOWN", "SUSPECT", "matins"), ("SUSPECT", "GOOD", "matins")]


def test_a_canary_is_sent_build_and_smoke_and_nothing_else(fleet: Fleet) -> None:
    (one,) = fleet.submit_accepted()
    fleet.observe()
    ask_canary(fleet.services, "local", by="ada")
    fleet.run()
    link = fleet.runners["local"]
    specs = {known.status.episode_id: known.spec for known in link.attempts.values()}
    spec, other = specs[fleet.canaries()[0].id], specs[one]
    assert spec is not None and other is not None
    assert spec.build == other.build and spec.smoke == other.smoke
    assert (spec.kind, spec.agent, spec.sessions, spec.hidden_checks) == ("preflight", None, (), 0)
    assert (spec.lint, spec.test, spec.items, spec.checks) == ((), (), (), ())
    assert spec.base_key != other.base_key, "on this base no test has been run"


def test_a_machine_whose_instrument_is_silent_is_quarantined_and_its_episode_runs_elsewhere(two: Fleet) -> None:
    two.prove = mute
    (one,) = two.submit_accepted()
    two.lose(one)
    (canary,) = two.canaries()
    sick = canary.pinned_runner
    two.run()
    assert two.ended(canary.id) == ("DONE", "marker-missing")
    row = two.runner(sick)
    assert row.health == "QUARANTINED"
    assert row.detail.startswith(f"canary {canary.id} failed: [GPU PERDISPATCH] never appeared in ")
    assert row.quarantined_since is not None
    assert two.ended(one) == ("DONE", "completed")
    assert [attempt.runner == sick for attempt in two.attempts(one)] == [True, False]
    assert len(two.canaries()) == 1


def test_an_operators_canary_lifts_a_quarantine(fleet: Fleet) -> None:
    fleet.submit_accepted()
    fleet.set(health="QUARANTINED", detail="SSH up, no Vulkan device", quarantined_since=fleet.clock())
    fleet.beat()
    asked = ask_canary(fleet.services, "local", by="ada")
    assert (asked["by"], asked["under_way"], asked["passed"], asked["health"]) == ("ada", True, None, "QUARANTINED")
    fleet.run()
    found = canary_status(fleet.services, "local", asked["episode"])
    assert (found["under_way"], found["passed"], found["reason"], found["health"]) == (False, True, "", "GOOD")
    assert (fleet.runner().detail, fleet.runner().quarantined_since) == ("", None)


def test_a_quarantine_stays_with_what_the_canary_found_missing(fleet: Fleet) -> None:
    fleet.submit_accepted()
    fleet.set(health="QUARANTINED", detail="of old", quarantined_since=fleet.clock())
    fleet.prove = mute
    fleet.beat()
    asked = ask_canary(fleet.services, "local", by="ada")
    for _ in range(12):
        fleet.beat()
        fleet.work(canaries_only=True)
    found = canary_status(fleet.services, "local", asked["episode"])
    assert (found["passed"], found["health"]) == (False, "QUARANTINED")
    assert found["reason"].startswith("[GPU PERDISPATCH] never appeared in ")
    assert found["reason"] in fleet.runner().detail


def test_a_draining_machine_takes_a_canary_and_no_episode(fleet: Fleet) -> None:
    (one,) = fleet.submit_accepted()
    fleet.tick()
    fleet.answer()
    drain(fleet.services, "local", by="ada")
    fleet.cancel(one)
    fleet.run()
    ask_canary(fleet.services, "local", by="ada")
    fleet.run()
    assert (fleet.runner().service, fleet.runner().health) == ("DRAINING", "GOOD")


def test_two_ticks_and_an_operator_make_one_canary(fleet: Fleet) -> None:
    fleet.submit_accepted()
    fleet.observe()
    first, second = (ask_canary(fleet.services, "local", by=who)["episode"] for who in ("ada", "bob"))
    fleet.set(canary_why="somebody wants to know")
    fleet.tick()
    fleet.tick()
    assert first == second
    assert [row.id for row in fleet.canaries()] == [first]


def test_a_process_that_dies_after_the_canary_is_committed_leaves_one_that_is_run(fleet: Fleet) -> None:
    (one,) = fleet.submit_accepted()
    attempt = fleet.up_to("RUNNING", one)
    fleet.runners["local"].die(attempt)
    fleet.doom["launch"] = "after the commit"
    fleet.beat()
    fleet.run()
    assert fleet.deaths == 1
    assert [fleet.ended(row.id) for row in fleet.canaries()] == [("DONE", "completed")]
    assert fleet.runner().health == "GOOD"
    assert set(fleet.starts().values()) == {1}


def test_a_canary_that_breaks_down_three_times_in_a_row_quarantines(fleet: Fleet) -> None:
    (one,) = fleet.submit_accepted()
    fleet.prove = lambda spec: broke_down(spec, "SANDBOX_UNAVAILABLE: none")
    fleet.lose(one)
    (canary,) = fleet.canaries()
    for _ in range(60):
        fleet.beat(5)
        fleet.work(canaries_only=True)
        if fleet.runner().health == "QUARANTINED":
            break
        assert fleet.runner().health == "SUSPECT"
        assert len(fleet.attempts(one)) == 1
    assert fleet.ended(canary.id) == ("FAILED", "sandbox-unavailable")
    assert len(fleet.attempts(canary.id)) == 3
    assert "broke-down: sandbox-unavailable" in fleet.runner().detail
    assert len(fleet.canaries()) == 1


def test_without_an_accepted_campaign_a_suspect_machine_takes_work_like_any_other(fleet: Fleet) -> None:
    (one,) = fleet.submit()
    (preflight,) = fleet.preflights()
    fleet.lose(preflight.id)
    assert fleet.runner().health == "SUSPECT"
    assert fleet.canaries() == []
    fleet.run()
    assert fleet.ended(one) == ("DONE", "completed")
    assert fleet.runner().health == "GOOD"
    assert [row.phase for row in fleet.canaries()] == ["DONE"]


def test_whoever_takes_a_machine_back_has_it_prove_itself(fleet: Fleet) -> None:
    (one,) = fleet.submit_accepted()
    fleet.set(health="QUARANTINED", detail="of old", devices={"aa": {"health": "QUARANTINED", "detail": "mute"}})
    fleet.take_back()
    row = fleet.runner()
    assert (row.health, row.canary_why, row.devices["aa"]["health"]) == ("UNKNOWN", "ada took it back", "UNKNOWN")
    assert fleet.changes() == [("QUARANTINED", "UNKNOWN", "ada")]
    fleet.run()
    (canary,) = fleet.canaries()
    assert canary.started_at is not None
    assert fleet.runner().health == "GOOD"
    assert fleet.episode(one).started_at > canary.started_at  # pyright: ignore[reportOptionalOperand]


def test_of_two_cards_the_one_that_fails_is_left_out_and_the_machine_goes_on(fleet: Fleet) -> None:
    fleet.runners["local"].said = replace(fleet.runners["local"].said, gpus=CARDS)
    fleet.submit_accepted()
    fleet.observe()
    fleet.prove = mute
    ask_canary(fleet.services, "local", by="ada", gpu="bb")
    fleet.run()
    row = fleet.runner()
    assert (row.health, row.devices["bb"]["health"]) == ("UNKNOWN", "QUARANTINED")
    assert "never appeared" in row.devices["bb"]["detail"]
    ask_canary(fleet.services, "local", by="ada", gpu="aa")
    fleet.run()
    row = fleet.runner()
    assert (row.health, row.devices["aa"]["health"]) == ("QUARANTINED", "QUARANTINED")


def test_a_machine_at_rest_proves_itself_every_so_often(fleet: Fleet) -> None:
    (one,) = fleet.submit_accepted()
    fleet.run()
    fleet.services = replace(fleet.services, policy=Policy(power=PowerPolicy(canary_every_s=3600)))
    fleet.beat()
    fleet.run()
    assert fleet.ended(one)[0] == "DONE"
    assert [row.phase for row in fleet.canaries()] == ["DONE"]
    fleet.beat(3000)
    assert len(fleet.canaries()) == 1
    fleet.beat(3600)
    assert len(fleet.canaries()) == 2


def test_a_canary_that_is_cancelled_says_nothing_of_its_machine(fleet: Fleet) -> None:
    (one,) = fleet.submit_accepted()
    fleet.lose(one)
    (canary,) = fleet.canaries()
    fleet.cancel(canary.id)
    fleet.run()
    assert fleet.ended(canary.id)[0] == "CANCELLED"
    assert fleet.changes()[-1] == ("SUSPECT", "UNKNOWN", "matins")
    assert fleet.ended(one) == ("DONE", "completed")
    assert len(fleet.canaries()) == 1


def test_canaries_are_listed_only_where_they_are_asked_for(fleet: Fleet) -> None:
    (one,) = fleet.submit_accepted()
    asked = ask_canary(fleet.services, "local", by="ada") if fleet.observe() is None else {}
    with fleet.store.reading() as session:
        listed = {
            kind: [row.id for row, _ in list_episodes(session, EpisodeFilter(kind=kind))]
            for kind in ("episode", "canary", "episode,preflight")
        }
    assert listed["episode"] == [one]
    assert listed["canary"] == [asked["episode"]]
    assert asked["episode"] not in listed["episode,preflight"]


def test_what_cannot_be_tried_is_refused_with_what_to_do(fleet: Fleet) -> None:
    with pytest.raises(Conflict, match="has not told yet"):
        ask_canary(fleet.services, "local", by="ada")
    fleet.observe()
    with pytest.raises(Conflict, match="no campaign has been accepted yet"):
        ask_canary(fleet.services, "local", by="ada")
    fleet.submit()
    with pytest.raises(Conflict, match="is pending, not accepted"):
        ask_canary(fleet.services, "local", by="ada", campaign="toy")
    with pytest.raises(NotFound, match="no device zz"):
        ask_canary(fleet.services, "local", by="ada", gpu="zz")
    with pytest.raises(NotFound, match="no campaign 'other'"):
        ask_canary(fleet.services, "local", by="ada", campaign="other")


def test_a_refused_launch_blames_nobody(fleet: Fleet) -> None:
    (one,) = fleet.submit_accepted()
    fleet.wires["local"].before["launch"] = [LinkRefused("stale-fence", "fence 1 is lower than 4")]
    fleet.run()
    assert fleet.ended(one) == ("DONE", "completed")
    assert (fleet.runner().health, fleet.canaries()) == ("UNKNOWN", [])
