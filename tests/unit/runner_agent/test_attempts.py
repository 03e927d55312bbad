"""What an attempt's phase is, and who may do what to it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from runner_agent import attempts, files, locks, protocol
from runner_agent.home import Home, is_name
from runner_agent.observation import Traces, decide_phase, listed, status
from runner_agent.protocol import AttemptRequest, ExitRecord
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


LAUNCH = {
    "attempt_id": "a", "episode_id": "e", "fence": 2, "kind": "episode", "repo_url": "r", "commit": "0" * 40,
    "base_key": "b", "agent": None, "sessions": [], "items": [], "checks": [], "hidden_checks": 0, "build": [],
    "lint": [], "test": [], "smoke": {"command": {"argv": ["true"], "limit_s": 1}},
    "limits": {
        "wall_s": 1, "session_s": 1, "checkout_s": 1, "smoke_s": 1, "grade_s": 1, "grade_wait_s": 1,
        "log_bytes": 1, "disk_bytes": 1, "processes": 1,
    },
}  # fmt: skip
