"""What operators do to a runner: `matins runner wake`, `sleep`, `drain`, `resume`, `doctor`, and so on."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.commands.options import AsJson

Name = Annotated[str, typer.Argument(metavar="NAME", help="The runner's name.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who says so, for the logs. [your account's name]")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the logs.")]


def register(group: typer.Typer) -> None:
    for act in (wake, sleep, drain, resume, canary, doctor, remove):
        group.command(act.__name__)(act)
    group.command("declare-dead")(declare_dead)


def wake(
    name: Name,
    wait_s: Annotated[
        float | None,
        typer.Option("--wait", metavar="SECONDS", min=0, help="Wait that long; exit with 1 if it is not ready."),
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Wake a runner over the network, whatever the queue needs.

    With --wait each stage is told as it comes: packet, link, tcp, ssh, boot-id, hello, vulkan. If one does not come,
    that stage is the name of the failure, and the exit status is 1. Without, the wake goes on by itself.

    \b
    Example:
      matins runner wake gpu01 --wait 180
    """
    from orchestrator.cli.fleet import wakes

    raise typer.Exit(wakes.wake(name, wait_s=wait_s, by=by, as_json=as_json))


def sleep(
    name: Name,
    how: Annotated[str, typer.Option(metavar="HOW", help="suspend or power-off. [as it was added with --sleeps]")] = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Ask a runner to sleep now. The machine refuses while an episode, a login or an unfetched result is there.

    \b
    Example:
      matins runner sleep gpu01
    """
    from orchestrator.cli import operate

    operate.act(name, "sleep", {"how": how}, by=by, as_json=as_json)


def drain(
    name: Name,
    reason: Reason = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Give a runner no more episodes; those it has go on. `resume` takes that back.

    \b
    Example:
      matins runner drain gpu01 --reason "new fan on Friday"
    """
    from orchestrator.cli import operate

    operate.act(name, "drain", {"reason": reason}, by=by, as_json=as_json)


def canary(
    name: Name,
    gpu: Annotated[str, typer.Option(metavar="UUID", help="Its device, as `runner show` lists it. [any]")] = "",
    campaign: Annotated[
        str, typer.Option(metavar="NAME", help="A campaign's name or id. [the newest accepted that fits]")
    ] = "",
    wait_s: Annotated[
        float | None,
        typer.Option("--wait", metavar="SECONDS", min=0, help="Wait that long; exit with 1 if it has not passed."),
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Have a runner prove itself: the build and the smoke test of a known-good base, before all other work.

    If every instrument fires it is GOOD, also out of quarantine; else it is QUARANTINED with what was missing.

    \b
    Example:
      matins runner canary gpu01 --wait 900
    """
    from orchestrator.cli.fleet import canaries

    raise typer.Exit(canaries.canary(name, gpu=gpu, campaign=campaign, wait_s=wait_s, by=by, as_json=as_json))


def remove(
    name: Name,
    reason: Reason = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Retire a runner that has no work and holds no results. What it did stays in every count.

    \b
    Example:
      matins runner remove gpu01
    """
    from orchestrator.cli import operate

    operate.act(name, "remove", {"reason": reason}, by=by, as_json=as_json)


def doctor(name: Name, as_json: AsJson = False) -> None:
    """Examine a runner: what it needs, each as pass, fail or unknown, with the remedy. Exits with 1 if any fails.

    \b
    Example:
      matins runner doctor gpu01
    """
    from orchestrator.cli.fleet.doctor import examine

    raise typer.Exit(examine(name, as_json=as_json))


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
    reason: Reason = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Give a runner work again, out of quarantine too; its failed wakes are forgiven, and a canary is run first.

    What an attempt from before still does there is stopped first.

    \b
    Example:
      matins runner resume gpu01
    """
    from orchestrator.cli import operate

    operate.resume(name, reason=reason, by=by, as_json=as_json)
