"""Ringing through the broker. A ring is a hint: it is tried once, bounded in time, and forgotten if it fails."""

from __future__ import annotations

import time
from typing import Any

import structlog
from celery import Celery

from orchestrator.service.celery_app import RING_TIMEOUT_S

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
            self._publish(task, arguments)
        except Exception as error:  # each transport has exceptions of its own
            self._silent_until = time.monotonic() + SILENCE_S
            log.warning("ring-lost", task=task, error=f"{type(error).__name__}: {error}")

    def _publish(self, task: str, arguments: tuple[object, ...]) -> None:
        pool: Any = self._app.producer_pool
        with pool.acquire(block=True, timeout=RING_TIMEOUT_S) as producer:
            try:
                self._app.send_task(
                    task,
                    args=arguments,
                    producer=producer,
                    retry=False,
                    # Workers throw away what is older. RabbitMQ does so itself: without a worker its queue stays short.
                    expires=MESSAGE_EXPIRES_S,
                    expiration=MESSAGE_EXPIRES_S,
                    # Without it a RabbitMQ that does not answer is waited for longer than its socket's limits say.
                    confirm_timeout=RING_TIMEOUT_S,
                )
            except BaseException:
                # Such a connection may look open for a quarter of an hour; the next ring makes a new one.
                producer.connection.collect()
                raise
