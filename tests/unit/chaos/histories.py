"""Ledgers as honest runners would write them, and a Hypothesis strategy for any interleaving of many episodes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.chaos.checker import Account

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Event = dict[str, Any]


@dataclass
class World:
    """Some runners on one true time. Each machine has a boot of its own; `host` names those that share one."""

    ledgers: dict[str, list[Event]] = field(default_factory=dict)
    boots: dict[str, int] = field(default_factory=dict)
    time_s: float = 0.0
    pid: int = 1000

    def write(self, runner: str, event: str, attempt: str, episode: str, fence: int, **data: Any) -> Event:
        self.time_s += 5.0
        if event in ("started", "resumed") and "pid" not in data:
            self.pid += 1
            data = {"pid": self.pid, "start_time": int(self.time_s * 100), **data}
        line = {
            "at": (EPOCH + timedelta(seconds=self.time_s)).isoformat(),
            "boottime_s": self.time_s,
            "boot_id": f"{runner}-boot-{self.boots.get(runner, 0)}",
            "event": event,
            "attempt_id": attempt,
            "episode_id": episode,
            "fence": fence,
            **data,
        }
        self.ledgers.setdefault(runner, []).append(line)
        return line

    def reboot(self, runner: str) -> None:
        self.boots[runner] = self.boots.get(runner, 0) + 1

    def text(self) -> dict[str, str]:
        return {runner: "".join(json.dumps(line) + "\n" for line in lines) for runner, lines in self.ledgers.items()}


@dataclass
class Episode:
    """One episode's way: what may honestly come next depends only on where its newest attempt stands."""

    name: str
    runner: str = ""
    fence: int = 0
    state: str = "queued"
    boot: int = 0

    @property
    def attempt(self) -> str:
        return f"{self.name}-{self.fence}"


NEXT = {
    "queued": ("accept", "bury", "fail"),
    "accepted": ("accept-again", "start", "start", "bury-accepted", "die-early"),
    "started": ("end", "end", "die", "refuse", "die-ended"),
    "ended": ("acknowledge", "acknowledge", "resume", "retry"),
    "resumed": ("end-resumed", "die"),
    "graded": ("acknowledge", "retry"),
    "dead": ("retry", "acknowledge"),
    "buried": ("retry", "acknowledge"),
}
FINAL = ("done", "failed")


@st.composite
def honest(draw: st.DrawFn) -> tuple[World, dict[str, Account]]:
    """A world in which every episode came to its end, in any order, on any runners, with reboots between."""
    world = World()
    runners = [f"runner-{n}" for n in range(draw(st.integers(1, 3)))]
    episodes = [Episode(name=f"episode-{n}") for n in range(draw(st.integers(1, 4)))]
    for _ in range(draw(st.integers(0, 60))):
        if draw(st.integers(0, 15)) == 0:
            world.reboot(draw(st.sampled_from(runners)))
        going = [episode for episode in episodes if episode.state not in FINAL]
        if not going:
            break
        episode = draw(st.sampled_from(going))
        step(world, episode, draw(st.sampled_from(NEXT[episode.state])), draw(st.sampled_from(runners)))
    for episode in episodes:
        settle(world, episode, runners[0])
    told = [line for lines in world.ledgers.values() for line in lines]
    ended = {line["episode_id"] for line in told if line["event"] == "ended" or line.get("phase") == "exited"}
    accounts = {
        episode.name: Account(phase="DONE", reason="completed")
        if episode.name in ended
        else Account(phase="FAILED", reason="campaign-refused")
        for episode in episodes
    }
    return world, accounts


def step(world: World, episode: Episode, move: str, runner: str) -> None:
    """One honest move. What a reboot has ended is found dead first, as a report after it would do."""
    if episode.state in ("accepted", "started", "resumed") and world.boots.get(episode.runner, 0) != episode.boot:
        move = "die"

    def write(event: str, **data: Any) -> None:
        world.write(episode.runner, event, episode.attempt, episode.name, episode.fence, **data)

    match move:
        case "accept":
            episode.runner, episode.fence, episode.state = runner, episode.fence + 1, "accepted"
            episode.boot = world.boots.get(runner, 0)
            write("accepted")
        case "accept-again":
            write("accepted")
        case "bury":
            episode.runner, episode.fence, episode.state = runner, episode.fence + 1, "buried"
            write("buried")
        case "bury-accepted":
            episode.state = "buried"
            write("buried")
        case "start":
            episode.state = "started"
            write("started")
        case "refuse":
            write("refused", kind="not-ended", why="the agent's processes are not yet gone")
        case "end" | "end-resumed":
            episode.state = "ended" if move == "end" else "graded"
            write("ended", reason="completed")
        case "resume":
            episode.state, episode.boot = "resumed", world.boots.get(episode.runner, 0)
            write("resumed")
        case "die" | "die-early":
            episode.state = "dead"
            write("found-dead")
        case "retry":
            episode.state = "queued"
        case "acknowledge":
            episode.state = "done"
            write("acknowledged")
        case "die-ended":  # between its exit record and its line
            episode.state = "done"
            write("acknowledged", phase="exited")
        case "fail":
            episode.state = "failed" if episode.fence == 0 else "done"


def settle(world: World, episode: Episode, runner: str) -> None:
    """Bring an episode to its end by the shortest way."""
    ways = {"queued": "fail", "accepted": "start", "started": "end", "resumed": "end-resumed"}
    while episode.state not in FINAL:
        step(world, episode, ways.get(episode.state, "acknowledge"), runner)
