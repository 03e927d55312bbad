"""`matins cost …`"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import typer

from orchestrator.cli.commands.options import AsJson, new_group

group = new_group("What signals cost: machines, energy, idle time, wakes, tokens.")

DAYS = ["%Y-%m-%d"]


class By(Enum):
    day = "day"
    campaign = "campaign"
    agent = "agent"
    runner = "runner"
    phase = "phase"


@group.callback()
def _cost() -> None:
    """What signals cost: machines, energy, idle time, wakes, tokens."""


@group.command("report")
def report(
    since: Annotated[
        datetime | None, typer.Option("--since", formats=DAYS, metavar="DAY", help="From this day (UTC) on.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=DAYS, metavar="DAY", help="To this day (UTC), with it.")
    ] = None,
    by: Annotated[By, typer.Option("--by", help="What it is listed by.")] = By.agent,
    campaign: Annotated[
        str | None, typer.Option("--campaign", metavar="NAME", help="Only what its episodes are charged with.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="Only what its episodes are charged with.")
    ] = None,
    runner: Annotated[str | None, typer.Option("--runner", metavar="NAME", help="Only this machine.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what was spent, on what, and what a signal cost: all cost over the valid signals.

    Each figure is labelled: measured by an instrument, estimated where none spoke, or configured. What gave no signal
    is waste, with the reason. In the end stands what would have been cheaper. docs/costs.md says how it is reckoned.

    \b
    Examples:
      matins cost report
      matins cost report --since 2026-11-01 --until 2026-11-30 --by day
      matins cost report --campaign decode --by agent --json
    """
    from orchestrator.cli.cost import Asked, show_report

    days = {"since": since, "until": until}
    asked = Asked(
        by=by.value,
        campaign=campaign,
        agent=agent,
        runner=runner,
        **{name: day.date().isoformat() if day else None for name, day in days.items()},
    )
    show_report(asked, as_json=as_json)
