"""Hidden checks that come after their attempt has ended without them."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import pytest

from orchestrator.errors import LinkRefused
from runner_agent import ledger, quiescence
from runner_agent.protocol import AttemptStatus, Check, LaunchSpec
from tests.integration.runner_agent.rig import Rig, checks, overlay, request, sh

SHOWN = Check(id="clean/1", item="clean", kind="pattern-present", pattern="begun", opened=True)
HIDDEN = Check(
    id="fast/1",
    item="fast",
    kind="command",
    command=sh("test -f hidden.txt && grep -qx begun source.txt"),
    files=(overlay("hidden.txt", "secret"),),
)
SLOW = Check(id="fast/1", item="fast", kind="command", command=sh("echo waiting; exec sleep 600", limit_s=600))


def ungraded(rig: Rig, name: str) -> LaunchSpec:
    """An attempt that has waited for its checks in vain."""
    spec = rig.spec(name, "echo begun > source.txt", hidden_checks=1, checks=(SHOWN,), base_key="quick")
    spec = replace(spec, build=(), lint=(), test=(), limits=replace(spec.limits, grade_wait_s=0.0))
    status = rig.run(spec)
    assert (status.phase, status.gradable, status.exit and status.exit.graded) == ("exited", True, False)
    return spec


def evidence(rig: Rig, spec: LaunchSpec) -> dict[str, object]:
    return json.loads(rig.pull(spec)["grade/evidence.json"])


def wait_check(rig: Rig, spec: LaunchSpec) -> AttemptStatus:
    """Until the slow check runs."""
    log = rig.home.attempt(spec.attempt_id).out / "grade" / "fast-1.log"
    return rig.wait(spec, lambda _: log.exists() and "waiting" in log.read_text())


def test_checks_that_come_late_are_put_to_what_the_agent_left(rig: Rig) -> None:
    spec = ungraded(rig, "late")
    folder = rig.home.attempt(spec.attempt_id)
    assert (folder.judged.is_dir(), folder.tree.exists(), folder.baseline.exists()) == (True, False, False)
    assert evidence(rig, spec)["graded"] is False

    assert rig.link.grade(checks(spec, HIDDEN)).phase in ("running", "exited")
    status = rig.end(spec)

    assert status.exit is not None
    assert (status.exit.reason, status.exit.graded, status.gradable) == ("completed", True, False)
    grades = [(stage.result) for stage in status.exit.stages if stage.stage == "grade"]
    assert grades == ["skipped", "ok"]
    found = evidence(rig, spec)
    assert found["graded"] is True
    assert found["opened"] == ["source.txt"]
    assert [check["exit_code"] for check in found["checks"]] == [None, 0]  # type: ignore[index]
    assert b"+begun" in rig.pull(spec)["diff.patch"]
    events = rig.events(spec)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert "judged-tree-made-anew" not in [event["event"] for event in events]
    assert [line["event"] for line in ledger.about(rig.home, spec.attempt_id)] == [
        "accepted", "started", "ended", "resumed", "ended",
    ]  # fmt: skip
    # Once is all: a second delivery finds a graded attempt.
    assert rig.link.grade(checks(spec, HIDDEN)).exit == status.exit
    assert not folder.judged.exists()
    assert not folder.ungraded_out.exists()


def test_a_late_grading_that_is_killed_leaves_the_ungraded_record_and_its_files(rig: Rig) -> None:
    spec = ungraded(rig, "late-killed")
    before = rig.pull(spec)
    first = rig.status(spec).exit
    assert rig.link.grade(checks(spec, SLOW)).phase == "running"
    wait_check(rig, spec)
    with pytest.raises(LinkRefused) as refused:
        rig.pull(spec)
    assert refused.value.refusal == "not-ended"

    os.kill(json.loads(rig.home.attempt(spec.attempt_id).identity.read_text())["pid"], signal.SIGKILL)
    status = rig.end(spec)

    assert (status.phase, status.gradable, status.exit) == ("exited", False, first)
    assert quiescence.living(spec.attempt_id, rig.home.attempt(spec.attempt_id).inits) == []
    assert rig.pull(spec) == before
    assert [line["event"] for line in ledger.about(rig.home, spec.attempt_id)][-2:] == ["resumed", "found-dead"]
    # It is not tried again, and can be forgotten.
    assert rig.link.grade(checks(spec, HIDDEN)).exit == first
    rig.link.acknowledge(request(spec))
    assert spec.attempt_id not in [each.attempt_id for each in rig.statuses()]


def test_a_late_grading_looks_for_the_device_that_its_attempt_was_for(rig: Rig) -> None:
    spec = ungraded(rig, "late-device")
    # As if its card had been pulled since.
    launch = rig.home.attempt(spec.attempt_id).launch
    launch.write_text(json.dumps({**json.loads(launch.read_text()), "gpu": "00000000-0000-0000-0000-000000000042"}))
    rig.link.grade(checks(spec, HIDDEN))
    status = rig.end(spec)
    assert status.exit is not None
    assert status.exit.graded is False
    assert "the Vulkan device 00000000-0000-0000-0000-000000000042 is not here" in status.exit.detail


def test_a_late_grading_can_be_cancelled(rig: Rig) -> None:
    spec = ungraded(rig, "late-cancel")
    before = rig.pull(spec)
    rig.link.grade(checks(spec, SLOW))
    wait_check(rig, spec)
    rig.link.cancel(request(spec))
    status = rig.end(spec)
    assert status.exit is not None
    assert (status.exit.graded, status.gradable) == (False, False)
    assert "did not end well: cancelled" in status.exit.detail
    assert rig.pull(spec) == before
