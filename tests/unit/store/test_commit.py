"""Committing actions: guarded by what was read, and harmless when repeated."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from orchestrator.domain.actions import Action, Assign, BeginCollect, BeginLaunch, GiveUp, Release, Retry, SendCancel
from orchestrator.domain.phases import Phase
from orchestrator.domain.reasons import EndReason
from orchestrator.store.changes import fail_attempt
from orchestrator.store.commit import commit
from orchestrator.store.engine import Store
from orchestrator.store.fleet import load_fleet
from orchestrator.store.outbox import claim, drop_claims, due_acts, finish, postpone
from orchestrator.store.record import record_status
from orchestrator.store.tables import AttemptRow, EpisodeRow, EventRow, OutboxRow, RunnerRow
from runner_agent.protocol import AttemptStatus
from tests.unit.planning.builders import NOW
from tests.unit.store.rows import add_episode, fresh_store

ASSIGN = Assign(episode_id="e1", runner="local")
LAUNCH = BeginLaunch(episode_id="e1", runner="local", fence=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = fresh_store(tmp_path)
    add_episode(store)
    return store


def write(store: Store, action: Action) -> bool:
    with store.writing() as session:
        return commit(session, action, NOW)


def episode(store: Store) -> EpisodeRow:
    with store.reading() as session:
        return session.get_one(EpisodeRow, "e1")


def attempts(store: Store) -> list[AttemptRow]:
    with store.reading() as session:
        return list(session.exec(select(AttemptRow)).all())


def acts(store: Store) -> list[OutboxRow]:
    with store.reading() as session:
        return list(session.exec(select(OutboxRow)).all())


def launched(store: Store) -> str:
    assert write(store, ASSIGN)
    assert write(store, LAUNCH)
    return attempts(store)[0].id


def say(store: Store, attempt_id: str, phase: Any, stage: str | None = None, episode_id: str = "e1") -> None:
    said = AttemptStatus(attempt_id=attempt_id, episode_id=episode_id, fence=1, phase=phase, stage=stage)
    with store.writing() as session:
        record_status(session, said, NOW)


def test_a_launch_commits_attempt_fence_and_outbox_row_together(store: Store) -> None:
    attempt_id = launched(store)
    row = episode(store)
    assert (row.phase, row.fence, row.attempt_id) == ("LAUNCHING", 1, attempt_id)
    assert [(act.kind, act.attempt_id) for act in acts(store)] == [("launch", attempt_id)]


def test_an_action_committed_twice_changes_nothing_the_second_time(store: Store) -> None:
    launched(store)
    assert not write(store, ASSIGN)
    assert not write(store, LAUNCH)
    assert len(attempts(store)) == len(acts(store)) == 1


def test_a_launch_with_a_stale_fence_is_dropped(store: Store) -> None:
    assert write(store, ASSIGN)
    assert not write(store, BeginLaunch(episode_id="e1", runner="local", fence=5))
    assert attempts(store) == []


def test_the_database_itself_refuses_a_second_live_attempt(store: Store) -> None:
    launched(store)
    with pytest.raises(IntegrityError), store.writing() as session:
        session.add(AttemptRow(id="other", episode_id="e1", runner="local", fence=2, created_at=NOW))


@pytest.mark.parametrize(("buffer", "begins"), [(None, False), (0, False), (2, True)])
def test_a_slot_is_free_again_after_the_session_only_where_others_may_begin_meanwhile(
    store: Store, buffer: int | None, begins: bool
) -> None:
    with store.writing() as session:
        session.get_one(RunnerRow, "local").buffer_slots = buffer
    add_episode(store, "e2")
    next_one = Assign(episode_id="e2", runner="local")
    attempt_id = launched(store)
    say(store, attempt_id, "running", stage="session")
    assert not write(store, next_one)
    say(store, attempt_id, "running", stage="smoke")
    assert write(store, next_one) is begins


def test_nothing_is_assigned_to_a_machine_whose_devices_have_enough_by_now(store: Store) -> None:
    with store.writing() as session:
        session.get_one(RunnerRow, "local").buffer_slots = 1
    for name in ("e2", "e3", "e4"):
        add_episode(store, name)
    for name in ("e1", "e2", "e3"):
        assert write(store, Assign(episode_id=name, runner="local"))
        assert write(store, BeginLaunch(episode_id=name, runner="local", fence=1))
        for row in attempts(store):
            say(store, row.id, "running", stage="smoke", episode_id=row.episode_id)
    assert not write(store, Assign(episode_id="e4", runner="local"))


def test_a_slot_is_given_back_once_and_a_launch_planned_for_it_is_dropped(store: Store) -> None:
    assert write(store, ASSIGN)
    release = Release(episode_id="e1", runner="local")
    assert write(store, release)
    assert (episode(store).phase, episode(store).runner) == ("QUEUED", None)
    assert not write(store, release)
    assert write(store, ASSIGN)
    assert not write(store, BeginLaunch(episode_id="e1", runner="another", fence=1))
    assert attempts(store) == []


def test_an_act_is_requested_once_per_attempt(store: Store) -> None:
    attempt_id = launched(store)
    assert write(store, SendCancel(attempt_id=attempt_id))
    assert not write(store, SendCancel(attempt_id=attempt_id))


def test_a_retry_settles_the_attempt_and_queues_the_episode_with_its_reason(store: Store) -> None:
    attempt_id = launched(store)
    later = NOW + timedelta(seconds=10)
    retry = Retry(
        episode_id="e1", attempt_id=attempt_id, reason=EndReason.SUPERVISOR_DIED, detail="why", not_before=later
    )
    assert write(store, retry)
    assert not write(store, retry)
    row = episode(store)
    assert (row.phase, row.runner, row.attempt_id, row.not_before) == ("QUEUED", None, None, later)
    assert (row.end_reason, row.fence) == ("supervisor-died", 1)
    assert attempts(store)[0].ended == "supervisor-died"


def test_giving_up_ends_the_episode_with_its_reason(store: Store) -> None:
    attempt_id = launched(store)
    gone = GiveUp(episode_id="e1", attempt_id=attempt_id, reason=EndReason.RUNNER_LOST, detail="declared dead")
    assert write(store, gone)
    row = episode(store)
    assert (row.phase, row.end_reason, row.ended_at) == ("FAILED", "runner-lost", NOW)


def test_an_ended_attempt_is_collected_once(store: Store) -> None:
    attempt_id = launched(store)
    say(store, attempt_id, "exited")
    assert episode(store).phase == Phase.RUNNING
    collect = BeginCollect(episode_id="e1", attempt_id=attempt_id)
    assert write(store, collect)
    assert not write(store, collect)
    assert [act.kind for act in acts(store)] == ["launch", "collect"]


def test_a_failure_is_noted_once_and_only_on_a_live_attempt(store: Store) -> None:
    attempt_id = launched(store)
    with store.writing() as session:
        assert fail_attempt(session, attempt_id, EndReason.LAUNCH_REFUSED, "no", now=NOW)
        assert not fail_attempt(session, attempt_id, EndReason.ARTIFACTS_LOST, "other", now=NOW)
    with store.reading() as session:
        (attempt,) = load_fleet(session).attempts
    assert (attempt.failure, attempt.failure_detail) == (EndReason.LAUNCH_REFUSED, "no")


def test_the_event_log_tells_the_story(store: Store) -> None:
    launched(store)
    with store.reading() as session:
        told = [row.event for row in session.exec(select(EventRow)).all()]
    assert told == ["episode-assign", "episode-launch"]


def test_an_act_is_claimed_by_one_until_the_claim_runs_out(store: Store) -> None:
    launched(store)
    with store.writing() as session:
        (act_id,) = due_acts(session, NOW)
        assert claim(session, act_id, NOW, 30) is not None
        assert claim(session, act_id, NOW, 30) is None
        again = claim(session, act_id, NOW + timedelta(seconds=30), 30)
    assert again is not None and again.tries == 2


def test_a_postponed_act_is_due_later_and_a_finished_one_never(store: Store) -> None:
    launched(store)
    with store.writing() as session:
        (act_id,) = due_acts(session, NOW)
        act = claim(session, act_id, NOW, 30)
        assert act is not None
        postpone(session, act, NOW, 5, "no answer")
        assert not due_acts(session, NOW)
        assert list(due_acts(session, NOW + timedelta(seconds=5))) == [act_id]
        finish(session, act, NOW)
        assert not due_acts(session, NOW + timedelta(days=1))


def test_claims_of_a_process_that_is_gone_can_be_dropped(store: Store) -> None:
    launched(store)
    with store.writing() as session:
        (act_id,) = due_acts(session, NOW)
        claim(session, act_id, NOW, 300)
        drop_claims(session, NOW)
        assert list(due_acts(session, NOW)) == [act_id]
