"""kill -9 at every named place of the orchestrator: nothing is lost, nothing starts twice, every artifact verifies.

One home, one campaign; each server of the row is armed with another point, in the order in which an episode comes by
them, so that one episode lives through many deaths.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import httpx
import pytest

from orchestrator.failpoints import POINTS
from tests.chaos.api import ENDED, Api, ledgers, start_armed, unverified, was_killed
from tests.chaos.checker import Account, check
from tests.chaos.toy import make_quick_toy
from tests.components import need
from tests.orchestrator import Json, Orchestrator, wait_for

PREFLIGHT_WITHIN_S = 60.0
IDLE_WITHIN_S = 90.0
DEATH_WITHIN_S = 40.0
ALL_END_WITHIN_S = 90.0
OF_SLEEPERS = ("act-wake", "act-suspend")
"""Only runners that sleep get there. A process is killed at each in tests/unit/service/test_power_deaths.py, and a
whole server, with the lab's machines, in tests/integration/fleet_lab/test_service_power.py."""

SLEEPER_ENDS = {("CANCELLED", "cancelled"), ("DONE", "agent-time-limit")}
"""The server may have died before the cancel was asked for."""


class Row:
    """The servers that follow one another on one home, and what they were asked for."""

    def __init__(self, folder: Path) -> None:
        need("bwrap", "git")
        self.campaign = make_quick_toy(folder, folder / "home" / "token")
        self.matins = Orchestrator(folder / "home", agents_path=str(folder / "agents"), tick_s="0.2", observe_s="0.6")
        self.server = self.matins.parts[0]
        self.api = Api(self.matins)
        self.acknowledged: set[str] = set()
        self.sleepers: set[str] = set()
        self.kept = self.matins.home / "runners" / "local" / "attempts"

    def begin(self) -> None:
        """One runner, and a campaign that has been accepted."""
        self.matins.start()
        self.api.add_local_runner("local", agent=6, build=2)
        (first,) = self.send("replay:idler")
        wait_for(lambda: self.api.have_ended([first]), PREFLIGHT_WITHIN_S, self.server.tail)
        assert self.api.episode(first)["phase"] == "DONE", self.api.episode(first)["detail"]

    def send(self, agent: str) -> list[str]:
        new = self.api.submit(self.campaign, agent)
        self.acknowledged |= set(new)
        return new

    def die_at(self, point: str) -> None:
        """A server armed with this point alone; it is sent an episode unless it dies of what is there already."""
        self.matins.stop()
        start_armed(self.server, self.api, f"{point}=kill")
        wait_for(self._is_dead_or_idle, IDLE_WITHIN_S, self.server.tail)
        with contextlib.suppress(httpx.HTTPError):  # it may die before it can answer
            if not self.server.runs():
                pass
            elif point.startswith("act-cancel"):
                self._cancel_one()
            elif point.startswith("act-salvage"):
                self._lose_one()
            else:
                self.send("replay:doer")
        wait_for(lambda: not self.server.runs(), DEATH_WITHIN_S, lambda: f"never came to {point}\n{self.server.tail()}")
        assert was_killed(self.server), f"{point}\n{self.server.tail()}"

    def _is_dead_or_idle(self) -> bool:
        """Idle: every episode has ended, and the runner was told that it may forget them."""
        try:
            return all(each["phase"] in ENDED for each in self.api.episodes()) and self.all_acknowledged()
        except httpx.HTTPError:
            return not self.server.runs()

    def all_acknowledged(self) -> bool:
        return all((folder / "acknowledged.json").exists() for folder in self.kept.glob("[!.]*"))

    def _cancel_one(self) -> None:
        (sleeper,) = self.send("replay:sleeper")
        self.sleepers.add(sleeper)
        wait_for(lambda: self.api.episode(sleeper)["phase"] == "RUNNING", DEATH_WITHIN_S, self.server.tail)
        self.api.cancel(sleeper)

    def _lose_one(self) -> None:
        """An attempt whose supervisor dies: another takes its place, and what it left is salvaged."""
        (self.matins.home / "runners" / "local" / "failpoints").write_text("session-before-commit kill\n")
        self.send("replay:doer")

    def settle(self) -> dict[str, Json]:
        """Every episode that the last server knows, ended and acknowledged to the runner."""
        wait_for(
            lambda: self.api.have_ended(each["id"] for each in self.api.episodes()),
            ALL_END_WITHIN_S,
            lambda: f"{self.matins.matins('episode', 'list', '--all').stdout}{self.server.tail()}",
        )
        episodes = {e["id"]: self.api.episode(e["id"]) for e in self.api.episodes() if e["kind"] == "episode"}
        attempts = {attempt["id"] for episode in episodes.values() for attempt in episode["attempts"]}
        wait_for(self.all_acknowledged, 30, self.server.tail)
        assert attempts <= {folder.name for folder in self.kept.iterdir()}
        return episodes


def assert_nothing_was_lost_or_doubled(row: Row, episodes: dict[str, Json]) -> None:
    assert row.acknowledged <= episodes.keys()
    for one, episode in episodes.items():
        expected = SLEEPER_ENDS if one in row.sleepers else {("DONE", "completed")}
        assert (episode["phase"], episode["end_reason"]) in expected, f"{one}: {episode['detail']}"
        *failed, last = episode["attempts"]
        assert {attempt["phase"] for attempt in failed} <= {"supervisor-died"}, one
        folder = row.matins.home / "attempts" / last["id"]
        assert unverified(folder) == []
        assert_the_journal_came_whole(row.matins.events(one), folder)
    accounts = {one: Account(phase=e["phase"], reason=e["end_reason"]) for one, e in episodes.items()}
    assert [str(found) for found in check(ledgers(row.matins.home), submitted=accounts)] == []


def assert_the_journal_came_whole(events: list[Json], folder: Path) -> None:
    """What was recorded from reports, many of them cut off, is what the collected journal says: no gap, no double."""
    told = [event["event"] for event in events if event["source"] == "runner"]
    last_attempt = max(place for place, event in enumerate(told) if event == "attempt-started")
    reported = told[last_attempt:]
    collected = [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]
    shorter = min(len(reported), len(collected))
    assert shorter > 0
    assert reported[:shorter] == collected[:shorter]


@pytest.mark.fault(1, 3, 4, 5, 6, 7, 8, 9)
@pytest.mark.timeout(1200)
def test_a_server_that_dies_at_any_named_place_loses_nothing_and_starts_nothing_twice(tmp_path: Path) -> None:
    points = [point for point in POINTS if not point.startswith(OF_SLEEPERS)]
    row = Row(tmp_path)
    try:
        row.begin()
        for point in points:
            print(f"kill -9 at {point}: {POINTS[point]}", flush=True)
            row.die_at(point)
        row.matins.start()
        assert_nothing_was_lost_or_doubled(row, row.settle())
    finally:
        row.matins.stop()
