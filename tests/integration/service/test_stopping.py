"""Telling a server to stop ends it soon, whatever it is waiting for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.orchestrator import free_port

PROGRAM = """
import threading
from orchestrator.service.celery_app import make_app
from orchestrator.service.parts import work

app = make_app("memory://", 1.0)

@app.task(name="wait-for-a-machine")
def wait():
    print("waits", flush=True)
    threading.Event().wait()

app.send_task("wait-for-a-machine")
work(app, 1, stops_within_s=0.5)
"""


def test_a_call_that_never_ends_does_not_keep_a_server_from_stopping() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "waits\n"
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=300) == 0
        finally:
            server.kill()


def test_a_server_that_is_told_to_stop_as_soon_as_it_has_started_ends_in_order(tmp_path: Path) -> None:
    settings = {"MATINS_HOME": str(tmp_path / "home"), "MATINS_URL": f"http://127.0.0.1:{free_port()}"}
    command = [sys.executable, "-m", "orchestrator.cli", "up"]
    with subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            assert any("up-started" in line for line in server.stderr)
            server.send_signal(signal.SIGTERM)
            rest = server.stderr.read()
            assert server.wait(timeout=300) == 0
        finally:
            server.kill()
    assert "up-stopped" in rest
