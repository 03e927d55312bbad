"""The registry of runners."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from sqlmodel import Session

from orchestrator.errors import BadInput, Conflict, LinkError
from orchestrator.machines import ssh, ssh_connect
from orchestrator.service.canary import last_canary
from orchestrator.service.services import Services
from orchestrator.store.acceptance import answers_of, drivers_of_row
from orchestrator.store.changes import log_runner_event
from orchestrator.store.fleet import load_fleet
from orchestrator.store.queries import find_runner, last_judged, list_runners, runner_events_of
from orchestrator.store.tables import RunnerRow
from orchestrator.web.importing import ImportBody, problems_of, refuse
from orchestrator.web.new_runner import (
    KEYS,
    STATED,
    WAKING,
    HostBody,
    RunnerBody,
    changes,
    new_row,
    refuse_twin,
)
from orchestrator.web.overview import view_of
from orchestrator.web.views import proof_view, runner_event_view


def runner_routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/runners")

    @router.post("", status_code=201)
    def add(body: RunnerBody) -> dict[str, Any]:
        with services.store.writing() as session:
            row, become = _keep(session, body, services.now())
            if become == "unchanged":
                raise Conflict(f"there is a runner {body.name!r} already", "choose another name")
            view = _view(session, services, row)
        services.doorbell.tick()
        return view

    @router.post("/import", status_code=201)
    def add_all(body: ImportBody) -> dict[str, Any]:
        """All or none. With `check`, what is wrong with them, and none."""
        with services.store.writing() as session:
            refuse(problems_of(session, body, services.now()))
            if body.check:
                return {"runners": []}
            kept = [_keep(session, each, services.now()) for each in body.runners]
            views = [{**_view(session, services, row), "import": become} for row, become in kept]
        services.doorbell.tick()
        return {"runners": views}

    @router.post("/host-key")
    def host_key(body: HostBody) -> dict[str, Any]:
        if not ssh.HOST.fullmatch(body.host):
            raise BadInput(f"{body.host[:80]!r} is no host", "give a name or an address")
        try:
            offered = ssh_connect.scan(body.host, body.port)
        except LinkError as error:
            raise Conflict(
                f"the host key could not be asked for: {error}", "is it awake, and is that its port?"
            ) from error
        return {"host": body.host, "port": body.port, "host_key": offered.text, "fingerprint": offered.fingerprint}

    @router.get("")
    def runners() -> dict[str, Any]:
        with services.store.reading() as session:
            fleet, now = load_fleet(session), services.now()
            power = services.policy.power
            return {"runners": [view_of(fleet, row, power, now) for row in list_runners(session)]}

    @router.get("/{name}")
    def show(name: str) -> dict[str, Any]:
        with services.store.reading() as session:
            row = find_runner(session, name)
            changed = last_judged(session, name)
            judged = {**runner_event_view(changed), **changed.data} if changed else None
            events = [runner_event_view(event) for event in runner_events_of(session, name)]
            told = {"judged": judged, "canary": last_canary(session, name), "events": events}
            told["campaigns"] = [
                proof_view(proof, named, drivers_of_row(row)) for proof, named in answers_of(session, name)
            ]
            return {**_view(session, services, row), **told}

    return router


def _keep(session: Session, body: RunnerBody, now: datetime) -> tuple[RunnerRow, str]:
    """The runner as it is now, and what became of it: "added", "changed" or "unchanged". What a known one runs is not
    touched: the machine says itself whether it still does. Raises BadInput and Conflict."""
    row = new_row(body, now)
    known = session.get(RunnerRow, body.name)
    if known is None:
        refuse_twin(row, list_runners(session))
        session.add(row)
        session.flush()
        return row, "added"
    new = changes(row, known, body)
    if new is None:
        raise Conflict(f"there is a runner {body.name!r} already", "choose another name")
    if not new:
        return known, "unchanged"
    was = {name: getattr(known, name) for name in new}
    for name, value in new.items():
        setattr(known, name, value)
    known.observe_after = now
    session.add(known)
    session.flush()
    keys = {name: value for name, value in was.items() if name in KEYS}
    waking = {name: value for name, value in was.items() if name in WAKING}
    stated = {name: value for name, value in was.items() if name in STATED}
    before = was.get("devices", {})
    devices = {uuid: before.get(uuid) for uuid, facts in new.get("devices", {}).items() if before.get(uuid) != facts}
    events = {"keys-pinned": keys, "waking-changed": waking, "facts-changed": stated, "devices-changed": devices}
    for event, data in events.items():
        if data:
            told = {name: "…" if name == "secureon" and value else value for name, value in data.items()}
            log_runner_event(session, known.name, event, actor="operator", now=now, data={"was": told})
    return known, "changed"


def _view(session: Session, services: Services, row: RunnerRow) -> dict[str, Any]:
    return view_of(load_fleet(session), row, services.policy.power, services.now())
