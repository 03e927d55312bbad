"""The commands, put together. Importing this imports typer and declarations, nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.commands import campaign, config, cost, episode, notify, operate, runner, top_level
from orchestrator.cli.commands.options import new_group

app = new_group(
    """Wakes GPU machines, runs coding-agent episodes on them, and says what each result is worth.

    \b
    Examples:
      matins demo                       the whole of it, on this machine
      matins up                         start the orchestrator
      matins episode submit campaign.toml --agent replay:finisher
      matins episode list

    \b
    Exit status: 0 done; 1 what was asked about failed; 2 wrong usage or bad
    input file; 3 orchestrator not reachable; 4 not allowed; 130 interrupted.

    \b
    Environment:
      MATINS_URL    where the orchestrator is (default http://127.0.0.1:7437)
      MATINS_HOME   where state and the token file are
      MATINS_TOKEN  the token, instead of the file MATINS_HOME/token
      NO_COLOR      no colours
    """
)
top_level.register(app)
operate.register(runner.group)
app.add_typer(campaign.group, name="campaign")
app.add_typer(episode.group, name="episode")
app.add_typer(runner.group, name="runner")
app.add_typer(cost.group, name="cost")
app.add_typer(notify.group, name="notify")
app.add_typer(config.group, name="config")


def _show_version(wanted: bool) -> None:
    if wanted:
        from orchestrator import __version__

        typer.echo(f"matins {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    pass
