"""What may stop a stage from outside: a cancel, or the wall limit of the attempt."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from runner_agent import clock

StopReason = Literal["cancelled", "wall-limit"]


class Interrupted(Exception):
    """The attempt is to end now; what was running has been killed. `reason` becomes the exit reason."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason: StopReason = reason


class InfrastructureFault(Exception):
    """The attempt cannot go on, through no doing of the agent. The text says what happened, and what to do."""


class DiskFloor(InfrastructureFault):
    """The runner's disk is about to be full, whoever filled it."""


class Control:
    """Asked several times a second by whatever waits."""

    def __init__(self, cancel: Path, wall_s: float) -> None:
        self._cancel = cancel
        self._deadline_s = clock.monotonic_s() + wall_s
        self._settled = False

    @property
    def left_s(self) -> float:
        return self._deadline_s - clock.monotonic_s()

    def extend(self, seconds: float) -> None:
        """Time spent waiting for the orchestrator is not the attempt's."""
        self._deadline_s += seconds

    def settle(self) -> None:
        """From here on nothing interrupts: what is left is to save what there is."""
        self._settled = True

    def why_stop(self) -> StopReason | None:
        if self._settled:
            return None
        if self._cancel.exists():
            return "cancelled"
        return "wall-limit" if self.left_s <= 0 else None

    def check(self) -> None:
        """Raises Interrupted where the attempt is to end."""
        reason = self.why_stop()
        if reason is not None:
            raise Interrupted(reason)
