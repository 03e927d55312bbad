"""`matins up`, `api`, `worker`, `beat`: the one place of the command line that starts parts instead of asking them."""

from __future__ import annotations

from typing import Literal

Part = Literal["up", "api", "worker", "beat"]


def serve(part: Part) -> int:
    """Run a part, or all of them in this process, until SIGINT or SIGTERM; the exit status."""
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
