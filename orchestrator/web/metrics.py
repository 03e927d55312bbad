"""/metrics: derived from the database, so that it survives restarts."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS

from orchestrator.service.services import Services
from orchestrator.web.collector import DatabaseCollector, Picture
from orchestrator.web.exposition import Exposition


def metrics_routes(services: Services) -> APIRouter:
    page = Page(services)
    router = APIRouter()

    @router.get("/metrics")
    def metrics(request: Request) -> Response:
        """Whoever asks for any OpenMetrics gets 1.0; names here need no escaping."""
        openmetrics = "openmetrics" in choose_encoder(request.headers.get("accept", ""))[1]
        kind = OPENMETRICS if openmetrics else CONTENT_TYPE_PLAIN_0_0_4
        return Response(page.read(openmetrics=openmetrics), headers={"content-type": kind})

    return router


class Page:
    """The newest look at the database, kept for `metrics_cache_s`: several that scrape at once cost one look."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._collector = DatabaseCollector(services)
        self._exposition = Exposition()
        self._turn = threading.Lock()
        self._looked_at: datetime | None = None
        self._picture = Picture(values={}, counts={})
        self._written: dict[bool, bytes] = {}

    def read(self, *, openmetrics: bool) -> bytes:
        with self._turn:
            now, keep = self._services.now(), timedelta(seconds=self._services.settings.metrics_cache_s)
            if self._looked_at is None or not timedelta() <= now - self._looked_at < keep:
                self._picture, self._looked_at, self._written = self._collector.look(), now, {}
            if openmetrics not in self._written:
                write = self._exposition.openmetrics if openmetrics else self._exposition.text
                self._written[openmetrics] = write(self._picture.values, self._picture.counts)
            return self._written[openmetrics]
