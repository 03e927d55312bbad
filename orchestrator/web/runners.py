"""The registry of runners."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from sqlmodel import Session

from orchestrator.domain.fleet import FleetState
from orchestrator.errors import BadInput, Conflict, LinkError
from orchestrator.machines import ssh, ssh_connect
from orchestrator.service.services import Services
from orchestrator.store.changes import log_runner_event
from orchestrator.store.convert import to_runner
from orchestrator.store.fleet import load_fleet
from orchestrator.store.queries import find_runner, list_runners, runner_events_of
from orchestrator.store.tables import RunnerRow
from orchestrator.web.new_runner import HostBody, RunnerBody, new_row, pins_anew, refuse_twin
from orchestrator.web.views import runner_event_view, runner_view


def runner_routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/runners")

    @router.post("", status_code=201)
    def add(body: RunnerBody) -> dict[str, Any]:
        row = new_row(body, services.now())
        with services.store.writing() as session:
            known = session.get(RunnerRow, body.name)
            if known is None:
                refuse_twin(row, list_runners(session))
                session.add(row)
            elif pins_anew(row, known):
                row = _pin(session, known, row, services.now())
            else:
                raise Conflict(f"there is a runner {body.name!r} already", "choose another name")
            session.flush()
            view = _view(load_fleet(session), row)
        services.doorbell.tick()
        return view

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
            fleet = load_fleet(session)
            return {"runners": [_view(fleet, row) for row in list_runners(session)]}

    @router.get("/{name}")
    def show(name: str) -> dict[str, Any]:
        with services.store.reading() as session:
            events = [runner_event_view(event) for event in runner_events_of(session, name)]
            return {**_view(load_fleet(session), find_runner(session, name)), "events": events}

    return router


def _pin(session: Session, known: RunnerRow, row: RunnerRow, now: datetime) -> RunnerRow:
    """The same runner with other keys. What it runs is not touched: the machine says itself whether it still does."""
    was = {"host_key": known.host_key, "key_path": known.key_path}
    known.host_key, known.key_path, known.observe_after = row.host_key, row.key_path, now
    session.add(known)
    log_runner_event(session, known.name, "keys-pinned", actor="operator", now=now, data={"was": was})
    return known


def _view(fleet: FleetState, row: RunnerRow) -> dict[str, Any]:
    leases = fleet.leases.get(row.name, ())
    return runner_view(row, to_runner(row), [episode.id for episode in leases])
