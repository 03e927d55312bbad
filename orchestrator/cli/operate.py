"""`matins runner declare-dead`, `resume`, `sleep`, `drain`, `remove`"""

from __future__ import annotations

from typing import Any

from orchestrator.cli import terminal
from orchestrator.cli.account import account
from orchestrator.cli.client import Client, segment
from orchestrator.cli.connection import connection
from orchestrator.cli.render import values
from orchestrator.cli.runners import RUNNERS


def declare_dead(name: str, *, reason: str, by: str | None, force: bool, as_json: bool) -> None:
    answer = _ask(name, "declare-dead", {"by": by or account(), "reason": reason, "force": force})
    if as_json:
        terminal.data_json(answer)
        return
    lost = [str(episode) for episode in answer.get("episodes", [])]
    terminal.note(f"{name} is out of service; {values.plural(len(lost), 'attempt')} on it ended as runner-lost.")
    for episode in lost:
        terminal.data(episode)


def resume(name: str, *, reason: str, by: str | None, as_json: bool) -> None:
    act(name, "resume", {"reason": reason}, by=by, as_json=as_json)


def act(name: str, verb: str, body: dict[str, Any], *, by: str | None, as_json: bool) -> None:
    """Asks for it, and prints the state that follows."""
    answer = _ask(name, verb, {"by": by or account(), **body})
    if as_json:
        terminal.data_json(answer)
    else:
        terminal.data(terminal.one_line(f"{name}  {answer.get('state')}"))


def _ask(name: str, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    with Client(connection()) as client:
        return client.post(f"{RUNNERS}/{segment(name)}/{verb}", body)
