"""Two versions of the runner agent on one machine: an orchestrator that was updated, and attempts that were not.

What lies in an attempt's folder is named otherwise by the older version here, so that the newer one, left to itself,
could neither end such an attempt nor see that it has ended.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.machines import agent_file
from orchestrator.machines.agent_file import AgentFile
from orchestrator.machines.ssh import SshLink
from runner_agent import files
from runner_agent.handover import KEPT_S
from runner_agent.protocol import Check, LaunchSpec
from tests.components import need
from tests.integration.machines.conftest import Links
from tests.integration.runner_agent.rig import Rig, checks, request, sh

HOME = "runner_agent/home.py"
RENAMED = ("cancel", "checks.json", "exit.json")


def of_another_version() -> AgentFile:
    """The runner agent with another layout of an attempt's folder."""
    sources = agent_file.sources()
    text = sources[HOME].decode()
    for name in RENAMED:
        assert text.count(f'"{name}"') == 1
        text = text.replace(f'"{name}"', f'"older-{name}"')
    return agent_file.pack({**sources, HOME: text.encode()})


def begun_by(rig: Rig, spec: LaunchSpec) -> str:
    return files.read_json(rig.home.attempt(spec.attempt_id).origin)["agent"]


def age(folder: Path) -> None:
    """As if all agent files had come long ago."""
    for path in folder.iterdir():
        at_s = path.stat().st_mtime - 2 * KEPT_S
        os.utime(path, (at_s, at_s))


@pytest.fixture
def versions(linked: Links, tmp_path: Path) -> tuple[Rig, SshLink, SshLink]:
    """A runner of its own, and links of an older and of this version to it; the rig's is this version's."""
    need("bwrap", "git")
    rig = Rig.make(tmp_path)
    older = linked(home=rig.home.root, agent=of_another_version())
    newer = linked(home=rig.home.root)
    return replace(rig, link=newer), older, newer


def test_a_newer_orchestrator_goes_on_with_attempts_in_their_version_and_begins_others_in_its_own(
    versions: tuple[Rig, SshLink, SshLink],
) -> None:
    rig, older, newer = versions
    names = [agent.name for agent in (of_another_version(), agent_file.build())]
    graded, endless, another = rig.spec("graded", hidden_checks=1), rig.spec("endless", "sleep 600"), rig.spec("new")
    for spec in (graded, endless):
        assert older.launch(spec).phase == "running"
    assert [path.name for path in rig.home.agents.iterdir()] == names[:1]

    # The one is handed its checks, the other is cancelled; both only their own version can do, and see the end of.
    assert newer.launch(endless).phase == "running"
    rig.wait_event(endless, "attempt-started")
    newer.cancel(request(endless))
    rig.wait(graded, lambda status: status.phase == "awaiting-checks")
    newer.grade(checks(graded, Check(id="fast/0", item="fast", kind="command", command=sh("true"))))
    cancelled = rig.wait(endless, lambda status: status.phase == "exited")
    assert cancelled.exit is not None and cancelled.exit.reason == "cancelled"
    ended = rig.wait(graded, lambda status: status.phase == "exited")
    assert ended.exit is not None and ended.exit.graded

    # What comes now is of the newer version, and the older orchestrator may ask of it as well.
    assert newer.launch(another).phase == "running"
    assert [begun_by(rig, spec) for spec in (graded, another)] == names
    older.cancel(request(another))
    of_both = {status.attempt_id for status in rig.statuses()}
    assert of_both == {spec.attempt_id for spec in (graded, endless, another)}
    told = rig.wait(another, lambda status: status.phase == "exited")
    assert told.exit is not None and told.exit.reason == "cancelled"

    # The older file stays for as long as a result of it was not taken, however old it is.
    rig.end(endless)
    newer.acknowledge(request(endless))
    rig.end(graded)
    age(rig.home.agents)
    newer.hello()
    assert sorted(path.name for path in rig.home.agents.iterdir()) == sorted(names)
    assert b"fast/0" in rig.pull(graded)["grade/evidence.json"]
    newer.acknowledge(request(graded))
    newer.hello()
    assert [path.name for path in rig.home.agents.iterdir()] == names[1:]
    assert {status.attempt_id for status in rig.statuses()} == {another.attempt_id}
