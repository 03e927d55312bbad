"""The demo, step by step."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.cli import terminal
from orchestrator.cli.answers import Episode, Runner, listed, read
from orchestrator.cli.client import Client
from orchestrator.cli.connection import connection
from orchestrator.cli.cost import Report
from orchestrator.cli.cost import show as show_cost
from orchestrator.cli.demo import cost
from orchestrator.cli.demo.campaign import make_campaigns
from orchestrator.cli.demo.repository import make_repository
from orchestrator.cli.demo.service import UP, ensure_running
from orchestrator.cli.episodes import pull as pulling
from orchestrator.cli.episodes.api import EPISODES
from orchestrator.cli.episodes.follow import ENDED, Followed, follow
from orchestrator.cli.episodes.submit import Submission, submit
from orchestrator.cli.episodes.watch import tell
from orchestrator.cli.errors import Failed, WrongInput
from orchestrator.cli.patience import Patience
from orchestrator.cli.render import demo as render
from orchestrator.cli.render import values
from orchestrator.cli.render.tables import show_table
from orchestrator.cli.runners import RUNNERS

AGENTS = tuple(f"replay:{name}" for name in ("finisher", "fabricator", "half-shipper", "cherry-picker", "lawyer"))
RUNNER = "local"
WORKSPACE = "decode-workspace"
CAMPAIGN = "decode.toml"
AWAY_LIMIT_S = 120.0
TERMINATED = 143


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """`examples` and `up` stand in for what is shipped and for `matins up`."""

    out: Path | None = None
    keep: bool = False
    timeout_s: float = 3600.0
    as_json: bool = False
    examples: Path | None = None
    up: tuple[str, ...] = UP
    every_s: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`answers` are the API's, one an episode, and `cost` its report on them; `artifacts` is where the pulled folders
    lie. `example_prices`: the report is of the demo's own."""

    answers: list[dict[str, Any]]
    cost: dict[str, Any]
    example_prices: bool
    pulled: list[pulling.Pulled]
    artifacts: Path
    commit: str
    seconds: float

    @property
    def episodes(self) -> list[Episode]:
        return [read(Episode, answer) for answer in self.answers]


def run_demo(options: DemoOptions) -> int:
    """0 if every episode has a verdict and its artifacts are verified, else 1."""
    begin = time.monotonic()
    home = _home()
    where = connection()
    before = signal.signal(signal.SIGTERM, _end)
    service = ensure_running(where, options.up, keep=options.keep)
    try:
        outcome = _main_job(options, home / "demo", begin)
        _show(outcome, as_json=options.as_json)
    finally:
        if options.keep:
            terminal.note(f"The orchestrator is left running at {where.url}.")
        else:
            service.stop()
        signal.signal(signal.SIGTERM, before)
    return 0 if all(episode.phase == "DONE" for episode in outcome.episodes) else 1


def _main_job(options: DemoOptions, folder: Path, begin: float) -> Outcome:
    repository, campaign = _prepare(options.examples, folder)
    patience = Patience(away_limit_s=AWAY_LIMIT_S, timeout_s=options.timeout_s)
    with Client(connection()) as client:
        example_prices = _ensure_runner(client)
        answer = submit(client, Submission(file=str(campaign), agents=AGENTS))
        submitted = listed(Episode, answer, "episodes")
        episodes = [Followed(id=episode.id, agent=episode.agent or "") for episode in submitted]
        terminal.note(f"Queued {values.plural(len(episodes), 'episode')} of {CAMPAIGN} at {answer.get('commit')}.")
        preflights = _preflights(client, submitted[0].campaign) if submitted else []
        follow(client, preflights + episodes, patience, options.every_s, tell)
        artifacts = (options.out or folder / "artifacts").absolute()
        answers = [episode.final or {} for episode in episodes]
        done = [episode for episode in (read(Episode, final) for final in answers) if episode.phase == "DONE"]
        terminal.note(f"Pulling {values.plural(len(done), 'folder')} into {artifacts}.")
        pulled = [pulling.pull(client, episode.id, artifacts, patience) for episode in done]
        charged = tuple(episode.id for episode in preflights + episodes)
        terminal.note("Waiting for the accounts of these episodes.")
        report = cost.settled(client, charged, patience, options.every_s)
    return Outcome(
        answers=answers,
        cost=report,
        example_prices=example_prices,
        pulled=pulled,
        artifacts=artifacts,
        commit=str(answer.get("commit") or repository),
        seconds=time.monotonic() - begin,
    )


