"""The episodes on a real `matins up` with one local runner.

Matins pays every wait of the others on top of its own work: the wait of "sync" is part of the agent's session, that of
"pull" a check that is graded once the GPU is free again.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench.pipelines import figures, serial
from tests.bench.pipelines.figures import BadRun
from tests.bench.pipelines.plan import Episode, Shape
from tests.orchestrator import Orchestrator

LIMIT_S = 1800.0
LOGS = ("agent/session-1/stream.jsonl", "logs/build-1.log", "logs/lint-1.log", "smoke/*.log", "grade/*.log")


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What the journals say: seconds from one's release of the GPU to the next one's turn, for those who waited; and of
    each episode the seconds on the runner that were no wait, no cargo and no queue."""

    gaps_s: tuple[float, ...]
    overhead_s: tuple[float, ...]


def run(
    folder: Path, repo: Path, episodes: Sequence[Episode], shape: Shape, slots: str
) -> tuple[tuple[figures.Line, ...], Journal]:
    folder.mkdir()
    campaign = _campaign(folder, repo, shape)
    warm_up = Episode(name="warm-up", turn_s=0.1, crate=episodes[0].crate, line="pub const EDIT_UP: u64 = 0;")
    for episode in (warm_up, *episodes):
        _agent(folder / "agents", episode, shape)
    matins = Orchestrator(folder / "home", agents_path=str(folder / "agents"))
    try:
        matins.start().json("runner", "add", "gpu", "--local", "--slots", slots)
        # The base's first build and the preflight are no part of the run, as the others' first builds are not.
        _finish(matins, matins.submit(campaign, f"command:{warm_up.name}"))
        ids = matins.submit(campaign, *(f"command:{episode.name}" for episode in episodes))
        _finish(matins, ids)
        done = matins.matins("episode", "pull", *ids, "--out", str(folder / "pulled"), limit_s=600)
        if done.returncode != 0:
            raise BadRun(f"matins episode pull: {done.stderr}")
    finally:
        matins.stop()
    pulled = {found.parent.name: found.parent for found in folder.glob("pulled/pipeline/*/events.jsonl")}
    lines = tuple(figures.read(one, _text(pulled[one])) for one in ids)
    return lines, journal([_events(pulled[one]) for one in ids], lines)


def journal(attempts: Sequence[Sequence[dict[str, Any]]], lines: Sequence[figures.Line]) -> Journal:
    """`attempts`: the events of each line's attempt, in order."""
    taken = sorted((_epoch_s(each), each["seconds"]) for events in attempts for each in _named(events, "gate-waited"))
    released = sorted(_epoch_s(each) for events in attempts for each in _named(events, "gate-released"))
    hand_overs = zip(released, taken[1:], strict=False)
    return Journal(
        gaps_s=tuple(at_s - free_s for free_s, (at_s, waited_s) in hand_overs if at_s - waited_s <= free_s),
        overhead_s=tuple(_overhead_s(events, line) for events, line in zip(attempts, lines, strict=True)),
    )


def _named(events: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The events of the GPU's gate; there is one of the builds, too."""
    return [each for each in events if each["event"] == name and each["gate"].startswith("gpu")]


def _overhead_s(events: Sequence[dict[str, Any]], line: figures.Line) -> float:
    """Until the episode's folder is packed, journal included."""
    queued_s = sum(each["seconds"] for each in events if each["event"] == "gate-waited")
    return _epoch_s(events[-1]) - _epoch_s(events[0]) - queued_s - line.waited_s - line.cargo_s


def _campaign(folder: Path, repo: Path, shape: Shape) -> Path:
    """The GPU's hold is divided among both sides of the one round: what an episode takes of the GPU is all of it."""
    _, _, build, lint, _, pull = serial.commands(Episode(name="any", turn_s=0.0, crate="any", line="any"), shape)
    hold = ("sh", "ci/timed.sh", "gpu", "sleep", f"{shape.wait_s('gpu') / 2:.3f}")
    path = folder / "pipeline.toml"
    path.write_text(f"""
schema = "matins-campaign-1"
name = "pipeline"
[repo]
url = {json.dumps(str(repo))}
base = "main"
[agent]
network = "none"
[[session]]
[[session.turn]]
say = "Add a line to a crate."
[[item]]
id = "edit"
title = "A line in a crate"
[[item.check]]
kind = "pattern-present"
pattern = "EDIT_"
paths = ["crates/**"]
[[item.check]]
kind = "command"
run = {json.dumps(shlex.join(pull))}
[[build]]
run = {json.dumps(shlex.join(build))}
[[lint]]
run = {json.dumps(shlex.join(lint))}
[smoke]
run = {json.dumps(shlex.join(hold))}
throughput = ""
dispatches = ""
must_print = ["[SPAN] name=gpu"]
[smoke.measure]
rounds = 1
""")
    return path


def _agent(folder: Path, episode: Episode, shape: Shape) -> None:
    sync, turn, *_ = serial.commands(episode, shape)
    own = folder / episode.name
    own.mkdir(parents=True)
    script = f"{shlex.join(sync)} && {shlex.join(turn)}"
    (own / "agent.toml").write_text(f'kind = "command"\nargv = ["sh", "-c", {json.dumps(script)}]\n')


def _finish(matins: Orchestrator, ids: list[str]) -> None:
    ended = matins.wait_until_ended(ids, LIMIT_S)
    bad = {one: (end["phase"], end["end_reason"], end["valid"]) for one, end in ended.items() if not end["valid"]}
    if bad:
        first = next(iter(bad))
        raise BadRun(f"no signal: {bad}\n{matins.matins('episode', 'explain', first).stdout}{matins.tail()}")


def _text(pulled: Path) -> str:
    return "\n".join(path.read_text("utf-8", "replace") for name in LOGS for path in sorted(pulled.glob(name)))


def _events(pulled: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pulled / "events.jsonl").read_text().splitlines()]


def _epoch_s(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()
