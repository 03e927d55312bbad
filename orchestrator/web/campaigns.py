"""Checking a campaign file, and comparing what agents made of a campaign."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from orchestrator.service.comparison import By, compared
from orchestrator.service.intake import Bundle, check_bundle
from orchestrator.service.services import Services


class BundleBody(BaseModel):
    """A campaign file as sent: its text, name and folder, and the files it refers to (relative path -> base64)."""

    text: str
    filename: str = "campaign.toml"
    directory: str = "/"
    files: dict[str, str] = {}

    def bundle(self) -> Bundle:
        return Bundle(text=self.text, filename=self.filename, directory=self.directory, files=self.files)


def campaign_routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/campaigns")

    @router.post("/check")
    def check(body: BundleBody) -> dict[str, Any]:
        campaign = check_bundle(body.bundle())
        return {
            "name": campaign.name,
            "items": [{"id": item.id, "title": item.title, "checks": len(item.checks)} for item in campaign.items],
            "sessions": len(campaign.sessions),
            "warnings": [],
        }

    @router.get("/{name}/compare")
    def compare(name: str, by: By = "agent", only: Annotated[list[str], Query()] = []) -> dict[str, Any]:  # noqa: B006
        return compared(services, name, by, only)

    return router
