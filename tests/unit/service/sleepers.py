"""A rig whose runners sleep: each can be woken by packets that only they hear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import update
from sqlmodel import col

from orchestrator.machines.fake_senses import FakeSenses
from orchestrator.planning.policy import Policy
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.service.services import Services
from orchestrator.store.engine import Store
from orchestrator.store.tables import RunnerEventRow, RunnerRow, WakeRow
from tests.unit.planning.builders import gpu
from tests.unit.service.rig import Rig, Toy

POLICY = Policy(power=PowerPolicy(sleep="fixed", fixed_idle_s=60.0, settle_s=0.0, wake_limit_s=30.0, back_off_s=1.0))
SILENT = "no answer in 20 s"


class SleepingRig(Rig):
    def __init__(self, toy: Toy, home: Path, runners: tuple[str, ...] = ("a", "b"), slots: int = 1) -> None:
        self.senses: dict[str, FakeSenses] = {}
        super().__init__(toy, home, runners, slots)
        self.senses |= {name: FakeSenses(link) for name, link in self.runners.items()}
        for link in self.runners.values():
            link.said = replace(link.said, gpus=(gpu(),))
        for number, name in enumerate(runners, start=1):
            self.set(name, mac=f"02:00:00:00:00:{number:02x}", sleeps="suspend")

    def _services(self, store: Store) -> Services:
        return replace(
            super()._services(store),
            policy=POLICY,
            senses=lambda address, target, link, gpu: self.senses[address.runner],
            pause=self.clock.advance,
        )

    def set(self, name: str, **values: object) -> None:
        with self.store.writing() as session:
            session.execute(update(RunnerRow).where(col(RunnerRow.name) == name).values(**values))

    def runner(self, name: str) -> RunnerRow:
        return next(row for row in self.rows(RunnerRow) if row.name == name)

    def facets(self, name: str) -> tuple[str, str]:
        row = self.runner(name)
        return row.power, row.operation

    def told(self, name: str) -> list[str]:
        return [row.event for row in self.rows(RunnerEventRow) if row.runner == name]

    def wakes(self, name: str) -> list[WakeRow]:
        return [row for row in self.rows(WakeRow) if row.runner == name]

    def go_down(self) -> None:
        """Machines that said yes to sleep fall asleep."""
        for link in self.runners.values():
            if link.falls_asleep:
                link.unreachable = SILENT

    def rest(self) -> None:
        """Nobody wants anything: beats until all machines sleep."""
        for _ in range(40):
            self.beat(10)
            self.go_down()
            if all(row.power == "ASLEEP" and row.operation == "NONE" for row in self.rows(RunnerRow)):
                return
        raise AssertionError([self.facets(name) for name in self.runners])
