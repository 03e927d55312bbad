"""An agent that forges, hides, floods and looks for a way out. Its attempt ends as any other, and says what it did."""

from __future__ import annotations

import contextlib
import json
import socket
import uuid
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner_agent import quiescence
from runner_agent.protocol import Agent, Session, Turn
from tests.integration.runner_agent.rig import Rig

SECRET = "sk-ant-0123456789+abc="
FORGER = r"""
import json, os, signal, socket, sys, time
root, name = sys.argv[1:3]
forged = json.dumps({"schema": "matins-exit-1", "reason": "completed", "graded": True, "packed": True, "stages": []})
said = {"written": [], "sockets": [], "run": sorted(os.listdir("/run"))}
for path in (root + "/exit.json", root + "/out/exit.json", "/run/matins/exit.json", "/run/matins/../exit.json",
             "/workspace/../exit.json", "/proc/1/root/run/matins/exit.json", "/proc/1/cwd/../exit.json"):
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").write(forged)
        said["written"].append(path)
    except OSError:
        pass
os.symlink(root + "/exit.json", "exit.json")
os.symlink(root, "out")
try:
    open("exit.json", "w").write(forged)
    said["written"].append("through a link")
except OSError:
    pass
for family, address in ((socket.AF_UNIX, "\0" + name), (socket.AF_VSOCK, (2, 22))):
    try:
        socket.socket(family, socket.SOCK_STREAM).connect(address)
        said["sockets"].append(int(family))
    except OSError as error:
        said.setdefault("refused", []).append(error.errno)
open("speed", "w").write("11\n")
key = os.environ["API_KEY"]
open("note.rs", "w").write("// " + key + "\n#[allow(dead_code)] // " + key + "\n")
open(key + ".txt", "w").write("named after a secret\n")
sys.stderr.write(key[:9]); sys.stderr.flush(); time.sleep(0.2); sys.stderr.write(key[9:] + "\n")
print(json.dumps({"key": key, **said}), flush=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        while True:
            open("/workspace/heartbeat", "a").write("x")
            time.sleep(0.01)
    os._exit(0)
"""


@contextlib.contextmanager
def listener() -> Generator[str, None, None]:
    """An abstract Unix socket of the host: it lies in no folder, and belongs to a network namespace."""
    name = f"matins-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(f"\0{name}")
        server.listen()
        yield name


def run(rig: Rig, name: str, script: str, *arguments: str, **changes: Any) -> tuple[Any, dict[str, bytes]]:
    config = {"kind": "command", "argv": ["python3", "-c", script, *arguments]}
    agent = Agent(kind="command", name="command:python3", config=config, secrets={"API_KEY": SECRET})
    spec = rig.spec(name, agent=agent, **changes)
    status = rig.run(spec)
    folder = rig.home.attempt(spec.attempt_id)
    assert quiescence.living(spec.attempt_id, folder.inits) == []
    return status, rig.pull(spec)


@pytest.mark.fault(29, 30)
def test_a_forger_writes_nowhere_and_nothing_of_it_lives_on(rig: Rig) -> None:
    root = rig.home.attempt("attempt-forger").root
    with listener() as name:
        status, files = run(rig, "forger", FORGER, str(root), name, network="none")
    assert status.exit is not None
    assert (status.exit.reason, status.exit.graded, status.exit.attempt_id) == ("completed", True, "attempt-forger")
    assert rig.stage(status, "smoke") == "ok"
    said = json.loads(files["agent/session-1/stream.jsonl"])
    # It could write: into folders that are the sandbox's own, whatever they are called, and gone with it.
    assert said["written"] != []
    assert "exit.json" not in files
    assert {stage.stage for stage in status.exit.stages} >= {"session", "quiesce", "grade", "pack"}
    assert not (root / "out" / "exit.json").exists()
    assert said["run"] == ["matins"]
    assert said["sockets"] == []
    # What it had in its environment stands nowhere in what is kept, but in git's own archive.
    assert said["key"] == "[redacted API_KEY]"
    assert files["agent/session-1/stderr.log"] == b"[redacted API_KEY]\n"
    assert b"// [redacted API_KEY]" in files["diff.patch"]
    telling = {path for path, content in files.items() if b"sk-ant-0123456789" in content}
    assert telling <= {"commits.bundle"}
    evidence = json.loads(files["grade/evidence.json"])
    assert [found["text"] for found in evidence["added_suppressions"]] == ["#[allow(dead_code)] // [redacted API_KEY]"]


FILLER = r"""
import os, socket, sys
try:
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect("\0" + sys.argv[1])
    print("reached", flush=True)
except OSError as error:
    print(error, flush=True)
open("speed", "w").write("11\n")
os.mkdir("built-junk")
open(".gitignore", "a").write("built-junk\n")
for number in range(100):
    open(f"built-junk/{number}", "wb").write(os.urandom(1_000_000))
import time
time.sleep(50)
"""


@pytest.mark.fault(29)
def test_an_agent_that_fills_the_disk_is_ended_and_judged_and_holds_no_further_session(rig: Rig) -> None:
    limits = replace(rig.spec("x").limits, disk_bytes=20 << 20)
    sessions = (Session(turns=(Turn(say="Do it."), Turn(say="Go on."))), Session(turns=(Turn(say="Again."),)))
    with listener() as name:
        status, files = run(rig, "filler", FILLER, name, limits=limits, sessions=sessions, network="full")
    assert status.exit is not None
    assert (status.exit.reason, status.exit.graded) == ("completed", True), status.exit
    held = [stage for stage in status.exit.stages if stage.stage == "session"]
    assert [stage.result for stage in held] == ["failed", "skipped"]
    assert "limits.disk_bytes" in held[0].detail
    assert rig.stage(status, "smoke") == "ok"
    turns = [json.loads(line) for line in files["agent/session-1/turns.jsonl"].splitlines()]
    assert ["limits.disk_bytes" in turn["detail"] for turn in turns] == [True]
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert [event["limit"] for event in events if event["event"] == "limit-reached"] == ["disk"]
    assert "speed" in json.loads(files["grade/evidence.json"])["changed"]
    # With network = "full" the host's abstract sockets are open, as docs/operating.md says.
    assert files["agent/session-1/stream.jsonl"] == b"reached\n"
    assert not Path(rig.home.attempt("attempt-filler").tree).exists()
