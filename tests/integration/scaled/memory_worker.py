"""`matins worker`, but that its runner is the one in the test, and that its doorbell may ring several times."""

from __future__ import annotations

import os
import sys

from celery import Celery

from orchestrator.failpoints import arm
from orchestrator.logs import configure
from orchestrator.service.doorbell import CeleryDoorbell
from orchestrator.service.parts import run_worker
from orchestrator.settings import load
from tests.integration.scaled.memory_runner import open_remote_link

RINGS = "TEST_RINGS"


class EagerDoorbell(CeleryDoorbell):
    def __init__(self, app: Celery) -> None:
        super().__init__(app)
        self._times = int(os.environ.get(RINGS, "1"))

    def _send(self, task: str, *arguments: object) -> None:
        # Ticks ring for ticks: five of each would be five to the power of how many there are.
        for _ in range(1 if task == "matins.tick" else self._times):
            super()._send(task, *arguments)


if __name__ == "__main__":
    settings = load()
    configure(settings)
    arm(settings.failpoints)
    sys.exit(run_worker(settings, open_link=open_remote_link, make_doorbell=EagerDoorbell))
