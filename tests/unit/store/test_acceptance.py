"""On which runners a campaign was accepted: rows that planning reads, each of one preflight and of drivers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from orchestrator.domain.actions import Assign, BeginLaunch, BeginPreflight, EndCancelled, GiveUp
from orchestrator.domain.episode import Acceptance
from orchestrator.domain.proof import Proofs
from orchestrator.domain.reasons import EndReason
from orchestrator.store.acceptance import answers_of, forget_refusals, keep_answer
from orchestrator.store.commit import commit
from orchestrator.store.engine import Store
from orchestrator.store.fleet import load_fleet
from orchestrator.store.tables import AcceptanceRow, AttemptRow, CampaignRow, EpisodeRow, RunnerEventRow, RunnerRow
from runner_agent.protocol import to_json
from tests.unit.planning.builders import NOW, gpu, hello
from tests.unit.store.rows import add_episode, fresh_store

BEGIN = BeginPreflight(runner="local", campaign_id="c1")
OLD, NEW = (f"radv {version} on 00" for version in ("24.1", "25.0"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = fresh_store(tmp_path)
    add_episode(store)
    runs(store, "radv 24.1")
    return store


def runs(store: Store, driver: str) -> None:
    with store.writing() as session:
        row = session.get_one(RunnerRow, "local")
        row.hello = to_json(hello(gpus=(gpu(driver=driver),)))
        session.add(row)


def write(store: Store, *actions: object) -> bool:
    done = True
    for action in actions:
        with store.writing() as session:
            done = commit(session, action, NOW) and done  # type: ignore[arg-type]
    return done


def preflights(store: Store) -> list[EpisodeRow]:
    with store.reading() as session:
        return list(session.exec(select(EpisodeRow).where(EpisodeRow.kind == "preflight")).all())


def launched(store: Store) -> tuple[str, str]:
    """A preflight on the runner, and its attempt."""
    assert write(store, BEGIN)
    (one,) = preflights(store)
    assert write(store, Assign(episode_id=one.id, runner="local"))
    assert write(store, BeginLaunch(episode_id=one.id, runner="local", fence=one.fence + 1))
    return one.id, preflights(store)[0].attempt_id or ""


def answer(store: Store, why: str) -> None:
    preflight, attempt = launched(store)
    with store.writing() as session:
        keep_answer(session, session.get_one(EpisodeRow, preflight), attempt, why, NOW)


def proofs(store: Store) -> Proofs:
    with store.reading() as session:
        return load_fleet(session).proofs


def rows(store: Store) -> list[tuple[str, bool, str]]:
    with store.reading() as session:
        return [(row.drivers, row.accepted, row.detail) for row in session.exec(select(AcceptanceRow)).all()]


def test_two_ticks_make_one_preflight_of_a_campaign_on_a_runner(store: Store) -> None:
    assert write(store, BEGIN)
    assert not write(store, BEGIN)
    (one,) = preflights(store)
    assert (one.pinned_runner, one.submitter, one.agent, one.phase) == ("local", "matins", "preflight", "QUEUED")


def test_none_is_made_where_the_runner_has_answered_since_or_nobody_wants_one(store: Store) -> None:
    answer(store, "")
    with store.writing() as session:
        session.get_one(EpisodeRow, preflights(store)[0].id).phase = "DONE"
    assert not write(store, BEGIN)
    runs(store, "radv 25.0")
    with store.writing() as session:
        session.get_one(RunnerRow, "local").service = "DRAINING"
    assert not write(store, BEGIN)
    with store.writing() as session:
        session.get_one(RunnerRow, "local").service = "IN_SERVICE"
        session.get_one(CampaignRow, "c1").acceptance = str(Acceptance.REFUSED)
    assert not write(store, BEGIN)


def test_a_runner_is_unproven_until_a_preflight_has_passed_under_its_drivers(store: Store) -> None:
    assert proofs(store).unproven == {"c1": frozenset({"local"})}
    answer(store, "")
    assert proofs(store) == Proofs()
    runs(store, "radv 25.0")
    assert proofs(store).unproven == {"c1": frozenset({"local"})}
    runs(store, "radv 24.1")
    assert proofs(store) == Proofs()


def test_what_was_found_is_of_the_drivers_under_which_the_attempt_was_launched(store: Store) -> None:
    preflight, attempt = launched(store)
    runs(store, "radv 25.0")
    with store.writing() as session:
        keep_answer(session, session.get_one(EpisodeRow, preflight), attempt, "", NOW)
    assert rows(store) == [(OLD, True, "")]
    assert proofs(store).unproven == {"c1": frozenset({"local"})}


def test_the_last_answer_wins_and_a_refusal_is_forgotten_when_somebody_wants_that(store: Store) -> None:
    preflight, attempt = launched(store)
    for why in ("", "no dispatches"):
        with store.writing() as session:
            keep_answer(session, session.get_one(EpisodeRow, preflight), attempt, why, NOW)
    assert rows(store) == [(OLD, False, "no dispatches")]
    found = proofs(store)
    assert found.unproven == {}
    assert (found.refused["c1"]["local"].detail, found.refused["c1"]["local"].episode_id) == (
        "no dispatches",
        preflight,
    )
    with store.writing() as session:
        forget_refusals(session, "c1")
    assert rows(store) == []


def test_a_preflight_of_one_runner_that_gives_up_refuses_there_and_nowhere_else(store: Store) -> None:
    preflight, attempt = launched(store)
    gone = GiveUp(episode_id=preflight, attempt_id=attempt, reason=EndReason.RUNNER_FAULT, detail="no space left")
    assert write(store, gone)
    why = "the preflight ended without a verdict (runner-fault): no space left"
    assert rows(store) == [(OLD, False, why)]
    with store.reading() as session:
        assert session.get_one(CampaignRow, "c1").acceptance == "accepted"
        events = session.exec(select(RunnerEventRow).where(RunnerEventRow.event == "campaign-refused")).all()
    assert [(row.data["campaign"], row.data["why"]) for row in events] == [("decode", why)]


def test_one_that_a_person_cancels_refuses_and_one_that_nobody_needs_says_nothing(store: Store) -> None:
    assert write(store, BEGIN)
    (one,) = preflights(store)
    over = EndCancelled(episode_id=one.id, attempt_id=None, detail="no episode waits for it")
    assert write(store, over)
    assert (preflights(store)[0].phase, preflights(store)[0].detail) == ("CANCELLED", "no episode waits for it")
    assert rows(store) == []
    assert write(store, BEGIN)
    (two,) = (row for row in preflights(store) if row.phase == "QUEUED")
    with store.writing() as session:
        session.get_one(EpisodeRow, two.id).cancel_requested = True
    assert write(store, EndCancelled(episode_id=two.id, attempt_id=None))
    assert rows(store) == [(OLD, False, "the preflight was cancelled")]


def test_a_runner_lists_what_it_accepted_newest_first(store: Store) -> None:
    answer(store, "")
    with store.writing() as session:
        session.get_one(EpisodeRow, preflights(store)[0].id).phase = "DONE"
        session.add(kept(session.exec(select(AttemptRow)).one().episode_id))
    with store.reading() as session:
        listed = [(named, row.drivers, row.accepted) for row, named in answers_of(session, "local")]
    assert listed == [("decode", NEW, False), ("decode", OLD, True)]


def kept(episode_id: str) -> AcceptanceRow:
    later = NOW + timedelta(hours=1)
    return AcceptanceRow(
        campaign_id="c1", runner="local", drivers=NEW, accepted=False, detail="mute", episode_id=episode_id, at=later
    )
