"""What signals cost."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query

from orchestrator.accounting.report import By
from orchestrator.service.costs import cost_report
from orchestrator.service.services import Services
from orchestrator.store.costs import CostFilter

EPISODES_MOST = 200


def cost_routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/cost")

    @router.get("")
    def cost(
        since: date | None = None,
        until: date | None = None,
        by: By = "agent",
        campaign: str = "",
        agent: str = "",
        runner: str = "",
        episode: Annotated[list[str], Query(max_length=EPISODES_MOST)] = [],  # noqa: B006
    ) -> dict[str, Any]:
        wanted = CostFilter(
            since=since, until=until, campaign=campaign, agent=agent, runner=runner, episodes=tuple(episode)
        )
        return cost_report(services, wanted, by)

    return router
