"""`matins notify …`"""

from __future__ import annotations

import typer

from orchestrator.cli.commands.options import AsJson, new_group

group = new_group("Messages to people.")


@group.callback()
def _notify() -> None:
    """See whether messages arrive."""


@group.command("test")
def test(
    as_json: AsJson = False,
) -> None:
    """Have the orchestrator send a test to each place in its setting `notify`. Exits with 1 if one did not take it.

    \b
    Example:
      matins notify test
    """
    from orchestrator.cli.notify import send_test

    raise typer.Exit(send_test(as_json=as_json))
