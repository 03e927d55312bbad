"""`matins cost report`"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from orchestrator.cli import terminal
from orchestrator.cli.answers import read
from orchestrator.cli.client import Client
from orchestrator.cli.connection import connection

COST = "/api/v1/cost"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Days as YYYY-MM-DD, UTC, both included."""

    by: str
    since: str | None = None
    until: str | None = None
    campaign: str | None = None
    agent: str | None = None
    runner: str | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """Money that went to `kind`, of which the figures are `label`led alike."""

    kind: str
    label: str
    usd: float
    joules: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Phase:
    phase: str
    usd: float
    joules: float = 0.0
    labels: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Wasted:
    reason: str
    usd: float
    says: str = ""


@dataclass(frozen=True, kw_only=True)
class Wakes:
    ready: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class Tokens:
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    unpriced_turns: int = 0


@dataclass(frozen=True, kw_only=True)
class Group:
    """`name` is empty for what no episode is charged with; `kinds` is USD by what it went to."""

    name: str
    usd: float
    signals: int = 0
    usd_per_signal: float | None = None
    waste_usd: float = 0.0
    kinds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """All that would have been spent, None if that is not known, beside all that was."""

    name: str
    actual_usd: float
    usd: float | None = None
    usd_per_signal: float | None = None
    says: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """`went` sums to `usd`: to signals, to episodes that go on, to waste, overhead and idle machines."""

    by: str
    usd: float
    signals: int
    episodes: int
    says: str
    parts: tuple[Part, ...]
    phases: tuple[Phase, ...]
    went: dict[str, float]
    waste: tuple[Wasted, ...]
    groups: tuple[Group, ...]
    wakes: Wakes | None
    tokens: Tokens
    overhead: dict[str, float] = field(default_factory=dict)
    alternatives: tuple[Alternative, ...] = ()
    since: str | None = None
    until: str | None = None
    usd_per_signal: float | None = None
    unsettled: int = 0
    seconds: float = 0.0


def show_report(asked: Asked, *, as_json: bool) -> None:
    with Client(connection()) as client:
        answer = fetch(client, asked)
    found = read(Report, answer)
    if as_json:
        terminal.data_json(answer)
    else:
        show(found)


def fetch(client: Client, asked: Asked, episodes: tuple[str, ...] = ()) -> dict[str, Any]:
    """The answer of the API; of these episodes alone, if any are named."""
    given = {name: value for name, value in asdict(asked).items() if value is not None}
    return client.get_reckoned(COST, **given, **({"episode": list(episodes)} if episodes else {}))


def show(found: Report) -> None:
    from orchestrator.cli.render import cost
    from orchestrator.cli.render.tables import show_table

    for line in cost.head(found):
        terminal.data(line)
    for columns, rows in cost.tables(found):
        if rows:
            terminal.data("")
            show_table(columns, rows)
    for line in cost.tail(found):
        terminal.data(line)
