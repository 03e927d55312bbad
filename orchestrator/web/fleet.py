"""What operators do to machines: wake, sleep, drain, try, remove, examine; and the whole fleet at one glance."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from orchestrator.service import canary, fleet_ops
from orchestrator.service.doctor import examine
from orchestrator.service.services import Services
from orchestrator.web.operate import ByBody
from orchestrator.web.overview import overview
from orchestrator.web.views import Json


class ReasonBody(ByBody):
    reason: str = Field(default="", max_length=1000)


class SleepBody(ByBody):
    """`how`: empty for the way in which it usually sleeps."""

    how: Literal["", "suspend", "power-off"] = ""


class CanaryBody(ByBody):
    """`gpu`: a deviceUUID; `campaign`: a name or an id. Empty: whatever fits."""

    gpu: str = Field(default="", max_length=100)
    campaign: str = Field(default="", max_length=200)


def fleet_routes(services: Services) -> APIRouter:
    router = APIRouter()

    @router.get("/fleet")
    def fleet(limit: int = 200) -> Json:
        with services.store.reading() as session:
            return overview(session, services, max(1, min(limit, 1000)))

    @router.post("/runners/{name}/wake")
    def wake(name: str, body: ByBody) -> Json:
        fleet_ops.wake(services, name, by=body.by)
        return fleet_ops.wake_status(services, name)

    @router.get("/runners/{name}/wake")
    def waking(name: str) -> Json:
        return fleet_ops.wake_status(services, name)

    @router.post("/runners/{name}/canary", status_code=201)
    def ask_canary(name: str, body: CanaryBody) -> Json:
        return canary.ask_canary(services, name, by=body.by, gpu=body.gpu, campaign=body.campaign)

    @router.get("/runners/{name}/canary")
    def canary_status(name: str, episode: str = "") -> Json:
        return canary.canary_status(services, name, episode)

    @router.post("/runners/{name}/sleep")
    def sleep(name: str, body: SleepBody) -> Json:
        fleet_ops.sleep(services, name, by=body.by, how=body.how)
        return {"runner": name, "state": "suspending"}

    @router.post("/runners/{name}/drain")
    def drain(name: str, body: ReasonBody) -> Json:
        fleet_ops.drain(services, name, by=body.by, reason=body.reason)
        return {"runner": name, "state": "draining"}

    @router.post("/runners/{name}/remove")
    def remove(name: str, body: ReasonBody) -> Json:
        fleet_ops.remove(services, name, by=body.by, reason=body.reason)
        return {"runner": name, "state": "retired"}

    @router.post("/runners/{name}/doctor")
    def doctor(name: str) -> Json:
        return {"runner": name, "prerequisites": [asdict(each) for each in examine(services, name)]}

    return router
