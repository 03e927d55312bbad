"""What operators ask for by name: runners declared dead and taken back, episodes tried or judged again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from orchestrator.service.again import rescore, retry
from orchestrator.service.operate import declare_dead, resume
from orchestrator.service.services import Services
from orchestrator.web.views import episode_summary

UNNAMED = "someone with the token"


class ByBody(BaseModel):
    """`by` is the name under which it is logged."""

    by: str = Field(default=UNNAMED, min_length=1, max_length=100)


class DeclareBody(ByBody):
    reason: str = Field(min_length=1, max_length=1000)
    force: bool = False


class ResumeBody(ByBody):
    reason: str = Field(default="", max_length=1000)


def operating_routes(services: Services) -> APIRouter:
    router = APIRouter()

    @router.post("/runners/{name}/declare-dead")
    def declare(name: str, body: DeclareBody) -> dict[str, Any]:
        lost = declare_dead(services, name, by=body.by, reason=body.reason, force=body.force)
        return {"runner": name, "state": "out of service", "episodes": lost}

    @router.post("/runners/{name}/resume")
    def take_back(name: str, body: ResumeBody) -> dict[str, Any]:
        resume(services, name, by=body.by, reason=body.reason)
        return {"runner": name, "state": "in service"}

    @router.post("/episodes/{prefix}/retry", status_code=201)
    def again(prefix: str, body: ByBody) -> dict[str, Any]:
        return episode_summary(*retry(services, prefix, body.by))

    @router.post("/episodes/{prefix}/rescore")
    def judged_again(prefix: str, body: ByBody) -> dict[str, Any]:
        return episode_summary(*rescore(services, prefix, body.by))

    return router
