"""A real `matins up` on the orchestrator's machine of a lab, and the command line beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fleet_lab.lab import FleetLab
from tests.fleet_lab.machine import Machine
from tests.orchestrator import Json, Orchestrator, Part


class LabOrchestrator(Orchestrator):
    """An Orchestrator whose every process and request is in the lab's namespace, and which ends with the lab."""

    def __init__(self, lab: FleetLab, home: Path, **settings: str) -> None:
        self.lab = lab
        super().__init__(home, **settings)

    def add(self, machine: Machine, *options: str) -> subprocess.CompletedProcess[str]:
        """`matins runner add`, with all that is needed to log in."""
        place = ("--host", machine.ip, "--user", machine.user, "--key", str(self.lab.key))
        return self.matins("runner", "add", machine.name, *place, "--host-key", machine.host_key, *options)

    def matins(self, *arguments: str, limit_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        return self.lab.run(
            [sys.executable, "-m", "orchestrator.cli", *arguments], limit_s=limit_s, env=self._environment
        )

    def get(self, path: str) -> Json:
        return self.lab.call(super().get, path)

    def _make_parts(self) -> list[Part]:
        return [self._part("up", command=self.lab.command(sys.executable, "-m", "orchestrator.cli", "up"))]

    def _answers(self) -> bool:
        return self.lab.call(super()._answers)
