"""A worker that is told to stop does not wait for a broker that does not answer."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.servers import Redis

PROGRAM = """
import sys
from celery.signals import worker_ready
from orchestrator.service.celery_app import make_app
from orchestrator.service.parts import work

worker_ready.connect(lambda **_: print("ready", flush=True), weak=False)
work(make_app(sys.argv[1], 1.0), 1)
"""


def test_a_worker_with_nothing_under_way_leaves_a_broker_that_does_not_answer(redis: Redis) -> None:
    command = [sys.executable, "-c", PROGRAM, redis.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as worker:
        try:
            assert worker.stdout is not None
            said = iter(worker.stdout)
            assert "ready\n" in said
            redis.freeze()
            worker.send_signal(signal.SIGTERM)
            rest = "".join(said)
            assert worker.wait(timeout=300) == 0
        finally:
            redis.thaw()
            worker.kill()
    assert "stopped-without-broker" in rest
