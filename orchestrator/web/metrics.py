"""/metrics: derived from the database, so that it survives restarts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS

from orchestrator.service.services import Services
from orchestrator.web.collector import DatabaseCollector
from orchestrator.web.exposition import Exposition

log = structlog.get_logger()

WATCHED_FOR = timedelta(seconds=150)
"""Somebody who scraped is taken to come again within this."""

STOP_S = 5.0


class Stop(Protocol):
    """As `threading.Event`: waits, and says whether it is over."""

    def wait(self, timeout: float) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What one look at the database gave, by whether it is OpenMetrics."""

    at: datetime
    texts: Mapping[bool, bytes] = field(default_factory=dict[bool, bytes])


def metrics_routes(services: Services) -> APIRouter:
    page = Page(services)

    @asynccontextmanager
    async def looking_ahead(_app: object) -> AsyncIterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=page.ahead, args=(stop,), name="metrics", daemon=True)
        thread.start()
        yield
        stop.set()
        await asyncio.to_thread(thread.join, STOP_S)

    router = APIRouter(lifespan=looking_ahead if page.keep else None)

    @router.get("/metrics")
    def metrics(request: Request) -> Response:
        """Whoever asks for any OpenMetrics gets 1.0; names here need no escaping."""
        openmetrics = "openmetrics" in choose_encoder(request.headers.get("accept", ""))[1]
        kind = OPENMETRICS if openmetrics else CONTENT_TYPE_PLAIN_0_0_4
        return Response(page.read(openmetrics=openmetrics), headers={"content-type": kind})

    return router


class Page:
    """The newest look at the database, shown for `metrics_cache_s`. While somebody scrapes, the next look is made
    ahead: then no scrape waits for one, and while one is made, what is shown is older by what that takes."""

    def __init__(self, services: Services) -> None:
        self.keep = timedelta(seconds=services.settings.metrics_cache_s)
        self._services = services
        self._collector = DatabaseCollector(services)
        self._exposition = Exposition()
        self._turn = threading.Lock()
        self._looked: Looked | None = None
        self._asked_at: datetime | None = None
        self._formats: frozenset[bool] = frozenset()
        self._most = self.keep

    def read(self, *, openmetrics: bool) -> bytes:
        self._asked_at = self._services.now()
        self._formats |= {openmetrics}
        if (text := self._shown(openmetrics)) is not None:
            return text
        with self._turn:
            if (text := self._shown(openmetrics)) is not None:
                return text  # somebody else has looked meanwhile
            return self._look(self._formats if self.keep else frozenset({openmetrics})).texts[openmetrics]

    def ahead(self, stop: Stop) -> None:
        """Until `stop`, looks again each `metrics_cache_s` while somebody scrapes."""
        self._most = 2 * self.keep
        while not stop.wait(self.keep.total_seconds()):
            asked_at, now = self._asked_at, self._services.now()
            if asked_at is None or now - asked_at > WATCHED_FOR:
                continue
            try:
                with self._turn:
                    self._look(self._formats)
            except Exception:
                # The next scrape looks for itself, and says what is wrong.
                log.exception("metrics-look-failed")

    def _shown(self, openmetrics: bool) -> bytes | None:
        """What was looked at lately."""
        looked, now = self._looked, self._services.now()
        if looked is None or not timedelta() <= now - looked.at < self._most:
            return None
        return looked.texts.get(openmetrics)

    def _look(self, formats: frozenset[bool]) -> Looked:
        at, picture = self._services.now(), self._collector.look()
        write = {False: self._exposition.text, True: self._exposition.openmetrics}
        texts = {each: write[each](picture.values, picture.counts) for each in formats}
        self._looked = Looked(at=at, texts=texts)
        return self._looked
