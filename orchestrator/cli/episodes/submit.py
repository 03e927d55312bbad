"""`matins episode submit`"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.cli import terminal
from orchestrator.cli.account import account
from orchestrator.cli.answers import Episode, listed
from orchestrator.cli.campaigns import send_bundle
from orchestrator.cli.client import Client
from orchestrator.cli.connection import connection
from orchestrator.cli.episodes.api import EPISODES
from orchestrator.cli.render import values


@dataclass(frozen=True, kw_only=True)
class Submission:
    """`by`: who submits; None: the account that this command runs as."""

    file: str
    agents: tuple[str, ...]
    model: str | None = None
    count: int = 1
    priority: int = 0
    by: str | None = None


def submit_episodes(submission: Submission, *, as_json: bool) -> None:
    with Client(connection()) as client:
        answer = submit(client, submission)
    episodes = listed(Episode, answer, "episodes")
    if as_json:
        terminal.data_json(answer)
        return
    commit = answer.get("commit")
    at = f" at {commit[:12]}" if isinstance(commit, str) else ""
    campaign = episodes[0].campaign if episodes else submission.file
    terminal.note(f"Queued {values.plural(len(episodes), 'episode')} of {campaign}{at}.")
    for episode in episodes:
        terminal.data(episode.id)


def submit(client: Client, submission: Submission) -> dict[str, Any]:
    """The API's answer. Raises WrongInput with every problem that the campaign has."""
    body = {
        "agents": list(submission.agents),
        "model": submission.model,
        "count": submission.count,
        "priority": submission.priority,
        "by": submission.by or account(),
    }
    return send_bundle(client, submission.file, EPISODES, lambda bundle: {"bundle": bundle, **body})
