"""A machine proves itself: a real canary on a real runner agent, whose commands are shell scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service.conftest import Lab, running_lab

WITHIN_S = 240


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Its own: a canary takes the newest accepted campaign, which in a shared one is another test's."""
    with running_lab(tmp_path) as made:
        yield made


def test_a_runner_that_is_asked_to_proves_itself_and_is_good(lab: Lab) -> None:
    ids = lab.matins.submit(lab.campaign, "replay:idler")
    lab.matins.wait_until_ended(ids, WITHIN_S)

    asked = lab.matins.matins("runner", "canary", "local", "--wait", str(WITHIN_S), "--by", "ada", "--json")
    found = json.loads(asked.stdout)
    assert (found["passed"], found["health"], found["by"], found["campaign"]) == (True, "GOOD", "ada", "toy")

    shown = lab.matins.json("runner", "show", "local")
    assert (shown["health"], shown["canary"]["episode"], shown["canary_due"]) == ("GOOD", found["episode"], "")
    assert f"canary {found['episode']} passed" in shown["judged"]["reason"]

    canary = lab.matins.json("episode", "show", found["episode"])
    assert (canary["kind"], canary["phase"], canary["end_reason"]) == ("canary", "DONE", "completed")
    stages = {stage["stage"]: stage["result"] for stage in canary["stages"]}
    assert (stages["build"], stages["smoke"]) == ("ok", "ok")
    listed = [episode["id"] for episode in lab.matins.json("episode", "list", "--all")]
    assert found["episode"] not in listed
    assert ids[0] in listed
    assert found["episode"] in [one["id"] for one in lab.matins.json("episode", "list", "--kind", "canary")]
