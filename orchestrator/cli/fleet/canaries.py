"""`matins runner canary`"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.cli import terminal
from orchestrator.cli.account import account
from orchestrator.cli.answers import read
from orchestrator.cli.client import Client, segment
from orchestrator.cli.connection import connection
from orchestrator.cli.fleet.following import follow
from orchestrator.cli.runners import RUNNERS


@dataclass(frozen=True, kw_only=True)
class Canary:
    """`passed` is None while it is under way, and where it ended without a verdict."""

    runner: str
    episode: str
    campaign: str
    phase: str
    under_way: bool
    passed: bool | None = None
    gpu: str = ""
    reason: str = ""
    health: str = ""


def canary(name: str, *, gpu: str, campaign: str, wait_s: float | None, by: str | None, as_json: bool) -> int:
    """0 if it passed, or if nobody waits; 1 if it did not pass, or not in time."""
    path = f"{RUNNERS}/{segment(name)}/canary"
    with Client(connection()) as client:
        answer = client.post(path, {"by": by or account(), "gpu": gpu, "campaign": campaign})
        if wait_s is not None:
            answer = _followed(client, path, answer, wait_s)
    found = read(Canary, answer)
    if as_json:
        terminal.data_json(answer)
    else:
        terminal.data(terminal.one_line(f"{name}  {outcome(found)}"))
    return 0 if found.passed or (wait_s is None and found.under_way) else 1


def _followed(client: Client, path: str, answer: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """Each phase is told as it comes."""
    told = ""

    def tell(answer: dict[str, Any]) -> bool:
        nonlocal told
        found = read(Canary, answer)
        if found.phase != told:
            terminal.note(terminal.one_line(f"{found.runner}  canary {found.episode} is {found.phase}"))
            told = found.phase
        return found.under_way

    def late(answer: dict[str, Any]) -> tuple[str, str]:
        why = f"`matins episode explain {read(Canary, answer).episode}` says why"
        return f"It has not ended after {wait_s:g} s: {why}.", "The canary goes on without this command."

    episode = read(Canary, answer).episode
    return follow(client, path, answer, wait_s, tell=tell, late=late, episode=episode)


def outcome(found: Canary) -> str:
    what = f"canary {found.episode} of {found.campaign}" + (f" on {found.gpu}" if found.gpu else "")
    if found.passed:
        return f"{what} passed: {found.health}"
    if found.under_way:
        return f"{what} is {found.phase}"
    verdict = "failed" if found.passed is False else f"{found.phase} without a verdict"
    return f"{what} {verdict}: {found.reason}; {found.health}"
