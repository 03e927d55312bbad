"""`matins episode …`"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.commands.options import (
    AsJson,
    AwayLimit,
    EpisodeId,
    EpisodeIds,
    EverySeconds,
    Timeout,
    new_group,
)

group = new_group("Runs of an agent at a campaign: queue them, follow them, ask why, take the artifacts.")


class Kind(StrEnum):
    EPISODE = "episode"
    PREFLIGHT = "preflight"
    CANARY = "canary"


ALL_PHASES = "QUEUED, ASSIGNED, LAUNCHING, RUNNING, COLLECTING, SCORING, DONE, FAILED or CANCELLED"


@group.command("submit")
def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A campaign file (TOML).")],
    agents: Annotated[
        list[str], typer.Option("--agent", metavar="NAME", help="Who is to do it, as in replay:finisher; repeatable.")
    ],
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model that the agent is to use.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, help="Episodes for each agent.")] = 1,
    priority: Annotated[int, typer.Option(metavar="P", help="Higher is earlier.")] = 0,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who submits. [your account's name]")] = None,
    as_json: AsJson = False,
) -> None:
    """Queue episodes of a campaign. Once this returns they cannot be lost.

    Prints the ids of the new episodes, one a line.

    \b
    Examples:
      matins episode submit campaign.toml --agent replay:finisher
      matins episode submit campaign.toml --agent replay:finisher \\
          --agent replay:idler -n 3 --priority 5
    """
    from orchestrator.cli.episodes.submit import Submission, submit_episodes

    submission = Submission(file=file, agents=tuple(agents), model=model, count=count, priority=priority, by=by)
    submit_episodes(submission, as_json=as_json)


@group.command("list")
def list_(
    campaign: Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this campaign.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this agent.")] = None,
    phase: Annotated[str | None, typer.Option(metavar="PHASE", help=f"Only those in it: {ALL_PHASES}.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="At most this many.")] = 100,
    preflights: Annotated[bool, typer.Option("--all", help="Also preflights, which try a campaign's checks.")] = False,
    kind: Annotated[Kind, typer.Option(metavar="KIND", help="episode, preflight or canary.")] = Kind.EPISODE,
    as_json: AsJson = False,
) -> None:
    """List episodes, newest first.

    \b
    Examples:
      matins episode list
      matins episode list --campaign decode --phase DONE --json
    """
    from orchestrator.cli.episodes.listing import Filter, list_episodes

    kinds = "episode,preflight" if preflights else kind.value
    wanted = Filter(campaign=campaign, agent=agent, phase=phase, limit=limit, kind=kinds)
    list_episodes(wanted, as_json=as_json)


@group.command("show")
def show(
    episode: EpisodeId,
    events: Annotated[bool, typer.Option("--events", help="Also everything that happened, in order.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one episode: what it is worth and why, its items, stages, throughput, flags and attempts.

    \b
    Examples:
      matins episode show 3f2a
      matins episode show 3f2a --events
    """
    from orchestrator.cli.episodes.show import show_episode

    show_episode(episode, events=events, as_json=as_json)


@group.command("watch")
def watch(
    episodes: EpisodeIds,
    timeout_s: Timeout = None,
    away_limit_s: AwayLimit = 300.0,
    every_s: EverySeconds = 1.0,
    as_json: AsJson = False,
) -> None:
    """Follow episodes until each has ended: a line per stage on standard error, a line per result on standard output.

    Exits with 1 unless every one of them is DONE, that is, has a verdict, whatever the verdict says. An orchestrator
    that goes away meanwhile is waited for.

    \b
    Examples:
      matins episode watch 3f2a
      matins episode watch 3f2a 9c10 --timeout 3600
    """
    from orchestrator.cli.episodes.watch import WatchOptions, watch_episodes

    options = WatchOptions(timeout_s=timeout_s, away_limit_s=away_limit_s, every_s=every_s)
    raise typer.Exit(watch_episodes(episodes, options, as_json=as_json))


