"""`matins up`, `api`, `worker`, `beat`: the one place of the command line that starts parts instead of asking them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import Literal

Part = Literal["up", "api", "worker", "beat"]

READ_BYTES = 4096


def serve(part: Part, *, until_eof: bool = False) -> int:
    """Run a part, or all of them in this process, until SIGINT or SIGTERM, or the end of standard input where that is
    asked for; the exit status."""
    # Until the part has a way of its own: one that is told to stop while it starts ends in order, too.
    signal.signal(signal.SIGTERM, _end)
    if until_eof:
        threading.Thread(target=_end_with_input, name="input", daemon=True).start()
    from orchestrator.failpoints import arm
    from orchestrator.logs import configure
    from orchestrator.settings import load

    settings = load()
    configure(settings)
    arm(settings.failpoints)

    from orchestrator.service import embedded, parts
    from orchestrator.web.app import create_app

    match part:
        case "up":
            return embedded.run(settings, create_app)
        case "api":
            return parts.run_api(settings, create_app)
        case "worker":
            return parts.run_worker(settings)
        case "beat":
            return parts.run_beat(settings)


def _end(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


def _end_with_input() -> None:
    """Whoever holds the other end may be killed, and then the kernel closes it."""
    with contextlib.suppress(OSError):
        while os.read(sys.__stdin__.fileno() if sys.__stdin__ else -1, READ_BYTES):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
