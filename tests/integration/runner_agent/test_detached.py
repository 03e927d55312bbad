"""Supervisors that outlive whoever started them, forked or as units of systemd."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from orchestrator.machines import agent_file
from runner_agent import ledger, locks
from runner_agent.protocol import LaunchSpec
from tests.components import need
from tests.integration.runner_agent.rig import WAIT_S, Rig, request

# Stands in for systemd-run(1) and the manager behind it: takes the documented options and no others, starts the program
# in a clean environment with no descriptor of the caller, and answers once it has become the program (`Type=exec`).
SYSTEMD_RUN = """#!{python}
import json, os, re, sys

words = sys.argv[1:]
at = words.index("--")
flags, command = words[:at], words[at + 1:]
environ = {{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}}
for flag in flags:
    name, _, value = flag.partition("=")
    if name == "--setenv":
        key, _, environ[key] = value.partition("=")
    elif name not in ("--user", "--quiet", "--no-ask-password", "--collect", "--unit", "--service-type", "--property"):
        sys.exit(f"systemd-run: unrecognized option '{{flag}}'")
mode = open("{folder}/mode").read()
json.dump(words, open("{folder}/asked", "w"))
if mode == "absent":
    command[0] = "/nowhere/python3"
ready, began = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    null = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.dup2(began, 3)
    os.set_inheritable(3, False)
    os.closerange(4, 1024)
    os.chdir("/")
    if mode == "late":
        open("{folder}/gate").read()  # a pipe: until the test lets it go on
    try:
        os.execve(command[0], [part.replace("$$", "$") for part in command], environ)
    except OSError as error:
        os.write(3, str(error).encode())
        os._exit(203)
os.close(began)
if mode == "late":
    sys.exit("Failed to start transient service unit: Connection timed out")
problem = os.read(ready, 1000)
if problem:
    sys.exit(f"Job failed: {{problem.decode()}}")
"""
SHORT: dict[str, Any] = {"build": (), "lint": (), "test": (), "base_key": "quick"}


@pytest.fixture
def manager(tmp_path: Path) -> Path:
    """The folder of the stand-in: `mode` says what it does, `asked` what it was told."""
    need("mount namespace")
    (tmp_path / "mode").write_text("")
    program = tmp_path / "bin" / "systemd-run"
    program.parent.mkdir()
    program.write_text(SYSTEMD_RUN.format(python=os.path.realpath(sys.executable), folder=tmp_path))
    program.chmod(0o755)
    return tmp_path


def launch_under_systemd(rig: Rig, manager: Path, spec: LaunchSpec) -> Mapping[str, Any]:
    """Launches where `/run/systemd/system` exists and `systemd-run` is the stand-in."""
    agent = agent_file.place(agent_file.build(), rig.home.root / "agent")
    booted = 'mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec "$@"'
    told = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-c", booted, "sh"),
            *(os.path.realpath(sys.executable), "-I", "-S", str(agent), "launch", "--home", str(rig.home.root)),
        ],
        input=json.dumps(asdict(spec)).encode(),
        env={**os.environ, "PATH": f"{manager / 'bin'}:{os.environ['PATH']}", "GREETING": "a credential"},
        stdout=subprocess.PIPE,
        timeout=WAIT_S,
        check=True,
    )
    return json.loads(told.stdout)


def identity(rig: Rig, spec: LaunchSpec) -> dict[str, Any]:
    return json.loads(rig.home.attempt(spec.attempt_id).identity.read_text())


def test_where_systemd_runs_the_supervisor_is_a_unit(rig: Rig, manager: Path) -> None:
    spec = rig.spec("unit", "test \"$(cat)\" != '' && echo done >> source.txt", **SHORT)
    told = launch_under_systemd(rig, manager, spec)
    # The call has returned, and there was no moment in which nobody held the lock.
    assert told["phase"] == "running"
    assert locks.is_held(rig.home.attempt(spec.attempt_id).alive)
    status = rig.end(spec)
    assert status.exit is not None
    assert (status.exit.reason, status.exit.graded) == ("completed", True)
    assert b"+done" in rig.pull(spec)["diff.patch"]
    assert identity(rig, spec)["detached"] == "unit"
    asked = json.loads((manager / "asked").read_text())
    assert "--service-type=exec" in asked
    assert not [word for word in asked if "credential" in word], "a command line can be read by every account"
    assert not rig.home.attempt(spec.attempt_id).handover.exists()


@pytest.mark.parametrize(("mode", "why"), [("absent", "Job failed"), ("late", "timed out")])
def test_where_no_unit_can_be_started_a_fork_is_and_only_that(rig: Rig, manager: Path, mode: str, why: str) -> None:
    (manager / "mode").write_text(mode)
    os.mkfifo(manager / "gate")
    spec = rig.spec(f"no-unit-{mode}", **SHORT)
    assert launch_under_systemd(rig, manager, spec)["phase"] == "running"
    if mode == "late":
        # The unit that was given up starts after all. It is handed nothing, and ends.
        (manager / "gate").write_text("")
    rig.link.cancel(request(spec))
    status = rig.end(spec)
    assert status.exit is not None
    assert status.exit.reason == "cancelled"
    assert identity(rig, spec)["detached"] == "fork"
    assert why in rig.home.attempt(spec.attempt_id).log.read_text()
    assert [line["event"] for line in ledger.about(rig.home, spec.attempt_id)] == ["accepted", "started", "ended"]


@pytest.mark.fault(5)
def test_a_forked_supervisor_has_nothing_of_the_session_that_started_it(rig: Rig, tmp_path: Path) -> None:
    spec = rig.spec("session", "exec sleep 600", **SHORT)
    agent = agent_file.place(agent_file.build(), rig.home.root / "agent")
    message = tmp_path / "message"
    message.write_text(json.dumps(asdict(spec)))
    argv = (os.path.realpath(sys.executable), "-I", "-S", str(agent), "launch", "--home", str(rig.home.root))
    # A login with a terminal, whose descriptors are all inherited, as a shell would hand them on.
    shell, terminal = pty.fork()
    if shell == 0:
        os.dup2(os.open(message, os.O_RDONLY), 0)
        os.execv(argv[0], argv)  # noqa: S606
    assert b'"phase": "running"' in read_all(terminal)
    os.waitpid(shell, 0)
    os.close(terminal)

    pid = identity(rig, spec)["pid"] if rig.wait(spec, lambda _: has_identity(rig, spec)) else 0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    parent, session, tty = int(fields[1]), int(fields[3]), int(fields[4])
    assert (parent in (shell, os.getpid()), session == shell, tty) == (False, False, 0)
    opened = {name: os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    folder = rig.home.attempt(spec.attempt_id)
    assert (opened["0"], opened["1"], opened["2"]) == ("/dev/null", str(folder.log), str(folder.log))
    assert not [path for path in opened.values() if path.startswith(("/dev/pts", "/dev/tty"))]
    # The session's hang-up did not reach it: it is there to be told to end.
    rig.wait_event(spec, "turn-started")
    rig.link.cancel(request(spec))
    status = rig.end(spec)
    assert status.exit is not None
    assert status.exit.reason == "cancelled"


def has_identity(rig: Rig, spec: LaunchSpec) -> bool:
    return rig.home.attempt(spec.attempt_id).identity.exists()


def read_all(terminal: int) -> bytes:
    text = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # EIO: the other side is closed
            return text
        if not piece:
            return text
        text += piece
