"""What a wake sees of a runner in memory, for tests of what wakes one."""

from __future__ import annotations

from orchestrator.domain.wake import ORDER, GpuNeed, WakeStage
from orchestrator.errors import LinkError
from orchestrator.machines.fake import FakeLink
from orchestrator.machines.wake_probe import Sighting


class FakeSenses:
    """A burst wakes the runner, in another boot; `missing` is the first stage that does not come, if any."""

    def __init__(self, runner: FakeLink, missing: WakeStage | None = None) -> None:
        self.runner = runner
        self.missing = missing
        self.gpu = GpuNeed.ANY
        self.bursts = 0

    def send(self) -> int:
        if self.missing is WakeStage.PACKET:
            raise LinkError("this host has no network interface eth7")
        self.bursts += 1
        if self.runner.unreachable and self.missing is None:
            self.runner.wake(f"{self.runner.boot_id}+")
        return 6

    def look(self, stage: WakeStage, limit_s: float, age_s: float) -> Sighting:
        if self.missing is not None and ORDER.index(stage) >= ORDER.index(self.missing):
            return Sighting(came=False, detail="no answer in time")
        return Sighting(came=True, boot_id=self.runner.boot_id)
