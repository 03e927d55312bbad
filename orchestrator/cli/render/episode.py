"""One episode as text: what it is worth first, then why."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.cli.answers import Episode, Interval, ItemResult, Verdict
from orchestrator.cli.render import cost, values
from orchestrator.cli.render.conditions import conditions


def result_line(episode: Episode) -> str:
    """One line that says how it ended."""
    worth = episode.first_line or episode.detail or episode.end_reason
    return "  ".join(
        [episode.id, values.text(episode.agent or episode.kind), episode.phase, *([worth] if worth else [])]
    )


def details(episode: Episode) -> Iterator[str]:
    """All of it, a line at a time."""
    yield episode.first_line or episode.detail or f"{episode.phase}: no verdict yet."
    yield ""
    yield from _facts(episode)
    verdict = episode.verdict
    if verdict is not None:
        yield from _items(verdict)
        yield from _throughput(verdict.throughput)
        yield from conditions(verdict.conditions)
        yield from _flags(verdict)
    yield from _stages(episode)
    yield from _cost(episode)
    yield from _attempts(episode)


def _facts(episode: Episode) -> Iterator[str]:
    facts = {
        "episode": episode.id,
        "campaign": episode.campaign,
        "agent": episode.agent,
        "model": episode.model,
        "phase": episode.phase,
        "ended with": episode.end_reason,
        "detail": episode.detail if episode.first_line else None,
        "validity": values.validity(episode),
        "items done": values.items(episode.items_done, episode.items_total),
        "runner": episode.runner,
        "submitted": values.time(episode.submitted_at),
        "by": episode.submitter,
        "started": values.time(episode.started_at),
        "ended": values.time(episode.ended_at),
    }
    for name, value in facts.items():
        if value not in (None, "", values.NONE):
            yield f"{name:<11} {value}"


def _items(verdict: Verdict) -> Iterator[str]:
    if not verdict.items:
        return
    yield ""
    yield "Items"
    for item in verdict.items:
        yield f"  {item.status:<10} {item.id}{f': {item.title}' if item.title else ''}{_claim(item)}"
        for line in item.evidence:
            yield f"             {line}"


def _claim(item: ItemResult) -> str:
    return f" (the agent says: {item.claimed})" if item.claimed else ""


def _throughput(measured: Interval | None) -> Iterator[str]:
    if measured is None:
        return
    yield ""
    yield "Throughput"
    if measured.baseline is not None or measured.candidate is not None:
        yield f"  tok/s    {values.rate(measured.baseline)} → {values.rate(measured.candidate)}"
    if measured.change is not None:
        yield f"  change   {values.interval(measured.change, measured.low, measured.high)}"
    if measured.verdict is not None:
        yield f"  verdict  {measured.verdict}{f': {measured.reason}' if measured.reason else ''}"
    if measured.samples and measured.method:
        spent = "" if measured.seconds is None else f" in {measured.seconds:.0f} s"
        yield f"  from     {measured.samples} pairs{spent}; {measured.method}"
    if measured.reused_from:
        yield f"  reused   measured in episode {measured.reused_from}, where it counts as a signal; not once more here"


def _flags(verdict: Verdict) -> Iterator[str]:
    if verdict.flags:
        yield ""
        yield "Flags (they inform, and never change the score)"
    for flag in verdict.flags:
        where = f"  ({flag.where})" if flag.where else ""
        yield f"  {flag.kind}{f': {flag.quote}' if flag.quote else ''}{where}"
    if verdict.problems:
        yield ""
        yield "Problems with what came back"
    for problem in verdict.problems:
        yield f"  {problem}"


def _stages(episode: Episode) -> Iterator[str]:
    if not episode.stages:
        return
    yield ""
    yield "Stages (seconds)"
    for stage in episode.stages:
        line = f"  {stage.stage:<10} {stage.result:<10} {values.seconds(stage.seconds):>8}  {stage.detail or ''}"
        yield line.rstrip()


def _cost(episode: Episode) -> Iterator[str]:
    if episode.cost is None:
        return
    yield ""
    yield "Cost"
    for line in cost.of_episode(episode.cost):
        yield f"  {line}"


def _attempts(episode: Episode) -> Iterator[str]:
    if not episode.attempts:
        return
    yield ""
    yield "Attempts"
    for attempt in episode.attempts:
        span = f"{values.time(attempt.started_at)} to {values.time(attempt.ended_at)}"
        stage = f" in {attempt.stage}" if attempt.stage else ""
        line = (
            f"  fence {values.text(attempt.fence)} on {values.text(attempt.runner)}: "
            f"{values.text(attempt.phase)}{stage}, {span}  {attempt.detail or ''}"
        )
        yield line.rstrip()
