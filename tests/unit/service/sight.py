"""What there is to be seen of a service and its runners."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlmodel import select

from orchestrator.domain.phases import ENDED
from orchestrator.machines.fake import FakeLink
from orchestrator.service.services import Services
from orchestrator.store.outbox import due_acts
from orchestrator.store.tables import AcceptanceRow, AttemptRow, CampaignRow, EpisodeRow, OutboxRow
from tests.unit.service.parts import Clock, MortalStore


class Sight:
    services: Services
    clock: Clock
    runners: dict[str, FakeLink]

    @property
    def store(self) -> MortalStore:
        store = self.services.store
        assert isinstance(store, MortalStore)
        return store

    def rows(self, table: Any) -> list[Any]:
        with self.services.store.reading() as session:
            return list(session.exec(select(table)).all())

    def episode(self, episode_id: str) -> EpisodeRow:
        return next(row for row in self.rows(EpisodeRow) if row.id == episode_id)

    def preflights(self) -> list[EpisodeRow]:
        """Those that accept a campaign."""
        return [row for row in self.rows(EpisodeRow) if row.kind == "preflight" and not row.pinned_runner]

    def proving(self) -> list[EpisodeRow]:
        """Preflights that prove a campaign on one more runner, in their order."""
        rows = [row for row in self.rows(EpisodeRow) if row.kind == "preflight" and row.pinned_runner]
        return sorted(rows, key=lambda row: (row.submitted_at, row.pinned_runner))

    def answers(self) -> dict[str, bool]:
        """By runner, whether it accepted the campaign under the drivers that it had then; the newest."""
        rows = sorted(self.rows(AcceptanceRow), key=lambda row: row.at)
        return {row.runner: row.accepted for row in rows}

    def campaign(self) -> CampaignRow:
        (row,) = self.rows(CampaignRow)
        return row

    def attempts(self, episode_id: str) -> list[AttemptRow]:
        return sorted((row for row in self.rows(AttemptRow) if row.episode_id == episode_id), key=lambda r: r.fence)

    def attempt(self, attempt_id: str) -> AttemptRow:
        return next(row for row in self.rows(AttemptRow) if row.id == attempt_id)

    def act(self, act_id: int) -> OutboxRow:
        return next(row for row in self.rows(OutboxRow) if row.id == act_id)

    def acts(self, kind: str) -> list[OutboxRow]:
        return [row for row in self.rows(OutboxRow) if row.kind == kind]

    def due(self) -> list[int]:
        with self.services.store.reading() as session:
            return list(due_acts(session, self.clock()))

    def all_ended(self) -> bool:
        return all(row.phase in ENDED for row in self.rows(EpisodeRow))

    def starts(self) -> Counter[str]:
        """How often each attempt was really started."""
        return Counter(started for runner in self.runners.values() for started in runner.starts)

    def runner_of(self, attempt_id: str) -> FakeLink:
        return next(runner for runner in self.runners.values() if attempt_id in runner.attempts)

    def ended(self, episode_id: str) -> tuple[str, str | None]:
        row = self.episode(episode_id)
        return row.phase, row.end_reason

    def picture(self) -> Any:
        """All that matters of the database, to be compared with what it was."""
        return (
            sorted((r.id, r.phase, r.fence, r.runner, r.attempt_id, r.end_reason) for r in self.rows(EpisodeRow)),
            sorted((r.id, str(r.status), r.failure, r.ended, r.acknowledged_at) for r in self.rows(AttemptRow)),
            sorted((r.kind, r.attempt_id, r.done_at is not None) for r in self.rows(OutboxRow)),
            sorted((r.id, r.acceptance, r.acceptance_detail) for r in self.rows(CampaignRow)),
            sorted((r.runner, r.drivers, r.accepted, r.episode_id) for r in self.rows(AcceptanceRow)),
        )
