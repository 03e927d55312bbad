"""How the runner says no."""

from __future__ import annotations

from runner_agent.protocol import RefusalKind


class Refused(Exception):
    """The answer is no. `kind` says to a program why, the text says it to a person."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.kind: RefusalKind = kind
