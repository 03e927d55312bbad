"""With `reuse` an earlier episode's measurement is taken where nothing that decides how it comes out is another."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from runner_agent.protocol import AttemptStatus, LaunchSpec
from tests.integration.runner_agent.rig import Rig

FASTER = "echo 20 > speed"


def smoke(rig: Rig, spec: LaunchSpec) -> tuple[AttemptStatus, dict[str, Any], dict[str, bytes]]:
    """The end of an attempt, its event `smoke-reused`, and its files."""
    status = rig.run(spec)
    assert status.exit is not None
    assert status.exit.reason == "completed", status.exit
    files = rig.pull(spec)
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    reused = next((event for event in events if event["event"] == "smoke-reused"), {})
    return status, reused, files


def test_the_same_again_is_taken_from_the_earlier_episode_and_says_so(rig: Rig) -> None:
    first = rig.spec("measured", FASTER, reuse=True)
    second = rig.spec("measured-again", f"{FASTER}; echo more >> NOTES.md", reuse=True)

    _, reused, measured = smoke(rig, first)
    assert reused == {}
    status, reused, files = smoke(rig, second)

    assert (reused["from"], reused["attempt"]) == (first.episode_id, first.attempt_id)
    assert rig.stage(status, "smoke") == "ok"
    assert files["smoke/throughput.jsonl"] == measured["smoke/throughput.jsonl"]
    assert files["smoke/candidate-1.log"] == measured["smoke/candidate-1.log"]
    told = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert [event["reused"] for event in told if event["event"] == "smoke-round"] == [True, True]
    assert not any(event["event"] == "gate-waited" and event["gate"].startswith("gpu") for event in told)


def test_another_tree_and_a_campaign_that_does_not_ask_for_it_are_measured(rig: Rig) -> None:
    smoke(rig, rig.spec("known", FASTER, reuse=True))

    other = smoke(rig, rig.spec("other-tree", "echo 30 > speed", reuse=True))
    unasked = smoke(rig, rig.spec("unasked", FASTER))

    assert (other[1], unasked[1]) == ({}, {})
    assert b"tok_s=30" in other[2]["smoke/candidate-1.log"]


def test_a_preflight_is_always_measured(rig: Rig) -> None:
    preflight = rig.spec("sound", kind="preflight", agent=None, sessions=(), reuse=True)
    assert smoke(rig, preflight)[1] == {}
    assert smoke(rig, replace(preflight, attempt_id="attempt-sound-2", episode_id="episode-sound-2"))[1] == {}


def test_a_measurement_in_which_something_failed_is_not_taken(rig: Rig) -> None:
    crash = f"{FASTER}; echo 'exit 3' >> ci/smoke.sh"
    assert rig.stage(smoke(rig, rig.spec("crashed", crash, reuse=True))[0], "smoke") == "failed"
    assert smoke(rig, rig.spec("crashed-again", crash, reuse=True))[1] == {}
