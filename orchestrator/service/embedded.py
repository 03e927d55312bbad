"""`matins up`: API, scheduler and worker in one process, with an in-memory broker. Killing it loses nothing."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from celery import Celery, beat

from orchestrator.errors import BadInput
from orchestrator.service.celery_app import add_tasks, is_memory, make_app, make_ringing_app
from orchestrator.service.doorbell import CeleryDoorbell
from orchestrator.service.links import link_opener
from orchestrator.service.notify import need_places
from orchestrator.service.parts import MakeWeb, listening, make_beat, need_broker, web_config, work
from orchestrator.service.services import Doorbell, Services, policy_of
from orchestrator.settings import Settings
from orchestrator.store.engine import open_store
from orchestrator.store.outbox import drop_claims

log = structlog.get_logger()


def run(settings: Settings, make_web: MakeWeb) -> int:
    """Serve until SIGINT or SIGTERM. Raises BadInput."""
    home = settings.ensure_home()
    token = settings.ensure_token()
    with _only_one(home), listening(settings) as listener:
        store = open_store(settings.database_url)
        app = make_app(settings.broker_url, settings.tick_s)
        need_broker(settings)
        doorbell = CeleryDoorbell(make_ringing_app(settings.broker_url))
        opener, policy = link_opener(settings), policy_of(settings)
        services = Services(settings=settings, store=store, doorbell=doorbell, link=opener, policy=policy)
        need_places(services)
        if _alone(settings):
            with store.writing() as session:
                drop_claims(session, services.now())
        add_tasks(app, services)
        with ExitStack() as ending:
            ending.callback(log.info, "up-stopped")
            ending.callback(store.close)
            server = _serve(make_web(services, token), listener)
            ending.callback(setattr, server, "should_exit", True)
            ticker = _start_beat(app, doorbell)
            ending.callback(ticker.stop, wait=False)
            log.info("up-started", url=settings.url, home=str(home), pid=os.getpid())
            work(app, settings.worker_threads)
    return 0


def _alone(settings: Settings) -> bool:
    """Whether nobody else can be at work: the lock keeps others from this home, but not from a server's database."""
    return is_memory(settings.broker_url) and settings.database_url.startswith("sqlite")


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """The in-memory broker is one process's own, so a second process on the same state would be deaf to the first."""
    path = home / "up.lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise BadInput(f"{path} cannot be opened: {error.strerror}", "remove it, or make it writable") from None
    with open(handle, "wb", buffering=0) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"`matins up` runs already on {home}", "use it, or set MATINS_HOME to another folder"
            ) from None
        yield


def _serve(web: Any, listener: socket.socket) -> uvicorn.Server:
    server = uvicorn.Server(web_config(web))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api", daemon=True).start()
    return server


def _start_beat(app: Celery, doorbell: Doorbell) -> beat.Service:
    """Beat as a thread: the worker's own fork would ring an in-memory broker that nobody hears."""
    service = make_beat(app, doorbell)
    threading.Thread(target=service.start, kwargs={"embedded_process": False}, name="beat", daemon=True).start()
    return service
