"""The Celery application: three thin tasks. A message only says that there may be work; the database says what."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from celery import Celery, signals
from celery.exceptions import SecurityWarning

from orchestrator.errors import Unavailable
from orchestrator.service.observation import observe
from orchestrator.service.perform import perform
from orchestrator.service.reconcile import tick
from orchestrator.service.services import Services

log = structlog.get_logger()

POLLING_INTERVAL_S = 0.05
CONNECT_TIMEOUT_S = 1.0
RING_TIMEOUT_S = 1.0
HEARING_TIMEOUT_S = 10.0
HEARTBEAT_S = 10
"""How often RabbitMQ and a worker tell each other that they live; after two that are missed the connection is given up.
By Celery's default that takes four minutes, which is how long a worker would not notice that it lost its broker in
silence, and how long RabbitMQ would keep the messages of a worker whose machine is gone."""

HEARING: dict[str, dict[str, Any]] = {
    "memory": {"polling_interval": POLLING_INTERVAL_S},
    "redis": {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": HEARING_TIMEOUT_S,
        "health_check_interval": 5,
        "visibility_timeout": 300,
    },
    # No confirms: a worker publishes only events, in the loop that it hears with, and would wait without bounds.
    "amqp": {},
}
"""Transport options by family for who consumes. A health check shows a worker that it lost its Redis in silence, a
heartbeat that it lost its RabbitMQ."""

RINGING: dict[str, dict[str, Any]] = {
    "memory": HEARING["memory"],
    "redis": {**HEARING["redis"], "socket_timeout": RING_TIMEOUT_S, "max_retries": 0},
    "amqp": {
        "confirm_publish": True,
        "read_timeout": RING_TIMEOUT_S,
        "write_timeout": RING_TIMEOUT_S,
        "max_retries": 0,
    },
}
"""Those for who publishes: one try, and no waiting beyond RING_TIMEOUT_S to connect or to send."""

FAMILIES = {"rediss": "redis", "amqps": "amqp", "pyamqp": "amqp"}

FORGETFUL = ("redis", "amqp")
"""Families whose brokers keep no event that nobody listens to. Only there do workers tell what they do (to a
celery-exporter, say): elsewhere the events could pile up."""


@signals.setup_logging.connect
def _leave_logging_alone(**_: object) -> None:
    """A receiver is enough: Celery then configures no logging of its own."""


# About workers that unpickle as root; ours take JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)


def is_memory(broker_url: str) -> bool:
    """Whether the broker lives in one process and is nobody else's."""
    return urlsplit(broker_url).scheme == "memory"


def is_told(broker_url: str) -> bool:
    """Whether the broker is told of tasks and workers: it then passes the events on to whoever listens."""
    return _family(broker_url) in FORGETFUL


def make_app(broker_url: str, tick_s: float) -> Celery:
    """The application without its tasks: they need the services, which need the doorbell, which needs an application
    of its own."""
    app = _make(broker_url, HEARING)
    app.conf.update(
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_redirect_stdouts=False,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        # After a loss of the broker it is raised again by the threads that do the tasks: over RabbitMQ they would read
        # from the connection that the main thread reads from, and the worker is deaf until that breaks.
        worker_enable_prefetch_count_reduction=False,
        # Concerns tasks that are acknowledged late. None of ours is; unset, each loss of the broker warns of it.
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_send_task_events=is_told(broker_url),
        broker_heartbeat=HEARTBEAT_S,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        beat_schedule={"tick": {"task": "matins.tick", "schedule": tick_s}},
        beat_max_loop_interval=min(tick_s, 1.0),
    )
    return app


def make_ringing_app(broker_url: str) -> Celery:
    """What the doorbell sends with."""
    return _make(broker_url, RINGING)


def _make(broker_url: str, options: dict[str, dict[str, Any]]) -> Celery:
    app = Celery("matins", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_default_queue="matins",
        task_publish_retry=False,
        # RabbitMQ writes and syncs a persistent message before it confirms. Nothing here has to outlive the broker.
        task_default_delivery_mode="transient",
        task_send_sent_event=is_told(broker_url),
        accept_content=["json"],
        broker_connection_timeout=CONNECT_TIMEOUT_S,
        broker_transport_options=options.get(_family(broker_url), {}),
    )
    return app


def _family(broker_url: str) -> str:
    scheme = urlsplit(broker_url).scheme
    return FAMILIES.get(scheme, scheme)


def add_tasks(app: Celery, services: Services) -> None:
    tick_once = Shared(lambda: _try("tick", lambda: tick(services)))

    @app.task(name="matins.tick")
    def tick_task() -> None:
        tick_once()

    @app.task(name="matins.observe")
    def observe_task(runner: str) -> None:
        _try("observe", lambda: observe(services, runner))

    @app.task(name="matins.perform")
    def perform_task(act_id: int) -> None:
        _try("perform", lambda: perform(services, act_id))

    del tick_task, observe_task, perform_task


class Shared:
    """Does `work` for each call, but those that come while it is done share one more turn after it: many changes ring
    for as many ticks, and one tick after the last of them sees all."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._busy = False
        self._again = False

    def __call__(self) -> None:
        with self._lock:
            self._again = True
            if self._busy:
                return
            self._busy = True
        while self._next():
            try:
                self._work()
            except BaseException:
                with self._lock:
                    self._busy = False
                raise

    def _next(self) -> bool:
        with self._lock:
            self._busy, self._again = self._again, False
            return self._busy


def _try(task: str, work: Callable[[], object]) -> None:
    """Without its database a task cannot even say what it did not do: a later ring finds the same work again."""
    try:
        work()
    except Unavailable as error:
        log.warning("task-left", task=task, error=error.message)
