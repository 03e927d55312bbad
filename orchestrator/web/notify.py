"""Telling people: whether messages arrive."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from orchestrator.errors import Conflict
from orchestrator.service.notify import send_test
from orchestrator.service.services import Services


def notify_routes(services: Services) -> APIRouter:
    router = APIRouter()

    @router.post("/notify/test")
    def test() -> dict[str, Any]:
        if not services.settings.notify:
            raise Conflict("nobody is told of anything: `notify` names no place", "set MATINS_NOTIFY to URLs of places")
        return {"places": send_test(services)}

    return router
