"""What an attempt's phase is, and who may do what to it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from runner_agent import attempts, files, ledger, locks, protocol, reports
from runner_agent.home import Home, is_name
from runner_agent.observation import Origin, Traces, decide_phase, is_gradable, listed, status, why_dead
from runner_agent.protocol import AttemptRequest, ExitRecord, GradeRequest, ReportRequest
from runner_agent.refusal import Refused

A = AttemptRequest(attempt_id="a", episode_id="e", fence=2)


def traces(**known: object) -> Traces:
    nothing = {"tombstone": False, "exited": False, "alive": False, "leftovers": False, "last_event": ""}
    return Traces(**{**nothing, **known})  # type: ignore[arg-type]


def test_nothing_but_proof_makes_an_attempt_dead() -> None:
    every = [
        traces(tombstone=tombstone, exited=exited, alive=alive, leftovers=leftovers)
        for tombstone, exited, alive, leftovers in itertools.product((False, True), repeat=4)
    ]
    assert [each for each in every if decide_phase(each) == "dead"] == [traces()]


@pytest.mark.parametrize(
    ("known", "phase"),
    [
        ({"tombstone": True}, "cancelled"),
        ({"exited": True}, "exited"),
        # The record is written just before the lock is freed.
        ({"exited": True, "alive": True}, "exited"),
        ({"alive": True, "last_event": "stage-started"}, "running"),
        ({"alive": True, "last_event": "awaiting-checks"}, "awaiting-checks"),
        ({"alive": True, "last_event": "checks-delivered"}, "running"),
        ({"last_event": "awaiting-checks"}, "dead"),
        ({"leftovers": True}, "running"),
        # A grading that came late: running while it lives, and else what it was before.
        ({"ungraded": True, "alive": True, "last_event": "grading-resumed"}, "running"),
        ({"ungraded": True}, "exited"),
        ({"ungraded": True, "leftovers": True}, "running"),
    ],
)
def test_the_phase_follows_from_the_traces(known: dict[str, object], phase: str) -> None:
    assert decide_phase(traces(**known)) == phase


def test_a_cancel_before_the_launch_leaves_a_tombstone_and_raises_the_fence(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert attempts.cancel(home, A).phase == "cancelled"
    assert (home.fences / "e").read_text() == "2\n"
    assert [path.name for path in home.attempt("a").root.iterdir()] == ["cancelled.json"]
    with pytest.raises(Refused) as refused:
        attempts.cancel(home, AttemptRequest(attempt_id="b", episode_id="e", fence=1))
    assert refused.value.kind == "stale-fence"


def test_an_acknowledged_attempt_is_forgotten_but_never_free_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    attempts.cancel(home, A)
    attempts.acknowledge(home, A)
    attempts.acknowledge(home, A)
    assert listed(home) == ()
    assert status(home, "a").phase == "cancelled"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "a\nb", "a" * 129, "ä"])
def test_an_id_that_could_be_a_path_is_refused(tmp_path: Path, name: str) -> None:
    assert not is_name(name)
    with pytest.raises(Refused) as refused:
        attempts.cancel(Home(tmp_path), AttemptRequest(attempt_id=name, episode_id="e", fence=1))
    assert refused.value.kind == "bad-request"
    with pytest.raises(Refused):
        status(Home(tmp_path), name)


def test_a_held_lock_means_alive_and_an_exit_record_means_ended(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folder = home.attempt("a")
    folder.root.mkdir(parents=True)
    folder.launch.write_text(json.dumps(LAUNCH))
    alive = locks.take(folder.alive)
    try:
        assert status(home, "a").phase == "running"
        record = ExitRecord(
            attempt_id="a", fence=2, reason="completed", detail="", stages=(), graded=True, packed=True,
            started_at="", finished_at="",
        )  # fmt: skip
        files.write_json(folder.exit, protocol.to_json(record))
        ended = status(home, "a")
        assert (ended.phase, ended.exit) == ("exited", record)
    finally:
        locks.release(alive)
    assert status(home, "a").phase == "exited"


ENDED = ExitRecord(
    attempt_id="a", fence=2, reason="completed", detail="", stages=(), graded=False, packed=True,
    started_at="", finished_at="",
)  # fmt: skip


@pytest.mark.parametrize(
    ("record", "hidden", "judged", "resumed", "gradable"),
    [
        (ENDED, 1, True, False, True),
        (replace(ENDED, graded=True), 1, True, False, False),
        (replace(ENDED, reason="cancelled"), 1, True, False, False),
        (replace(ENDED, packed=False), 1, True, False, False),
        (ENDED, 0, True, False, False),
        (ENDED, 1, False, False, False),
        (ENDED, 1, True, True, False),
    ],
)
def test_what_can_still_be_graded(record: ExitRecord, hidden: int, judged: bool, resumed: bool, gradable: bool) -> None:
    assert is_gradable(record, hidden, judged_kept=judged, resumed=resumed) is gradable


def test_a_restart_is_named_only_where_both_boots_are_known() -> None:
    origin = Origin(attempt_id="a", boot_id="one")
    assert "the machine restarted (boot one, now two)" in why_dead(origin, "two")
    for known, now in (("one", "one"), ("", "two"), ("one", "")):
        assert "restarted" not in why_dead(replace(origin, boot_id=known), now)


def test_an_ended_attempt_without_its_tree_takes_no_checks(tmp_path: Path) -> None:
    home = ended(tmp_path)
    (home.attempt("a").judged).mkdir()
    assert status(home, "a").gradable
    (home.attempt("a").judged).rmdir()
    late = GradeRequest(attempt_id="a", episode_id="e", fence=2, checks=())
    answer = attempts.grade(home, late, tmp_path / "agent")
    assert (answer.phase, answer.gradable, answer.exit) == ("exited", False, ENDED)
    assert not home.attempt("a").checks.exists()


def test_a_damaged_folder_hides_no_other_and_can_be_forgotten(tmp_path: Path) -> None:
    home = ended(tmp_path)
    for name in ("b", "c", "d"):
        home.attempt(name).root.mkdir()
    home.attempt("b").launch.write_text("{")
    home.attempt("c").tombstone.write_text("[]")
    home.attempt("d").origin.write_text(json.dumps({"attempt_id": "d", "episode_id": "e", "fence": 9}))
    home.attempt("d").exit.write_text('{"reason": "')
    told = reports.report(home, ReportRequest(cursors={}), Path("agent.pyz"))
    assert [(each.attempt_id, each.phase, each.fence) for each in told.attempts] == [
        ("a", "exited", 2), ("b", "dead", 0), ("c", "cancelled", 0), ("d", "dead", 9),
    ]  # fmt: skip
    for name in ("b", "c"):
        attempts.acknowledge(home, AttemptRequest(attempt_id=name, episode_id="e", fence=3))
    assert listed(home) == ("a", "d")


def test_what_is_left_of_an_attempt_without_records_is_told_by_the_ledger(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ledger.record(home, "accepted", attempt_id="a", episode_id="e", fence=2)
    home.attempt("a").root.mkdir(parents=True)
    told = status(home, "a")
    assert (told.phase, told.episode_id, told.fence) == ("dead", "e", 2)


def test_an_acknowledgement_that_was_cut_off_is_finished_by_the_next(tmp_path: Path) -> None:
    home = ended(tmp_path)
    folder = home.attempt("a")
    files.write_json(folder.acknowledged, protocol.to_json(status(home, "a")))
    attempts.acknowledge(home, A)
    assert list(folder.root.iterdir()) == [folder.acknowledged]


@pytest.mark.fault(18)
def test_a_fence_outlives_the_acknowledgement(tmp_path: Path) -> None:
    home = Home(tmp_path)
    attempts.cancel(home, A)
    attempts.acknowledge(home, A)
    with pytest.raises(Refused) as refused:
        attempts.cancel(home, AttemptRequest(attempt_id="b", episode_id="e", fence=1))
    assert refused.value.kind == "stale-fence"


def ended(tmp_path: Path) -> Home:
    """A home with an attempt that ended ungraded."""
    home = Home(tmp_path)
    folder = home.attempt("a")
    folder.root.mkdir(parents=True)
    folder.origin.write_text(json.dumps({"attempt_id": "a", "episode_id": "e", "fence": 2, "hidden_checks": 1}))
    files.write_json(folder.exit, protocol.to_json(ENDED))
    return home


LAUNCH = {
    "attempt_id": "a", "episode_id": "e", "fence": 2, "kind": "episode", "repo_url": "r", "commit": "0" * 40,
    "base_key": "b", "agent": None, "sessions": [], "items": [], "checks": [], "hidden_checks": 0, "build": [],
    "lint": [], "test": [], "smoke": {"command": {"argv": ["true"], "limit_s": 1}},
    "limits": {
        "wall_s": 1, "session_s": 1, "checkout_s": 1, "smoke_s": 1, "grade_s": 1, "grade_wait_s": 1,
        "log_bytes": 1, "disk_bytes": 1, "processes": 1,
    },
}  # fmt: skip
