"""Recording reports: every line and every byte once, however often reported."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from orchestrator.domain.actions import Assign, BeginLaunch
from orchestrator.store.asking import ask, cursors
from orchestrator.store.commit import commit
from orchestrator.store.engine import Store
from orchestrator.store.queries import live_log
from orchestrator.store.record import record_report, record_unreachable
from orchestrator.store.tables import AttemptRow, EpisodeRow, EventRow, RunnerRow
from runner_agent.protocol import AttemptStatus, Chunk, Report
from tests.unit.planning.builders import NOW
from tests.unit.store.rows import add_episode, fresh_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = fresh_store(tmp_path)
    add_episode(store)
    for action in (Assign(episode_id="e1", runner="local"), BeginLaunch(episode_id="e1", runner="local", fence=1)):
        with store.writing() as session:
            assert commit(session, action, NOW)
    return store


def attempt_id(store: Store) -> str:
    with store.reading() as session:
        return session.exec(select(AttemptRow.id)).one()


def report(store: Store, *chunks: tuple[str, int, bytes], phase: str = "running", fence: int = 1) -> bool:
    name = attempt_id(store)
    said = AttemptStatus(attempt_id=name, episode_id="e1", fence=fence, phase=phase)
    pieces = tuple(
        Chunk(attempt_id=name, stream=stream, offset=offset, data=base64.b64encode(data).decode())
        for stream, offset, data in chunks
    )
    with store.writing() as session:
        answer = Report(boot_id="b", at="", attempts=(said,), chunks=pieces)
        return record_report(session, "local", answer, ask(session, "local"), NOW)


def phase(store: Store) -> str:
    with store.reading() as session:
        return session.get_one(EpisodeRow, "e1").phase


def log(store: Store, stream: str = "") -> str:
    with store.reading() as session:
        return live_log(session, attempt_id(store), 0, stream)


def line(seq: int, event: str) -> bytes:
    return json.dumps({"seq": seq, "at": "2026-03-01T12:00:00Z", "event": event, "stage": "build"}).encode() + b"\n"


def test_the_first_status_shows_that_the_launch_arrived(store: Store) -> None:
    assert report(store)
    assert phase(store) == "RUNNING"
    assert not report(store)


def test_a_status_with_another_fence_is_dropped(store: Store) -> None:
    assert not report(store, fence=7)
    assert phase(store) == "LAUNCHING"


def test_a_tombstone_does_not_count_as_a_start(store: Store) -> None:
    assert report(store, phase="cancelled")
    assert phase(store) == "LAUNCHING"


def test_journal_lines_become_events_once(store: Store) -> None:
    lines = line(1, "stage-started") + line(2, "stage-finished")
    report(store, ("events.jsonl", 0, lines))
    report(store, ("events.jsonl", 0, lines))
    report(store, ("events.jsonl", len(lines), line(3, "attempt-ended")))
    with store.reading() as session:
        told = session.exec(select(EventRow).where(EventRow.source == "runner")).all()
    assert [(row.seq, row.event, row.data) for row in told] == [
        (1, "stage-started", {"stage": "build"}),
        (2, "stage-finished", {"stage": "build"}),
        (3, "attempt-ended", {"stage": "build"}),
    ]


def test_a_journal_line_that_is_not_one_is_survived(store: Store) -> None:
    report(store, ("events.jsonl", 0, b'{"seq": "x"}\n[1]\nnot json\n' + line(1, "stage-started")))
    with store.reading() as session:
        told = session.exec(select(EventRow.event).where(EventRow.source == "runner")).all()
    assert list(told) == ["stage-started"]


def test_logs_are_merged_as_they_come_and_can_be_read_alone(store: Store) -> None:
    report(store, ("logs/build-1.log", 0, b"Compiling\n"), ("smoke/candidate-1.log", 0, b"tok\n"))
    report(store, ("logs/build-1.log", 10, b"Finished\n"))
    assert log(store) == "Compiling\ntok\nFinished\n"
    assert log(store, "logs/build-1.log") == "Compiling\nFinished\n"


def test_bytes_that_leave_a_gap_or_repeat_are_dropped(store: Store) -> None:
    report(store, ("a", 0, b"one"))
    report(store, ("a", 0, b"one"), ("a", 9, b"late"))
    assert log(store, "a") == "one"
    with store.reading() as session:
        assert cursors(session, "local") == {attempt_id(store): {"a": 3}}


def test_a_nul_byte_and_broken_utf8_do_not_confuse_offsets(store: Store) -> None:
    report(store, ("a", 0, b"x\0y\xff"))
    report(store, ("b", 0, b"z"))
    assert log(store) == "x␀y�z"


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.binary(min_size=1, max_size=60), cuts=st.lists(st.integers(0, 60), max_size=6), page=st.integers(1, 9))
def test_paging_through_a_log_gives_each_character_once(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cuts: list[int], page: int
) -> None:
    store = fresh_store(tmp_path_factory.mktemp("log"))
    add_episode(store)
    for action in (Assign(episode_id="e1", runner="local"), BeginLaunch(episode_id="e1", runner="local", fence=1)):
        with store.writing() as session:
            commit(session, action, NOW)
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(bounds):
        report(store, ("a", start, data[start:end]))
    whole = log(store)
    read = ""
    with store.reading() as session:
        while piece := live_log(session, attempt_id(store), len(read))[:page]:
            read += piece
    assert read == whole


def test_an_unreachable_runner_is_counted_and_leaves_its_attempts_alone(store: Store) -> None:
    report(store)
    with store.writing() as session:
        record_unreachable(session, "local", "unreachable", "no answer in 20 s", ask(session, "local"), NOW, NOW)
    with store.reading() as session:
        row = session.get_one(RunnerRow, "local")
    assert (row.power, row.detail, row.link_errors) == ("UNREACHABLE", "no answer in 20 s", {"unreachable": 1})
    assert phase(store) == "RUNNING"
