"""A rig whose machines have prices, clocks and meters of their own, and what its accounts say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update

from orchestrator.store.account_tables import CostRow, SpanRow, TotalRow
from orchestrator.store.settling import settle_runner
from orchestrator.store.tables import EpisodeRow, RunnerRow
from orchestrator.store.totals import key
from runner_agent.protocol import Meter
from tests.unit.service.rig import Rig, Toy
from tests.unit.service.sight import Sight

PRICES = {"hardware_usd_per_h": 0.36, "asleep_w": 3.6, "idle_w": 36.0, "busy_w": 360.0, "energy_usd_per_kwh": 1.0}
"""A second of hardware costs 0.0001 USD; of energy, idle, 0.00001."""

SECOND_USD = 0.0001


class AccountRig(Rig):
    """`skew_s`: by how much the machines' clocks are ahead. What `befalls` an attempt at its launch is told by hand."""

    def __init__(self, toy: Toy, home: Path, runners: tuple[str, ...] = ("local",), slots: int = 2) -> None:
        super().__init__(toy, home, runners, slots)
        self.skew_s = 0.0
        self.counted: dict[str, float] = defaultdict(float)
        price(self)

    def observe(self, runner: str = "local") -> None:
        self.runners[runner].at = self.their_time()
        super().observe(runner)

    def their_time(self) -> str:
        return (self.clock() + timedelta(seconds=self.skew_s)).isoformat()

    def tell(self, attempt_id: str, event: str, **data: Any) -> None:
        """The attempt journals it now."""
        runner = self.runner_of(attempt_id)
        runner.at = self.their_time()
        runner.event(attempt_id, event, **data)

    def meter(self, joules: float, runner: str = "local", *, epoch: str = "m1", whole: bool = False) -> None:
        """Its meter has counted so much more, in all the time since the last count."""
        self.counted[runner] += joules
        covered_s = (self.clock() - datetime.fromisoformat("2026-01-01T00:00:00+00:00")).total_seconds()
        self.runners[runner].meter = Meter(
            epoch=epoch, at=self.their_time(), joules={"plug": self.counted[runner]}, covered_s=covered_s, whole=whole
        )

    def watch(self, seconds: float, step_s: float = 20.0, doing: Callable[[], None] = lambda: None) -> None:
        """Time passes, and the orchestrator looks every `step_s`."""
        for _ in range(round(seconds / step_s)):
            self.clock.advance(step_s)
            doing()
            self.tick()
            self.answer()

    def runner(self, name: str = "local") -> RunnerRow:
        return next(row for row in self.rows(RunnerRow) if row.name == name)

    def result(self, episode_id: str) -> dict[str, Any]:
        row: EpisodeRow = self.episode(episode_id)
        assert row.result is not None
        return row.result


def price(rig: Sight) -> None:
    with rig.store.writing() as session:
        session.execute(update(RunnerRow).values(prices=PRICES))


def settle_now(rig: Sight, runner: str = "local") -> bool:
    """Though it is not due."""
    with rig.store.writing() as session:
        return settle_runner(session, runner)


def spans(rig: Sight, runner: str = "local") -> list[SpanRow]:
    return sorted((row for row in rig.rows(SpanRow) if row.runner == runner), key=lambda row: row.started_at)


def shown(rig: Sight, runner: str = "local") -> list[tuple[str, str]]:
    return [(row.state, row.draw) for row in spans(rig, runner)]


def charged(rig: Sight, **of: str) -> dict[str, float]:
    """By phase, in seconds of a machine."""
    found: dict[str, float] = defaultdict(float)
    for row in rig.rows(CostRow):
        if all(getattr(row, name) == value for name, value in of.items()):
            found[row.phase] += row.seconds
    return {phase: round(seconds, 6) for phase, seconds in found.items() if seconds}


def usd(rig: Sight, **of: str) -> float:
    rows = [row for row in rig.rows(CostRow) if all(getattr(row, name) == value for name, value in of.items())]
    return sum(row.usd for row in rows)


def joules(rig: Sight, **of: str) -> float:
    rows = [row for row in rig.rows(CostRow) if all(getattr(row, name) == value for name, value in of.items())]
    return sum(row.joules for row in rows)


def totals(rig: Sight) -> dict[tuple[str, str], float]:
    return {(row.metric, row.labels): row.value for row in rig.rows(TotalRow)}


def total(rig: Sight, metric: str, **labels: str) -> float:
    return totals(rig).get((metric, key(labels)), 0.0)


def all_time_is_accounted(rig: Sight) -> None:
    """Spans follow each other without a gap; and what is settled of them is in the ledger, once."""
    for runner in rig.rows(RunnerRow):
        row: RunnerRow = runner
        known = spans(rig, row.name)
        assert [each.ended_at for each in known[:-1]] == [each.started_at for each in known[1:]]
        assert not known or known[-1].ended_at is None
        seconds = 0.0
        for each in known:
            end = min(each.ended_at or datetime.max.replace(tzinfo=each.started_at.tzinfo), row.settled_until or NEVER)
            if each.draw != "off":
                seconds += max(0.0, (end - each.started_at).total_seconds())
        paid = sum(line.seconds for line in rig.rows(CostRow) if line.runner == row.name)
        assert abs(paid - seconds) < 1e-3, (row.name, paid, seconds)


NEVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
