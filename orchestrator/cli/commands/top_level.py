"""`matins up`, its parts one by one, `matins demo`, `matins top` and `matins compare`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.commands.options import AsJson
from orchestrator.cli.serve import Part


class By(Enum):
    agent = "agent"
    model = "model"


def register(app: typer.Typer) -> None:
    app.command("up")(up)
    for part in (api, worker, beat):
        app.command(part.__name__)(part)
    app.command("demo")(demo)
    app.command("top")(top)
    app.command("compare")(compare)


def up(
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="End with standard input too: with whoever holds its other end.")
    ] = False,
) -> None:
    """Run the orchestrator here: API, scheduler and worker in one process, until Ctrl-C or SIGTERM.

    Episodes that run meanwhile go on without it; the next `matins up` adopts them where they stand.

    \b
    Example:
      matins up
    """
    _serve("up", until_eof=until_eof)


def api() -> None:
    """Run the HTTP API alone, until Ctrl-C or SIGTERM.

    Beside it run `matins worker` and `matins beat`; they meet at MATINS_DATABASE_URL and MATINS_BROKER_URL.

    \b
    Example:
      matins api
    """
    _serve("api")


def worker() -> None:
    """Run a worker alone, until Ctrl-C or SIGTERM.

    It plans, asks runners and does acts. Any number may run.

    \b
    Example:
      matins worker
    """
    _serve("worker")


def beat() -> None:
    """Run the scheduler alone, until Ctrl-C or SIGTERM.

    A second one changes nothing but that the first may fail.

    \b
    Example:
      matins beat
    """
    _serve("beat")


def _serve(part: Part, *, until_eof: bool = False) -> None:
    from orchestrator.cli.serve import serve

    raise typer.Exit(serve(part, until_eof=until_eof))


def demo(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to pull the artifacts to. [MATINS_HOME/demo/artifacts]"),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the orchestrator running, if this command started it.")
    ] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="Give up on the episodes after this long.")
    ] = 3600.0,
    as_json: AsJson = False,
) -> None:
    """Run the main job end to end on this machine: five recorded agents on a real Rust and Vulkan workspace.

    Starts the orchestrator if none answers, adds this machine as the runner "local", submits the example campaign
    for the agents finisher, fabricator, half-shipper, cherry-picker and lawyer, watches them, shows what each is
    worth, and pulls and verifies their artifacts. Exits with 1 if an episode ends without a verdict.

    \b
    Examples:
      matins demo
      matins demo --keep --out /tmp/artifacts
    """
    from orchestrator.cli.demo.run import DemoOptions, run_demo

    raise typer.Exit(run_demo(DemoOptions(out=out, keep=keep, timeout_s=timeout_s, as_json=as_json)))


def top(
    every_s: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.2, max=3600, help="How often to look.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once and end, as without a terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the fleet and the queue, live, until q or Ctrl-C.

    Runners with their state and what they wait for; the episodes on them, then the queue in the order of its turns.

    \b
    Example:
      matins top
    """
    from orchestrator.cli.fleet import top as fleet_top

    fleet_top.top(every_s=every_s, once=once, as_json=as_json)


def compare(
    campaign: Annotated[str, typer.Argument(metavar="CAMPAIGN", help="The name of a campaign.")],
    by: Annotated[By, typer.Option("--by", help="What is compared.")] = By.agent,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this one; may be given again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare agents, or models, on a campaign: items, throughput, cost, validity; an episode is the unit.

    Each comparison is settled, or says how many more episodes would settle it. P values are corrected for all that
    is shown; invalid episodes are counted beside and are in no mean. docs/comparing.md says how.

    \b
    Examples:
      matins compare decode
      matins compare decode --by model --only small --only large
    """
    from orchestrator.cli.compare import show_comparison

    show_comparison(campaign, by=by.value, only=only or [], as_json=as_json)
