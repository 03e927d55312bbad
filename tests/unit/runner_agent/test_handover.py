"""Which agent file answers for an attempt, and which files go."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from runner_agent import files, handover
from runner_agent.handover import KEPT_S
from runner_agent.home import Home

NOW_S = 1e9


def placed(home: Home, content: bytes, age_s: float = 2 * KEPT_S) -> Path:
    """An agent file that came so long ago."""
    home.agents.mkdir(exist_ok=True)
    path = home.agents / f"agent-{hashlib.sha256(content).hexdigest()[:16]}.pyz"
    path.write_bytes(content)
    os.utime(path, (NOW_S - age_s, NOW_S - age_s))
    return path


def begun(home: Home, attempt_id: str, by: str) -> str:
    folder = home.attempt(attempt_id)
    folder.root.mkdir(parents=True)
    files.write_json(folder.origin, {"attempt_id": attempt_id, "agent": by} if by else {"attempt_id": attempt_id})
    return attempt_id


def test_an_attempt_is_answered_for_by_the_file_that_began_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    older, own = placed(home, b"older"), placed(home, b"own")
    begun(home, "a", older.name)
    begun(home, "b", own.name)
    begun(home, "c", older.name)
    assert handover.keepers(home, ("a", "b", "c"), own) == {older: ("a", "c")}
    assert handover.keepers(home, ("a", "b", "c"), older) == {own: ("b",)}
    for verb in handover.ABOUT_ONE:
        assert handover.keeper_of_call(home, verb, {"attempt_id": "a"}, own) == older
        assert handover.keeper_of_call(home, verb, {"attempt_id": "b"}, own) is None


@pytest.mark.parametrize("said", ["", "agent.pyz", "../../evil.pyz", "agent-0123456789abcdef.pyz"])
def test_where_no_such_file_can_be_meant_the_one_that_was_asked_answers(tmp_path: Path, said: str) -> None:
    home = Home(tmp_path)
    begun(home, "a", said)
    assert handover.keeper(home, "a", placed(home, b"own")) is None


def test_a_file_that_is_not_whole_any_more_answers_for_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    older, own = placed(home, b"older"), placed(home, b"own")
    begun(home, "a", older.name)
    older.write_bytes(b"old")
    assert handover.keeper(home, "a", own) is None


@pytest.mark.parametrize("request_", [None, [], {}, {"attempt_id": 7}, {"attempt_id": "../a"}, {"attempt_id": "none"}])
def test_a_request_that_names_no_attempt_is_passed_on_to_nobody(tmp_path: Path, request_: object) -> None:
    home = Home(tmp_path)
    begun(home, "a", placed(home, b"older").name)
    assert handover.keeper_of_call(home, "cancel", request_, placed(home, b"own")) is None


def test_files_go_that_no_attempt_needs_and_no_others(tmp_path: Path) -> None:
    home = Home(tmp_path)
    own, needed, unused = (placed(home, content) for content in (b"own", b"needed", b"unused"))
    other = home.agents / "notes.txt"
    other.touch()
    attempt = begun(home, "a", needed.name)
    assert handover.forget_unused(home, (attempt,), own, NOW_S) == (unused,)
    assert sorted(home.agents.iterdir()) == sorted((own, needed, other))
    assert handover.forget_unused(home, (), own, NOW_S) == (needed,)


def test_nothing_goes_while_an_attempt_does_not_tell_what_began_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    own = placed(home, b"own")
    placed(home, b"unused")
    attempt = begun(home, "a", "")
    assert handover.forget_unused(home, (attempt,), own, NOW_S) == ()
    # One that was cancelled before it began needs no file.
    home.attempt("a").tombstone.touch()
    assert len(handover.forget_unused(home, (attempt,), own, NOW_S)) == 1


def test_nothing_goes_soon_after_it_came_or_after_its_successor_came(tmp_path: Path) -> None:
    home = Home(tmp_path)
    fresh, own = placed(home, b"fresh", age_s=KEPT_S / 2), placed(home, b"own")
    old = placed(home, b"old")
    assert handover.forget_unused(home, (), fresh, NOW_S) == ()
    assert handover.forget_unused(home, (), own, NOW_S) == (old,)
