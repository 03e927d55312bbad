"""The journal, and how it is reported."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from runner_agent import attempts, journal, reports
from runner_agent.home import Home
from runner_agent.journal import Journal
from runner_agent.protocol import AttemptRequest, ReportRequest


def test_events_are_numbered_without_gaps_even_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    Journal(path).record("one", value=1)
    again = Journal(path)
    again.record("two")
    again.record("three")
    assert [(event["seq"], event["event"]) for event in journal.read(path)] == [(1, "one"), (2, "two"), (3, "three")]


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    Journal(path).record("one")
    with open(path, "ab") as file:
        file.write(b'{"seq": 2, "ev')
    assert [event["event"] for event in journal.read(path)] == ["one"]


def test_a_restart_goes_on_after_the_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    Journal(path).record("one")
    with open(path, "ab") as file:
        file.write(b'{"seq": 2, "ev')
    Journal(path).record("two")
    assert [json.loads(line)["seq"] for line in path.read_bytes().splitlines()] == [1, 2]


def test_a_bad_line_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"seq": 1, "ev{"seq": 2, "event": "two"}\n{"seq": 3, "event": "three"}\n')
    assert [event["event"] for event in journal.read(path)] == ["three"]


def test_a_journal_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert journal.read(tmp_path / "none") == []


def reported(home: Home, cursors: dict[str, int], max_bytes: int = 1000) -> dict[str, tuple[int, bytes]]:
    report = reports.report(home, ReportRequest(cursors={"a": cursors}, max_bytes=max_bytes), Path("agent.pyz"))
    return {chunk.stream: (chunk.offset, base64.b64decode(chunk.data)) for chunk in report.chunks}


def folder(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    attempts.cancel(home, AttemptRequest(attempt_id="a", episode_id="e", fence=1))
    root = home.attempt("a")
    (root.out / "logs").mkdir(parents=True)
    (root.out / "logs" / "build-1.log").write_bytes(b"0123456789")
    root.events.write_bytes(b'{"seq":1}\n{"seq":2}\n{"se')
    return home


def test_a_report_gives_new_bytes_from_where_the_asker_stands(tmp_path: Path) -> None:
    home = folder(tmp_path)
    assert reported(home, {}) == {
        "events.jsonl": (0, b'{"seq":1}\n{"seq":2}\n'),
        "logs/build-1.log": (0, b"0123456789"),
    }
    assert reported(home, {"events.jsonl": 20, "logs/build-1.log": 7}) == {"logs/build-1.log": (7, b"789")}


def test_a_report_is_bounded_and_the_rest_comes_later(tmp_path: Path) -> None:
    home = folder(tmp_path)
    first = reported(home, {}, max_bytes=15)
    assert first == {"events.jsonl": (0, b'{"seq":1}\n'), "logs/build-1.log": (0, b"01234")}
    second = reported(home, {"events.jsonl": 10, "logs/build-1.log": 5}, max_bytes=15)
    assert second == {"events.jsonl": (10, b'{"seq":2}\n'), "logs/build-1.log": (5, b"56789")}


def test_a_report_names_attempts_that_nobody_asked_about_without_bytes(tmp_path: Path) -> None:
    report = reports.report(folder(tmp_path), ReportRequest(cursors={}), Path("agent.pyz"))
    assert [status.attempt_id for status in report.attempts] == ["a"]
    assert report.chunks == ()
    assert json.dumps(report.at)
