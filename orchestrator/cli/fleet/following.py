"""Waiting for what a runner was asked to do, and telling how it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.cli import terminal
from orchestrator.cli.client import Client
from orchestrator.cli.patience import Patience, TimedOut

ASK_EVERY_S = 0.5
AWAY_LIMIT_S = 60.0

Answer = dict[str, Any]


def follow(
    client: Client,
    path: str,
    answer: Answer,
    wait_s: float,
    *,
    tell: Callable[[Answer], bool],
    late: Callable[[Answer], tuple[str, str]],
    **query: str,
) -> Answer:
    """The last answer before it ended or the time was over. `tell` says what is new in an answer, and gives whether it
    goes on; `late` is what is said once the time is over."""
    patience = Patience(away_limit_s=AWAY_LIMIT_S, timeout_s=wait_s, answered=True)
    while tell(answer):
        try:
            patience.check()
            patience.pause(ASK_EVERY_S)
            answer = patience.ask(lambda: client.get(path, **query))
        except TimedOut:
            for line in late(answer):
                terminal.note(terminal.one_line(line))
            break
    return answer
