"""Waking, examining and importing machines, and looking at all of them, as users do."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Matins
from tests.integration.cli.fake_api import FakeApi

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG8+v+oyplBbSeUkAVIqAT2ZOJ77Ww7R22gJmAWn6TTc"
STAGES = ("packet", "link", "tcp", "ssh", "boot-id", "hello", "vulkan")
HOST = f'gpu01 ansible_host=10.0.0.2 matins_user=m matins_key_file=/k matins_host_key="{KEY}"\n'


def _wake(came: int, **more: Any) -> dict[str, Any]:
    stages = [{"name": name, "seconds": 1.5} for name in STAGES[:came]]
    ready = {"runner": "gpu01", "ready": came == len(STAGES), "stages": stages, "failed_stage": None, "reason": ""}
    return ready | {"under_way": came < len(STAGES)} | more


def _plays(api: FakeApi, path: str, answers: list[dict[str, Any]]) -> None:
    """The last answer stays."""

    def override(_method: str, asked: str) -> tuple[int, Any] | None:
        if not asked.endswith(path):
            return None
        return 200, answers.pop(0) if len(answers) > 1 else answers[0]

    api.override = override


def test_a_wake_that_is_waited_for_tells_each_stage_and_ends_with_0(api: FakeApi, matins: Matins) -> None:
    _plays(api, "/runners/gpu01/wake", [_wake(1, reason="it waits for an answer to ARP"), _wake(3), _wake(7)])
    ended = matins("runner", "wake", "gpu01", "--wait", "30")
    assert (ended.status, ended.out) == (0, "gpu01  ready after 10.5 s\n")
    assert [line.split()[1] for line in ended.err.splitlines()] == list(STAGES)


def test_a_wake_that_fails_is_named_by_its_stage_and_ends_with_1(api: FakeApi, matins: Matins) -> None:
    reason = "SSH up, no Vulkan device"
    failed = _wake(6, failed_stage="vulkan", reason=reason, under_way=False)
    _plays(api, "/runners/gpu01/wake", [_wake(1), failed])
    ended = matins("runner", "wake", "gpu01", "--wait", "30", "--json")
    assert ended.status == 1
    answer = json.loads(ended.out)
    assert {"runner", "ready", "stages", "failed_stage", "reason"} <= answer.keys()
    assert (answer["ready"], answer["failed_stage"], answer["reason"]) == (False, "vulkan", reason)


def test_a_wake_that_takes_longer_than_the_wait_goes_on_by_itself(api: FakeApi, matins: Matins) -> None:
    _plays(api, "/runners/gpu01/wake", [_wake(2, reason="it waits for its SSH port")])
    ended = matins("runner", "wake", "gpu01", "--wait", "0.1")
    assert (ended.status, ended.out) == (1, "gpu01  waking: it waits for its SSH port\n")
    assert "is not ready after 0.1 s: it waits for its SSH port" in ended.err
    assert matins("runner", "wake", "gpu01").status == 0


def test_the_doctor_says_each_prerequisite_with_its_remedy_and_fails_if_one_does(api: FakeApi, matins: Matins) -> None:
    found = [
        {"name": "connection", "result": "pass", "found": "m@10.0.0.2:22 answers", "remedy": ""},
        {"name": "firmware", "result": "unknown", "found": "cannot be seen from here", "remedy": "look into the BIOS"},
    ]
    answer = {"runner": "gpu01", "prerequisites": found}
    _plays(api, "/doctor", [answer])
    well = matins("runner", "doctor", "gpu01")
    assert well.status == 0
    assert well.out.splitlines() == [
        "pass     connection  m@10.0.0.2:22 answers",
        "unknown  firmware    cannot be seen from here",
        "                     → look into the BIOS",
        "1 pass, 1 unknown",
    ]
    found.append({"name": "disk", "result": "fail", "found": "1 GiB free", "remedy": "make room"})
    ill = matins("runner", "doctor", "gpu01", "--json")
    assert (ill.status, json.loads(ill.out)) == (1, answer)


@pytest.mark.parametrize(("verb", "state"), [("sleep", "suspending"), ("drain", "draining"), ("remove", "retired")])
def test_what_an_operator_asks_for_is_sent_with_a_name(api: FakeApi, matins: Matins, verb: str, state: str) -> None:
    _plays(api, f"/{verb}", [{"runner": "gpu01", "state": state}])
    assert matins("runner", verb, "gpu01", "--by", "ada").out == f"gpu01  {state}\n"
    assert api.asked[-1][2]["by"] == "ada"


def test_a_runner_is_added_with_all_that_wakes_it(api: FakeApi, matins: Matins) -> None:
    place = ("--host", "10.0.0.2", "--user", "m", "--key", "/k", "--host-key", KEY)
    waking = ("--mac", "aa:bb:cc:dd:ee:01", "--broadcast", "10.0.0.255", "--interface", "eth1", "--sleeps", "power-off")
    assert matins("runner", "add", "gpu01", *place, *waking).status == 0
    sent = api.asked[-1][2]
    assert {name: sent[name] for name in ("mac", "broadcast", "interface", "sleeps")} == {
        "mac": "aa:bb:cc:dd:ee:01",
        "broadcast": "10.0.0.255",
        "interface": "eth1",
        "sleeps": "power-off",
    }
    assert matins("runner", "add", "here", "--local", "--mac", "aa:bb:cc:dd:ee:01").status == 2


def test_an_inventory_is_checked_whole_before_any_of_it_is_added(api: FakeApi, matins: Matins) -> None:
    problem = {"line": 1, "where": "gpu01", "message": "'x' is no MAC address", "remedy": "write it as aa:…"}
    error = {"kind": "bad-input", "message": "1 problem", "remedy": "", "problems": [problem]}
    api.override = lambda _method, path: (422, {"error": error}) if path.endswith("/import") else None
    Path("hosts.ini").write_text(f"{HOST}gpu02 matins_user=m\n", encoding="utf-8")
    ended = matins("runner", "import", "hosts.ini")
    assert ended.status == 2
    assert ended.err.splitlines() == [
        "hosts.ini:1: gpu01: 'x' is no MAC address — write it as aa:…",
        "hosts.ini:2: gpu02: nobody can log in: there is no key — set matins_key_file or ansible_ssh_private_key_file",
    ]
    assert [asked[2].get("check") for asked in api.asked] == [True]


def test_a_host_key_that_nobody_can_confirm_is_shown_and_never_learnt(api: FakeApi, matins: Matins) -> None:
    api.host_key = {"host_key": KEY, "fingerprint": "SHA256:abc"}
    api.override = lambda _method, path: (201, {"runners": []}) if path.endswith("/import") else None
    Path("hosts.ini").write_text(HOST.partition("matins_host_key")[0] + "\n", encoding="utf-8")
    ended = matins("runner", "import", "hosts.ini")
    assert ended.status == 2
    assert "10.0.0.2:22 offers the host key SHA256:abc (ssh-ed25519)." in ended.err
    assert "hosts.ini:1: gpu01: its host key was not given, and nobody is there to confirm it" in ended.err
    assert f'if it is right: matins_host_key="{KEY}"' in ended.err
    assert all(asked[2].get("check") for asked in api.asked if asked[1].endswith("/import"))


def test_an_inventory_s_hosts_are_added_and_what_became_of_each_is_said(api: FakeApi, matins: Matins) -> None:
    added = {"name": "gpu01", "kind": "ssh", "state": "unknown", "host": "10.0.0.2", "import": "added"}
    api.override = lambda _method, path: (201, {"runners": [added]}) if path.endswith("/import") else None
    Path("hosts.ini").write_text(HOST, encoding="utf-8")
    ended = matins("runner", "import", "hosts.ini")
    assert (ended.status, ended.out.split()) == (
        0,
        ["NAME", "IMPORT", "STATE", "HOST", "gpu01", "added", "unknown", "10.0.0.2"],
    )
    assert api.asked[-1][2]["runners"][0]["host_key"] == KEY
    assert matins("runner", "import", "hosts.ini", "--group", "nobody").status == 2
    assert matins("runner", "import", "nowhere.ini").status == 2


FLEET = {
    "at": "2026-11-21T10:02:41.500Z",
    "runners": [{"name": "gpu01", "kind": "ssh", "state": "asleep", "slots": {"agent": 1}}],
    "episodes": [],
    "counts": {"running": 0, "queued": 0},
}


def test_top_without_a_terminal_shows_the_fleet_once(api: FakeApi, matins: Matins) -> None:
    _plays(api, "/fleet", [FLEET])
    shown = matins("top")
    assert (shown.status, "1 runner: 1 asleep" in shown.out, "\x1b" in shown.out) == (0, True, False)
    assert json.loads(matins("top", "--json").out) == FLEET


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_top_on_a_terminal_goes_on_until_q_or_ctrl_c(api: FakeApi, matins: Matins, key: bytes) -> None:
    """`matins` is here for the environment that it sets."""
    _plays(api, "/fleet", [FLEET])
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "orchestrator.cli", "top", "--every", "0.2"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    child = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment)
    shown, deadline = b"", time.monotonic() + 150
    while (b"1 asleep" not in shown or len(api.asked) < 3) and time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            shown += os.read(ours, 65536)
    os.write(ours, key) if key == b"q" else child.send_signal(2)
    while child.poll() is None and time.monotonic() < deadline:
        if select.select([ours], [], [], 0.05)[0]:
            shown += os.read(ours, 65536)
    assert child.wait(60) == 0, shown
    assert b"\x1b[?1049h" in shown
    os.close(ours)
    os.close(theirs)


def _canary(phase: str, **more: Any) -> dict[str, Any]:
    told = {"runner": "gpu01", "episode": "c0ffee", "campaign": "decode", "phase": phase, "under_way": phase != "DONE"}
    return {**told, "gpu": "", "passed": None, "reason": "", "health": "SUSPECT", **more}


def test_a_canary_that_passes_ends_with_0_and_one_that_fails_with_1(api: FakeApi, matins: Matins) -> None:
    good = _canary("DONE", passed=True, health="GOOD")
    _plays(api, "/runners/gpu01/canary", [_canary("QUEUED"), good])
    assert matins("runner", "canary", "gpu01").status == 0
    ended = matins("runner", "canary", "gpu01", "--wait", "30")
    assert (ended.status, ended.out) == (0, "gpu01  canary c0ffee of decode passed: GOOD\n")
    bad = _canary("DONE", passed=False, health="QUARANTINED", reason="[GPU PERDISPATCH] never appeared")
    _plays(api, "/runners/gpu01/canary", [bad])
    ended = matins("runner", "canary", "gpu01", "--wait", "30")
    assert ended.status == 1
    assert ended.out == "gpu01  canary c0ffee of decode failed: [GPU PERDISPATCH] never appeared; QUARANTINED\n"
