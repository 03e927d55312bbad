"""`matins compare`"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field

from orchestrator.cli import terminal
from orchestrator.cli.answers import read
from orchestrator.cli.client import Client, segment
from orchestrator.cli.connection import connection


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The mean over `episodes`: a share of the items or of the episodes, a relative change of throughput, USD."""

    measure: str
    episodes: int
    mean: float
    low: float | None = None
    high: float | None = None
    alike: bool = False


@dataclass(frozen=True, kw_only=True)
class Group:
    name: str
    valid: int
    invalid: dict[str, int]
    estimates: tuple[Estimate, ...]
    usd_per_signal: float | None = None
    reused: int = 0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    measure: str
    first: str
    second: str
    difference: float
    p_holm: float
    says: str
    within: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Counted:
    judged: int
    not_chosen: int = 0
    of_other_versions: int = 0
    without_verdict: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Compared:
    campaign: str
    commit: str
    by: str
    alpha: float
    episodes: Counted
    groups: tuple[Group, ...]
    comparisons: tuple[Comparison, ...]
    items_total: int | None = None
    cost: str = "tokens"


def show_comparison(campaign: str, *, by: str, only: list[str], as_json: bool) -> None:
    from orchestrator.cli.render.compare import lines

    with Client(connection()) as client:
        answer = client.get_reckoned(f"/api/v1/campaigns/{segment(campaign)}/compare", by=by, only=only)
    found = read(Compared, answer)
    if as_json:
        terminal.data_json(answer)
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines(found, width):
        terminal.data(line)