@group.command("logs")
def logs(
    episode: EpisodeId,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the episode has ended.")] = False,
    stream: Annotated[str | None, typer.Option(metavar="NAME", help="Only this stream. [all, merged]")] = None,
    timeout_s: Timeout = None,
    away_limit_s: AwayLimit = 300.0,
    every_s: EverySeconds = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line: offset, next, text.")] = False,
) -> None:
    """Print what an episode's commands and agent wrote.

    \b
    Examples:
      matins episode logs 3f2a
      matins episode logs -f 3f2a
    """
    from orchestrator.cli.episodes.logs import LogOptions, print_logs

    print_logs(
        episode,
        LogOptions(
            follow=follow,
            stream=stream,
            timeout_s=timeout_s,
            away_limit_s=away_limit_s,
            every_s=every_s,
            as_json=as_json,
        ),
    )


@group.command("cancel")
def cancel(episodes: EpisodeIds, as_json: AsJson = False) -> None:
    """Cancel episodes. What already runs is stopped; what it made so far is kept.

    \b
    Example:
      matins episode cancel 3f2a
    """
    from orchestrator.cli.episodes.acts import cancel_episodes

    cancel_episodes(episodes, as_json=as_json)


@group.command("retry")
def retry(episodes: EpisodeIds, as_json: AsJson = False) -> None:
    """Try ended episodes afresh: those that failed, were cancelled, or have no valid verdict.

    Each becomes a new episode of the same campaign, agent, model and priority; the old one stays as it ended.
    Prints the ids of the new ones, one a line.

    \b
    Example:
      matins episode retry 3f2a
    """
    from orchestrator.cli.episodes.acts import retry_episodes

    retry_episodes(episodes, as_json=as_json)


@group.command("rescore")
def rescore(episodes: EpisodeIds, as_json: AsJson = False) -> None:
    """Judge the kept artifacts of episodes again. One that ended as scoring-failed gets its verdict by this.

    What is derived from the artifacts is written anew, so pull them again afterwards.

    \b
    Example:
      matins episode rescore 3f2a
    """
    from orchestrator.cli.episodes.acts import rescore_episodes

    rescore_episodes(episodes, as_json=as_json)


@group.command("explain")
def explain(episode: EpisodeId, as_json: AsJson = False) -> None:
    """Say why an episode is where it is: why it waits, why it was retried, why its verdict is not valid.

    \b
    Example:
      matins episode explain 3f2a
    """
    from orchestrator.cli.episodes.acts import explain_episode

    explain_episode(episode, as_json=as_json)


@group.command("pull")
def pull(
    episodes: EpisodeIds,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to: DIR/<campaign>/<id>/…")] = Path(
        "artifacts"
    ),
    away_limit_s: AwayLimit = 60.0,
    as_json: AsJson = False,
) -> None:
    """Copy the artifacts of episodes and verify every byte of them against SHA256SUMS.

    Safe to run again: what is there and right is not copied twice, what was cut off goes on where it stopped.

    \b
    Example:
      matins episode pull 3f2a 9c10 --out artifacts
    """
    from orchestrator.cli.episodes.pull import pull_episodes

    pull_episodes(episodes, out=out, away_limit_s=away_limit_s, as_json=as_json)


@group.command("trace")
def trace(
    episode: EpisodeId,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to, instead of to output.")] = None,
    away_limit_s: AwayLimit = 60.0,
    as_json: AsJson = False,
) -> None:
    """Show when each stage, turn, wait at a gate and GPU dispatch took place, for Perfetto.

    JSON in Chrome's trace event format, to standard output or to a file; open it at https://ui.perfetto.dev. Made when
    an episode is scored; the first 50,000 dispatches are in it.

    \b
    Examples:
      matins episode trace 3f2a
      matins episode trace 3f2a --out trace.json
    """
    from orchestrator.cli.episodes.trace import write_trace

    write_trace(episode, out=out, away_limit_s=away_limit_s, as_json=as_json)
