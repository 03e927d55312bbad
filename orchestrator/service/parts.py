"""The parts of a running orchestrator: API, worker and beat. `matins up` has all three in one process; `matins api`,
`matins worker` and `matins beat` are one each, any number of them, and share database, broker and home."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import structlog
import uvicorn
from celery import Celery, beat
from celery.signals import worker_shutting_down
from celery.worker.state import reserved_requests
from kombu.connection import Connection

from orchestrator.domain.runner import Address
from orchestrator.errors import BadInput
from orchestrator.machines.link import Link
from orchestrator.service.celery_app import add_tasks, is_memory, make_app, make_ringing_app
from orchestrator.service.doorbell import CeleryDoorbell
from orchestrator.service.links import link_opener
from orchestrator.service.notify import need_places
from orchestrator.service.services import Doorbell, Services, policy_of
from orchestrator.settings import Settings
from orchestrator.store.engine import open_store

log = structlog.get_logger()

BROKER_TIMEOUT_S = 5
BROKER_REMEDY = (
    "start it, or set MATINS_BROKER_URL to where and as whom it may be used, like redis://:PASSWORD@HOST/0 or"
    " amqp://ACCOUNT:PASSWORD@HOST/VIRTUAL_HOST; `matins up` needs none"
)
WORKER_PAUSE_S = 1.0
STOPS_WITHIN_S = 15.0
FAREWELL_S = 3.0
"""For leaving the broker, once nothing is under way. One that does not answer would be waited for twice as long as a
question to it may take: for the event that the worker goes, and for the message that it asked for last."""
STOP_POLL_S = 0.1
HEARTBEAT_S = 5.0
"""Time between two events by which a worker says that it lives. Whoever listens takes it for gone after two missed."""

MakeWeb = Callable[[Services, str], Any]
"""`make_web(services, token)` makes the HTTP application."""

OpenLink = Callable[[Settings], Callable[[Address], Link]]
MakeDoorbell = Callable[[Celery], Doorbell]


def run_api(settings: Settings, make_web: MakeWeb) -> int:
    """Answer requests until SIGINT or SIGTERM. Raises BadInput."""
    settings.ensure_home()
    token = settings.ensure_token()
    with listening(settings) as listener, open_services(settings) as services:
        server = uvicorn.Server(web_config(make_web(services, token)))
        # The server stops on these, and then raises them again for whoever had them before.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        with _told("api", settings):
            server.run(sockets=[listener])
    return 0


def run_worker(
    settings: Settings, *, open_link: OpenLink = link_opener, make_doorbell: MakeDoorbell = CeleryDoorbell
) -> int:
    """Do what is rung for until SIGINT or SIGTERM. Raises BadInput."""
    settings.ensure_home()
    with open_services(settings, open_link, make_doorbell) as services:
        app = make_app(settings.broker_url, settings.tick_s)
        add_tasks(app, services)
        with _told("worker", settings):
            work(app, settings.worker_threads)
    return 0


def run_beat(settings: Settings) -> int:
    """Ring for a tick every `tick_s` until SIGINT or SIGTERM. Two that do so are no harm. Raises BadInput."""
    need_shared_broker(settings)
    open_store(settings.database_url).close()
    doorbell = CeleryDoorbell(make_ringing_app(settings.broker_url))
    service = make_beat(make_app(settings.broker_url, settings.tick_s), doorbell)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: service.stop(wait=False))
    with _told("beat", settings):
        service.start(embedded_process=False)
    return 0


@contextmanager
def open_services(
    settings: Settings, open_link: OpenLink = link_opener, make_doorbell: MakeDoorbell = CeleryDoorbell
) -> Iterator[Services]:
    """For one of several processes: database and broker are there now, and may go and come back later."""
    need_shared_broker(settings)
    store = open_store(settings.database_url)
    doorbell = make_doorbell(make_ringing_app(settings.broker_url))
    with contextlib.closing(store):
        opener, policy = open_link(settings), policy_of(settings)
        services = Services(settings=settings, store=store, doorbell=doorbell, link=opener, policy=policy)
        need_places(services)
        yield services


def need_shared_broker(settings: Settings) -> None:
    if is_memory(settings.broker_url):
        message = (
            f"the broker {settings.masked('broker_url')} lives in one process, and parts of several cannot meet there"
        )
        raise BadInput(message, "set MATINS_BROKER_URL to a server, like redis://127.0.0.1/0, or use `matins up`")
    need_broker(settings)


def need_broker(settings: Settings) -> None:
    try:
        with Connection(settings.broker_url, connect_timeout=BROKER_TIMEOUT_S) as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_S)
    except Exception as error:  # each transport has exceptions of its own, and one that is not installed has none
        message = f"the broker {settings.masked('broker_url')} cannot be used: {type(error).__name__}: {error}"
        raise BadInput(message, BROKER_REMEDY) from error


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    if not settings.url.startswith("http://"):
        raise BadInput(f"Matins speaks plain HTTP and cannot serve {settings.url}", "set MATINS_URL to http://…")
    address = (settings.host, settings.port)
    try:
        listener = socket.create_server(address, backlog=128)
    except OSError as error:
        message = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
        raise BadInput(message, "stop what uses that port, or set MATINS_URL to another") from None
    with listener:
        yield listener


def web_config(web: Any) -> uvicorn.Config:
    return uvicorn.Config(web, log_config=None, access_log=False, timeout_graceful_shutdown=2)


class RingingScheduler(beat.Scheduler):
    """Keeps the times in memory, and rings by the doorbell: Celery's own would wait for a broker that is away."""

    def __init__(self, doorbell: Doorbell, *arguments: Any, **options: Any) -> None:
        self._doorbell = doorbell
        super().__init__(*arguments, **options)

    @property
    def producer(self) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """None is needed: the doorbell has its own."""

    def apply_async(self, *_: Any, **__: Any) -> None:
        self._doorbell.tick()


