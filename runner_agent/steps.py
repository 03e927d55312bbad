"""The stages that an attempt has walked: each journalled, timed and recorded, however it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator

from runner_agent import clock, protocol
from runner_agent.context import StageEnd
from runner_agent.control import Control, Interrupted
from runner_agent.journal import Journal
from runner_agent.protocol import StageRecord


class Steps:
    """`records` holds those behind us, in order."""

    def __init__(self, journal: Journal, control: Control, before: tuple[StageRecord, ...] = ()) -> None:
        self._journal = journal
        self._control = control
        self.records = list(before)

    def take(self, name: str, act: Callable[[], StageEnd]) -> StageEnd:
        """Walks one stage, unless the attempt is to end."""
        self._control.check()
        with self.timed(name) as finish:
            end = act()
            finish(end)
            return end

    @contextlib.contextmanager
    def timed(self, name: str) -> Generator[Callable[[StageEnd], None], None, None]:
        """Journals a stage and records it, also when it is left by an exception."""
        began = clock.monotonic_s()
        self._journal.record("stage-started", stage=name)
        ends: list[StageEnd] = []
        try:
            yield ends.append
        except Interrupted as stop:
            ends.append(StageEnd(result="timed-out" if stop.reason == "wall-limit" else "crashed", detail=stop.reason))
            raise
        except Exception as error:
            ends.append(StageEnd(result="crashed", detail=str(error)))
            raise
        finally:
            end = ends[-1] if ends else StageEnd(result="crashed", detail="the supervisor was told to exit")
            seconds = round(clock.monotonic_s() - began, 3)
            record = StageRecord(stage=name, result=end.result, seconds=seconds, detail=end.detail)
            self.records.append(record)
            self._journal.record("stage-finished", **protocol.to_json(record))

    def skip(self, stage: str, why: str) -> None:
        record = StageRecord(stage=stage, result="skipped", seconds=0.0, detail=why)
        self.records.append(record)
        self._journal.record("stage-finished", **protocol.to_json(record))
