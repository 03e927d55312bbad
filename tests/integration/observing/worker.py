"""`matins worker`, but that one runner is the one in the test; machines of the history are nowhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from orchestrator.domain.runner import Address
from orchestrator.errors import LinkError
from orchestrator.logs import configure
from orchestrator.service.parts import run_worker
from orchestrator.settings import Settings, load
from tests.integration.scaled.memory_runner import open_remote_link


class Nobody:
    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def refuse(*_: object) -> None:
            raise LinkError(f"nobody is there to {verb}", kind="timeout")

        return refuse


def open_link(settings: Settings) -> Callable[[Address], Any]:
    live = open_remote_link(settings)
    return lambda address: live(address) if address.kind == "local" else Nobody()


if __name__ == "__main__":
    settings = load()
    configure(settings)
    sys.exit(run_worker(settings, open_link=open_link))
