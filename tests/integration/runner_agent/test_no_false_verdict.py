"""What must not be mistaken: a restart, a stranger with a known number, a clock that jumps, a folder that is gone."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.machines import agent_file
from runner_agent import ledger, quiescence
from runner_agent.protocol import LaunchSpec, ReportRequest, Session, Turn
from tests.components import libfaketime, need
from tests.integration.runner_agent.rig import WAIT_S, Rig, request, sh

# Debian's libfaketime 0.9.10 makes every sleep until a monotonic time fail (EINVAL), which is how Python sleeps; and it
# cannot be loaded in a sandbox. So sleeping goes past it, and a supervisor's children go without it.
SHIM = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) == 0 ? 0 : errno;
}

__attribute__((constructor)) static void begin(void) {
    char words[4096] = {0};
    int file = open("/proc/self/cmdline", O_RDONLY);
    ssize_t size = read(file, words, sizeof words - 1);
    close(file);
    for (char *word = words; word < words + size; word += strlen(word) + 1)
        if (strcmp(word, "supervise") == 0)
            unsetenv("LD_PRELOAD");
}
"""
WAIT = "echo waiting; exec sleep 600"
HOUR_S = 3600
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def call(
    rig: Rig,
    verb: str,
    message: Any,
    *,
    around: Sequence[str] = (),
    env: dict[str, str] | None = None,
    agent: Path | None = None,
) -> Any:
    """A verb of the runner, called as over SSH, inside whatever stands `around` it."""
    agent = agent or agent_file.place(agent_file.build(), rig.home.root / "agent")
    argv = [*around, os.path.realpath(sys.executable), "-I", "-S", str(agent), verb, "--home", str(rig.home.root)]
    text = json.dumps(message).encode()
    environ = {**os.environ, **(env or {})}
    told = subprocess.run(argv, input=text, capture_output=True, timeout=WAIT_S, check=True, env=environ)
    return json.loads(told.stdout)


def after_a_restart(tmp_path: Path) -> list[str]:
    """A view of this machine under another boot id, which no other process shares."""
    need("mount namespace")
    other = tmp_path / "boot_id"
    other.write_text("11111111-2222-4333-8444-555555555555\n")
    return ["unshare", "--mount", "sh", "-c", f'mount --bind {other} {BOOT_ID} && exec "$@"', "sh"]


def supervisor(rig: Rig, spec: LaunchSpec) -> int:
    return json.loads(rig.home.attempt(spec.attempt_id).identity.read_text())["pid"]


def wait_free(rig: Rig, spec: LaunchSpec) -> None:
    """Until the supervisor is gone, without asking the runner, which would write down what it finds."""
    with open(rig.home.attempt(spec.attempt_id).alive) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)


def shim(folder: Path) -> Path:
    source, made = folder / "shim.c", folder / "shim.so"
    source.write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(made), str(source)], check=True, timeout=WAIT_S)
    return made


