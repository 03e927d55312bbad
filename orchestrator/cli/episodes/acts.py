"""`matins episode cancel`, `retry`, `rescore` and `explain`"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.cli import terminal
from orchestrator.cli.account import account
from orchestrator.cli.answers import Episode, Explanation, read
from orchestrator.cli.client import Client
from orchestrator.cli.connection import connection
from orchestrator.cli.episodes.api import path_of


def cancel_episodes(ids: list[str], *, as_json: bool) -> None:
    with Client(connection()) as client:
        answers = [client.post(path_of(name, "cancel"), {"by": account()}) for name in ids]
    if as_json:
        terminal.data_json(answers)
        return
    for answer in answers:
        episode = read(Episode, answer)
        detail = f"  {episode.detail}" if episode.detail else ""
        terminal.data(terminal.one_line(f"{episode.id}  {episode.phase}{detail}"))


def retry_episodes(ids: list[str], *, as_json: bool) -> None:
    _each(ids, "retry", lambda episode: episode.id, as_json=as_json)


def rescore_episodes(ids: list[str], *, as_json: bool) -> None:
    def line(episode: Episode) -> str:
        return f"{episode.id}  {episode.phase}  {episode.first_line or ''}".rstrip()

    _each(ids, "rescore", line, as_json=as_json)


def _each(ids: list[str], verb: str, line: Callable[[Episode], str], *, as_json: bool) -> None:
    """One after the other. What was done before one is refused is shown."""
    by, answers = account(), list[dict[str, Any]]()
    try:
        with Client(connection()) as client:
            for name in ids:
                answers.append(client.post(path_of(name, verb), {"by": by}))
                if not as_json:
                    terminal.data(terminal.one_line(line(read(Episode, answers[-1]))))
    finally:
        if as_json:
            terminal.data_json(answers)


def explain_episode(name: str, *, as_json: bool) -> None:
    with Client(connection()) as client:
        answer = client.get(path_of(name, "explain"))
    explanation = read(Explanation, answer)
    if as_json:
        terminal.data_json(answer)
        return
    terminal.data(explanation.state)
    for line in explanation.lines:
        terminal.data(f"  {terminal.one_line(line)}")
