"""The history of a runner, which no acknowledgement deletes."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from runner_agent import attempts, ledger, protocol, verbs
from runner_agent.home import Home
from runner_agent.protocol import AttemptRequest, ExitRecord

A = AttemptRequest(attempt_id="a", episode_id="e", fence=2)
ABOUT: dict[str, Any] = {"attempt_id": "a", "episode_id": "e", "fence": 2}
RECORD = ExitRecord(
    attempt_id="a", fence=2, reason="completed", detail="", stages=(), graded=False, packed=True,
    started_at="", finished_at="",
)  # fmt: skip


def events(home: Home) -> list[str]:
    return [line["event"] for line in ledger.read(home)]


def test_a_line_says_when_under_which_boot_and_of_whom(tmp_path: Path) -> None:
    ledger.record(Home(tmp_path), "started", **ABOUT, pid=7, start_time=70)
    (line,) = ledger.read(Home(tmp_path))
    assert set(line) == {"at", "boottime_s", "boot_id", "event", "pid", "start_time", *ABOUT}
    assert line["boottime_s"] > 0
    assert line["boot_id"]


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pid: ledger.record(home, "started", **ABOUT, pid=pid), range(200)))
    assert sorted(line["pid"] for line in ledger.read(home)) == list(range(200))


def test_a_line_that_a_full_disk_cut_spoils_no_other(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ledger.record(home, "accepted", **ABOUT)
    with open(home.ledger, "ab") as file:
        file.write(b'{"at": "2026')
    ledger.record(home, "started", **ABOUT)
    assert events(home) == ["accepted", "started"]


def test_a_tombstone_and_its_acknowledgement_outlive_the_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    attempts.cancel(home, A)
    attempts.cancel(home, A)
    attempts.acknowledge(home, A)
    attempts.acknowledge(home, A)
    assert events(home) == ["buried", "acknowledged"]
    assert ledger.read(home)[-1]["phase"] == "cancelled"


def test_who_was_refused_is_written_down(tmp_path: Path) -> None:
    home = Home(tmp_path)
    attempts.cancel(home, A)
    late = json.dumps(protocol.to_json(AttemptRequest(attempt_id="b", episode_id="e", fence=1))).encode()
    assert verbs.answer("cancel", home, tmp_path, {}, io.BytesIO(late), io.BytesIO()) == 1
    last = ledger.read(home)[-1]
    assert (last["event"], last["verb"], last["kind"], last["attempt_id"]) == ("refused", "cancel", "stale-fence", "b")
    assert ledger.about(home, "b") == []
    # Nobody's name, nobody's history.
    verbs.answer("cancel", home, tmp_path, {}, io.BytesIO(b'{"attempt_id": "../x"}'), io.BytesIO())
    assert len(events(home)) == 2


def test_an_end_is_told_once_for_each_supervisor(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ledger.record(home, "started", **ABOUT)
    ledger.ended(home, "a", "e", RECORD)
    ledger.ended(home, "a", "e", RECORD)
    ledger.record(home, "resumed", **ABOUT)
    ledger.ended(home, "a", "e", RECORD)
    assert events(home) == ["started", "ended", "resumed", "ended"]
