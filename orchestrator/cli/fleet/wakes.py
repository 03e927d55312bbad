"""`matins runner wake`"""

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
class Stage:
    name: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Wake:
    """The newest wake of a runner. While it is `under_way`, `reason` says what it waits for."""

    runner: str
    ready: bool
    stages: tuple[Stage, ...] = ()
    failed_stage: str | None = None
    reason: str = ""
    under_way: bool = False


def wake(name: str, *, wait_s: float | None, by: str | None, as_json: bool) -> int:
    """0 if it is ready, or if nobody waits; 1 if a stage did not come, or not in time."""
    path = f"{RUNNERS}/{segment(name)}/wake"
    with Client(connection()) as client:
        answer = client.post(path, {"by": by or account()})
        begun = read(Wake, answer).under_way
        if wait_s is not None and begun:
            answer = _followed(client, path, answer, wait_s)
    found = read(Wake, answer)
    if as_json:
        terminal.data_json(answer)
    else:
        terminal.data(terminal.one_line(f"{name}  {_outcome(found, begun)}"))
    return 0 if found.ready or (wait_s is None and found.under_way) else 1


def _followed(client: Client, path: str, answer: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """Each stage is told as it comes."""
    told = 0

    def tell(answer: dict[str, Any]) -> bool:
        nonlocal told
        found = read(Wake, answer)
        for stage in found.stages[told:]:
            terminal.note(terminal.one_line(f"{found.runner}  {stage.name} after {stage.seconds:.1f} s"))
        told = max(told, len(found.stages))
        return found.under_way

    def late(answer: dict[str, Any]) -> tuple[str, str]:
        found = read(Wake, answer)
        waits = f": {found.reason}" if found.reason else ""
        return f"{found.runner} is not ready after {wait_s:g} s{waits}.", "The wake goes on without this command."

    return follow(client, path, answer, wait_s, tell=tell, late=late)


def _outcome(found: Wake, begun: bool) -> str:
    """`begun`: whether there was anything to wake."""
    if found.ready:
        return f"ready after {sum(stage.seconds for stage in found.stages):.1f} s" if begun else "ready"
    if found.under_way:
        return f"waking: {found.reason}" if found.reason else "waking"
    return f"not ready: {found.failed_stage}: {found.reason}" if found.failed_stage else f"not ready: {found.reason}"
