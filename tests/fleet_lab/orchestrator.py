"""A real `matins up` on the orchestrator's machine of a lab, and the command line beside it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.fleet_lab.lab import FleetLab
from tests.fleet_lab.machine import Machine
from tests.orchestrator import Json, Orchestrator


class LabOrchestrator(Orchestrator):
    """An Orchestrator whose every process and request is in the lab's namespace, and which ends with the lab."""

    def __init__(self, lab: FleetLab, home: Path, **settings: str) -> None:
        self.lab = lab
        self.place = lab.place
        super().__init__(home, **settings)

    def add(self, machine: Machine, *options: str) -> subprocess.CompletedProcess[str]:
        """`matins runner add`, with all that is needed to log in."""
        place = ("--host", machine.ip, "--user", machine.user, "--key", str(self.lab.key))
        return self.matins("runner", "add", machine.name, *place, "--host-key", machine.host_key, *options)

    def get(self, path: str) -> Json:
        return self.lab.call(super().get, path)

    def _answers(self) -> bool:
        return self.lab.call(super()._answers)
