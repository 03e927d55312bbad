"""`matins runner declare-dead` and `resume`"""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.commands.options import AsJson

Name = Annotated[str, typer.Argument(metavar="NAME", help="The runner's name.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who says so, for the logs. [your account's name]")]


def register(group: typer.Typer) -> None:
    group.command("declare-dead")(declare_dead)
    group.command("resume")(resume)


def declare_dead(
    name: Name,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="What happened to it, for the logs.")],
    by: By = None,
    force: Annotated[bool, typer.Option("--force", help="Even though it answered within the last 60 seconds.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say that a machine will not come back. It is taken out of service, and its attempts are made again elsewhere.

    Prints the episodes whose attempt was lost, one a line. This is a promise: if the machine runs on unseen, so do its
    attempts, beside those that replace them.

    \b
    Example:
      matins runner declare-dead gpu01 --reason "mainboard burnt out"
    """
    from orchestrator.cli import operate

    operate.declare_dead(name, reason=reason, by=by, force=force, as_json=as_json)


def resume(
    name: Name,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the logs.")] = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Give a runner work again. What an attempt from before still does there is stopped first.

    \b
    Example:
      matins runner resume gpu01
    """
    from orchestrator.cli import operate

    operate.resume(name, reason=reason, by=by, as_json=as_json)
