"""`matins episode list`"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.cli import terminal
from orchestrator.cli.answers import Episode, listed
from orchestrator.cli.client import Client
from orchestrator.cli.connection import connection
from orchestrator.cli.episodes.api import EPISODES
from orchestrator.cli.render import values
from orchestrator.cli.render.tables import Column, show_table

COLUMNS = (
    Column(title="ID"),
    Column(title="CAMPAIGN", drop=4),
    Column(title="AGENT"),
    Column(title="PHASE"),
    Column(title="ITEMS", right=True),
    Column(title="TOK/S", right=True, drop=1),
    Column(title="VERDICT", drop=2),
    Column(title="END", drop=5),
    Column(title="RUNNER", drop=6),
    Column(title="SUBMITTED", drop=3),
)


@dataclass(frozen=True, kw_only=True)
class Filter:
    campaign: str | None
    agent: str | None
    phase: str | None
    limit: int
    kind: str


def list_episodes(wanted: Filter, *, as_json: bool) -> None:
    with Client(connection()) as client:
        answer = client.get(
            EPISODES,
            campaign=wanted.campaign,
            agent=wanted.agent,
            phase=wanted.phase.upper() if wanted.phase else None,
            limit=wanted.limit,
            kind=wanted.kind,
        )
    episodes = [
        (raw, episode)
        for raw, episode in zip(answer.get("episodes") or [], listed(Episode, answer, "episodes"), strict=True)
        if (episode.kind or "episode") in wanted.kind.split(",")
    ]
    if as_json:
        terminal.data_json([raw for raw, _ in episodes])
    elif episodes:
        show_table(COLUMNS, _rows([episode for _, episode in episodes]))
    else:
        terminal.note("No episodes. Queue one with `matins episode submit FILE --agent NAME`.")


def _rows(episodes: list[Episode]) -> list[list[str]]:
    return [
        [
            episode.id,
            episode.campaign,
            values.text(episode.agent or episode.kind),
            episode.phase,
            values.items(episode.items_done, episode.items_total),
            values.rate(episode.tok_s),
            values.valid(episode),
            values.text(episode.end_reason),
            values.text(episode.runner),
            values.time(episode.submitted_at),
        ]
        for episode in episodes
    ]