def make_beat(app: Celery, doorbell: Doorbell) -> beat.Service:
    return beat.Service(app, scheduler_cls=partial(RingingScheduler, doorbell))


def work(app: Celery, threads: int, stops_within_s: float = STOPS_WITHIN_S) -> None:
    """The worker in the main thread, where it takes SIGTERM and SIGINT. Threads, since no link to a runner survives a
    fork. Bytes on the queue that are no message end Celery's worker; the next one goes on behind them. Once it is told
    to stop it waits for what is under way; if that takes longer than `stops_within_s`, the process ends without. So it
    does where a broker does not let it go."""
    farewell_s = math.inf if is_memory(app.conf.broker_url) else FAREWELL_S

    def limit(**_: object) -> None:
        threading.Thread(target=_stop_after, args=(stops_within_s, farewell_s), name="stop", daemon=True).start()

    worker_shutting_down.connect(limit, weak=False)
    while True:
        worker: Any = app.Worker(
            pool="threads",
            concurrency=threads,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=not app.conf.worker_send_task_events,
            heartbeat_interval=HEARTBEAT_S,
            loglevel="WARNING",
            quiet=True,
        )
        worker.start()
        if not worker.exitcode:
            return
        log.error("worker-restarted", exitcode=worker.exitcode)
        time.sleep(WORKER_PAUSE_S)


def _stop_after(stops_within_s: float, farewell_s: float) -> None:
    """A call to a machine that does not answer may last for minutes. Whatever is cut off here is done again, as after
    kill -9."""
    idle_s, left_s = 0.0, stops_within_s
    while left_s > 0:
        time.sleep(STOP_POLL_S)
        left_s -= STOP_POLL_S
        idle_s = 0.0 if len(reserved_requests) else idle_s + STOP_POLL_S
        if idle_s >= farewell_s:
            log.warning("stopped-without-broker", after_s=farewell_s)
            os._exit(0)
    log.warning("stopped-at-work", after_s=stops_within_s)
    os._exit(0)


@contextmanager
def _told(part: str, settings: Settings) -> Iterator[None]:
    try:
        log.info(f"{part}-started", home=str(settings.home), pid=os.getpid())
        yield
    finally:
        log.info(f"{part}-stopped", pid=os.getpid())
