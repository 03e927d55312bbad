"""Ringing through the broker. A ring is a hint: it is tried once, bounded in time, and forgotten if it fails."""

from __future__ import annotations

import time

import structlog
from celery import Celery

log = structlog.get_logger()

MESSAGE_EXPIRES_S = 60
SILENCE_S = 2.0
"""After a ring that failed nothing is rung for so long: a broker that is gone, or hangs, does not slow down every
request and every tick. The next beat rings again for all that is due."""

RING_AGAIN_S = 1.0
"""Every tick rings for all acts that are due, so those that still wait in the queue are rung for no sooner."""

REMEMBERED_MOST = 10_000


class CeleryDoorbell:
    """Rings by sending a Celery message: never later than the broker options of `app` allow, and never an error."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._silent_until = 0.0
        self._rung_at: dict[int, float] = {}

    def tick(self) -> None:
        self._send("matins.tick")

    def observe(self, runner: str) -> None:
        self._send("matins.observe", runner)

    def perform(self, act_id: int) -> None:
        now = time.monotonic()
        if now < self._rung_at.get(act_id, 0.0) + RING_AGAIN_S:
            return
        if len(self._rung_at) >= REMEMBERED_MOST:
            self._rung_at.clear()
        self._rung_at[act_id] = now
        self._send("matins.perform", act_id)

    def _send(self, task: str, *arguments: object) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            self._app.send_task(task, args=arguments, expires=MESSAGE_EXPIRES_S, retry=False)
        except Exception as error:  # each transport has exceptions of its own
            self._silent_until = time.monotonic() + SILENCE_S
            log.warning("ring-lost", task=task, error=f"{type(error).__name__}: {error}")