def is_alive(pid: int) -> bool:
    """Nobody may have asked yet how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def of(told: Any, spec: LaunchSpec) -> Any:
    return next(each for each in told["attempts"] if each["attempt_id"] == spec.attempt_id)


@pytest.mark.fault(20)
def test_an_attempt_of_an_earlier_boot_is_dead_and_says_why(rig: Rig, tmp_path: Path) -> None:
    around = after_a_restart(tmp_path)
    spec = rig.spec("restarted", WAIT)
    rig.link.launch(spec)
    rig.wait_event(spec, "turn-started")
    first = rig.status(spec).boot_id
    # A power cut: everything is gone at once, and nobody looked before the machine was up again.
    os.kill(supervisor(rig, spec), signal.SIGKILL)
    wait_free(rig, spec)
    told = call(rig, "report", {"cursors": {}}, around=around)
    mine = of(told, spec)
    assert (mine["phase"], mine["exit"], mine["boot_id"]) == ("dead", None, first)
    assert f"the machine restarted (boot {first}, now {told['boot_id']})" in mine["detail"]
    last = ledger.about(rig.home, spec.attempt_id)[-1]
    assert (last["event"], last["boot_id"]) == ("found-dead", told["boot_id"])


@pytest.mark.fault(20)
def test_a_restart_before_the_supervisor_could_say_who_it_is_shows_all_the_same(rig: Rig, tmp_path: Path) -> None:
    around = after_a_restart(tmp_path)
    spec = rig.spec("restarted-early", WAIT)
    rig.home.root.mkdir(exist_ok=True)
    rig.home.failpoints.write_text("supervisor-start kill\n")
    call(rig, "launch", asdict(spec))
    wait_free(rig, spec)
    assert not rig.home.attempt(spec.attempt_id).identity.exists()
    mine = of(call(rig, "report", {"cursors": {}}, around=around), spec)
    assert (mine["phase"], "the machine restarted" in mine["detail"]) == ("dead", True)


@pytest.mark.fault(22)
def test_a_stranger_with_the_supervisors_number_is_neither_believed_nor_killed(rig: Rig) -> None:
    spec = rig.spec("reused", WAIT)
    rig.link.launch(spec)
    rig.wait_event(spec, "turn-started")
    os.kill(supervisor(rig, spec), signal.SIGKILL)
    folder = rig.home.attempt(spec.attempt_id)
    wait_free(rig, spec)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            # As if the kernel had given both numbers, the supervisor's and a sandbox's, to somebody else.
            identity = json.loads(folder.identity.read_text())
            folder.identity.write_text(json.dumps({**identity, "pid": stranger.pid}))
            start = quiescence.start_time(stranger.pid)
            with open(folder.inits, "a") as inits:
                inits.write(f"{stranger.pid} {start - 1} {identity['boot_id']}\n")
            status = rig.status(spec)
            assert (status.phase, status.exit) == ("dead", None)
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.fault(22)
@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_a_clock_that_jumps_an_hour_ends_nothing(rig: Rig, tmp_path: Path, jump_s: int) -> None:
    need("libfaketime", "cc")
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    faked = {
        "LD_PRELOAD": f"{shim(tmp_path)}:{libfaketime()}",
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        # A jump of the wall clock: the monotonic one is the kernel's, and no setting of the date moves it.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    spec = rig.spec(f"jump{jump_s}", "touch begun; until [ -e go ]; do sleep 0.02; done", base_key="quick")
    spec = replace(spec, build=(), lint=(), test=(sh("true"),), sessions=(Session(turns=(Turn(say="Wait."),)),))
    call(rig, "launch", asdict(spec), env=faked)
    folder = rig.home.attempt(spec.attempt_id)
    rig.wait(spec, lambda _: (rig.seen(spec, folder.tree) / "begun").exists())
    offset.write_text(f"{jump_s:+d}\n")
    (rig.seen(spec, folder.tree) / "go").touch()
    # Asked by a caller whose clock is right, and by one whose clock is not.
    assert of(call(rig, "report", {"cursors": {}}, env=faked), spec)["phase"] in ("running", "exited")
    status = rig.end(spec)
    assert status.exit is not None
    assert (status.exit.reason, status.exit.graded) == ("completed", True)
    assert {stage.result for stage in status.exit.stages} <= {"ok", "skipped"}
    assert all(0 <= stage.seconds < HOUR_S / 2 for stage in status.exit.stages)
    events = {event["event"]: event["at"] for event in rig.events(spec)}
    assert (events["attempt-ended"] < events["attempt-started"]) is (jump_s < 0), "the clock did not jump"
    booted = [line["boottime_s"] for line in ledger.about(rig.home, spec.attempt_id)]
    assert booted == sorted(booted)


def test_a_supervisor_whose_folder_was_deleted_is_ended_and_the_attempt_is_gone(rig: Rig) -> None:
    spec = rig.spec("deleted", WAIT)
    rig.link.launch(spec)
    rig.wait_event(spec, "turn-started")
    pid = supervisor(rig, spec)
    shutil.rmtree(rig.home.attempt(spec.attempt_id).root)
    told = rig.link.report(ReportRequest(cursors={spec.attempt_id: {}}))
    assert told.gone == (spec.attempt_id,)
    assert not is_alive(pid)
    assert quiescence.living(spec.attempt_id, rig.home.attempt(spec.attempt_id).inits) == []
    assert rig.link.report(ReportRequest(cursors={spec.attempt_id: {}})).gone == (spec.attempt_id,)
    assert [line["event"] for line in ledger.about(rig.home, spec.attempt_id)] == ["accepted", "started", "found-dead"]


@pytest.mark.fault(9)
def test_a_cancel_takes_the_whole_process_tree_along(rig: Rig) -> None:
    stubborn = "trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM HUP; sleep 600' &) ; touch begun; sleep 600; sleep 600"
    spec = rig.spec("tree", stubborn)
    rig.link.launch(spec)
    folder = rig.home.attempt(spec.attempt_id)
    rig.wait(spec, lambda _: (rig.seen(spec, folder.tree) / "begun").exists())
    assert len(quiescence.living(spec.attempt_id, folder.inits)) >= 2
    rig.link.cancel(request(spec))
    status = rig.end(spec)
    assert status.exit is not None
    assert status.exit.reason == "cancelled"
    assert quiescence.living(spec.attempt_id, folder.inits) == []


@pytest.mark.fault(18)
def test_a_launch_that_was_delayed_past_its_cancel_starts_nothing_under_any_version(rig: Rig, tmp_path: Path) -> None:
    spec = rig.spec("delayed", WAIT)
    rig.link.cancel(request(spec))
    assert call(rig, "launch", asdict(spec))["phase"] == "cancelled"
    rig.link.acknowledge(request(spec))
    # The packet was made for the agent file of another version.
    other = tmp_path / "agent-of-another-version.pyz"
    other.write_bytes(agent_file.build().content)
    assert call(rig, "launch", asdict(spec), agent=other)["phase"] == "cancelled"
    assert [line["event"] for line in ledger.about(rig.home, spec.attempt_id)] == ["buried", "acknowledged"]