def _home() -> Path:
    """The folder of all state, made if it is not there. Raises WrongInput if the orchestrator is on another machine."""
    from orchestrator.settings import load

    settings = load()
    if urlsplit(settings.url).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise WrongInput(
            f"The demo runs on this machine, but the orchestrator's address is {settings.url}.",
            "Run it there, or leave MATINS_URL away.",
        )
    return settings.ensure_home()


def _prepare(examples: Path | None, folder: Path) -> tuple[str, Path]:
    """The repository's commit, and the campaign file."""
    from orchestrator.settings import shipped_examples

    source = examples or shipped_examples()
    if not (source / WORKSPACE).is_dir():
        raise Failed(f"The examples are not at {source}.", "Install Matins anew, or run it from its checkout.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    repository = folder / WORKSPACE
    commit = make_repository(source / WORKSPACE, repository)
    terminal.note(f"The workspace is a repository of its own: {repository} at {commit[:12]}.")
    make_campaigns(source / "campaigns", folder / "campaigns", repository)
    return commit, folder / "campaigns" / CAMPAIGN


def _ensure_runner(client: Client) -> bool:
    """Whether its prices are the demo's examples."""
    answer = client.get(RUNNERS)
    known = {runner.name for runner in listed(Runner, answer, "runners")}
    if RUNNER in known:
        terminal.note(f"This machine is a runner already: {RUNNER}.")
        return any(each["name"] == RUNNER and cost.are_examples(each.get("prices") or {}) for each in answer["runners"])
    client.post(RUNNERS, cost.runner(RUNNER).as_json())
    terminal.note(f"Added this machine as the runner {RUNNER}, with prices that are examples.")
    return True


def _preflights(client: Client, campaign: str) -> list[Followed]:
    """The campaign's trial run on the untouched base, if it is still going on: the episodes wait for it."""
    answer = client.get(EPISODES, kind="preflight", campaign=campaign, limit=1)
    going_on = [episode for episode in listed(Episode, answer, "episodes") if episode.phase not in ENDED]
    return [Followed(id=episode.id, agent="preflight") for episode in going_on if episode.kind == "preflight"]


def _show(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        terminal.data_json(
            {
                "episodes": outcome.answers,
                "pulled": [dataclasses.asdict(pulled) for pulled in outcome.pulled],
                "cost": outcome.cost,
                "artifacts": str(outcome.artifacts),
                "commit": outcome.commit,
                "seconds": round(outcome.seconds, 1),
            }
        )
        return
    episodes = outcome.episodes
    terminal.data("")
    show_table(render.RESULT_COLUMNS, [render.result_row(episode) for episode in episodes])
    terminal.data("")
    show_table(render.seconds_columns(episodes), render.seconds_rows(episodes))
    terminal.data("")
    for line in render.first_lines(episodes, shutil.get_terminal_size().columns if sys.stdout.isatty() else None):
        terminal.data(line)
    terminal.data("")
    for pulled in outcome.pulled:
        terminal.data(pulling.line(pulled))
    if outcome.pulled:
        terminal.data(f"Check one again: cd {outcome.pulled[0].folder} && sha256sum -c SHA256SUMS")
    terminal.data("")
    if outcome.example_prices:
        terminal.data(cost.SAYS)
    show_cost(read(Report, outcome.cost))
    terminal.data("")
    terminal.data(f"{outcome.seconds:.1f} s in all")


def _end(_signal: int, _frame: object) -> None:
    raise SystemExit(TERMINATED)
