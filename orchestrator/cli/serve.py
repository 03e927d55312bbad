"""`matins up`: the one place of the command line that starts parts instead of asking them."""

from __future__ import annotations


def serve() -> int:
    """Run all parts in this process until SIGINT or SIGTERM; the exit status."""
    from orchestrator.failpoints import arm
    from orchestrator.logs import configure
    from orchestrator.settings import load

    settings = load()
    configure(settings)
    arm(settings.failpoints)

    from orchestrator.service.embedded import run
    from orchestrator.web.app import create_app

    return run(settings, create_app)
