"""What operators do to machines: wake, sleep, drain, try, remove, examine; and the whole fleet at one glance."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from orchestrator.errors import LinkError
from orchestrator.machines.link import Link
from orchestrator.service import fleet_ops
from orchestrator.service.services import Services
from orchestrator.store.convert import to_address
from orchestrator.store.queries import find_runner
from orchestrator.web.operate import ByBody
from orchestrator.web.overview import overview
from orchestrator.web.views import Json, moment
from runner_agent.protocol import DoctorRequest, Prerequisite


class ReasonBody(ByBody):
    reason: str = Field(default="", max_length=1000)


class SleepBody(ByBody):
    """`how`: empty for the way in which it usually sleeps."""

    how: Literal["", "suspend", "power-off"] = ""


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
        with services.store.reading() as session:
            row = find_runner(session, name)
            address, mac = to_address(row), row.mac
        request = DoctorRequest(now=moment(services.now()) or "", mac=mac)
        where = f"{address.user}@{address.host}:{address.port}" if address.host else "this machine"
        try:
            found = _examined(services.link(address), request, where)
        except LinkError as error:
            found = [_unreached(name, str(error))]
        return {"runner": name, "prerequisites": [asdict(each) for each in found]}

    return router


def _examined(link: Link, request: DoctorRequest, where: str) -> list[Prerequisite]:
    reached = Prerequisite(name="connection", result="pass", found=f"{where} answers")
    return [reached, *link.doctor(request).prerequisites]


def _unreached(name: str, why: str) -> Prerequisite:
    remedy = f"`matins runner wake {name}` if it sleeps; else look at its power, its network, its sshd and the keys"
    return Prerequisite(name="connection", result="fail", found=why, remedy=remedy)
