"""An orchestrator that is expected to die, asked over HTTP while it lives; and what it and its runners left on disk."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.toy import bundle_of
from tests.orchestrator import START_LIMIT_S, Json, Orchestrator, Part, wait_for

ENDED = ("DONE", "FAILED", "CANCELLED")


class Api:
    """Raises httpx.HTTPError where the orchestrator is gone, or answers that it cannot."""

    def __init__(self, matins: Orchestrator) -> None:
        self._matins = matins

    def ask(self, method: str, path: str, body: Any = None, *, timeout_s: float = 30.0) -> Json:
        token = (self._matins.home / "token").read_text("utf-8").strip()
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self._matins.url}/api/v1/{path}"
        return httpx.request(method, url, json=body, headers=headers, timeout=timeout_s).raise_for_status().json()

    def add_local_runner(self, name: str, *, agent: int, build: int) -> None:
        self.ask("POST", "runners", {"name": name, "kind": "local", "slots": {"agent": agent, "build": build}})

    def submit(self, campaign: Path, *agents: str, timeout_s: float = 30.0) -> list[str]:
        """The ids of new episodes. Once this has returned they must not be lost."""
        body = {"bundle": bundle_of(campaign), "agents": list(agents)}
        answer = self.ask("POST", "episodes", body, timeout_s=timeout_s)
        return [episode["id"] for episode in answer["episodes"]]

    def cancel(self, episode_id: str) -> None:
        self.ask("POST", f"episodes/{episode_id}/cancel")

    def episodes(self, *, timeout_s: float = 30.0) -> list[Json]:
        """All of them, preflights too."""
        return self.ask("GET", "episodes?kind=&limit=10000", timeout_s=timeout_s)["episodes"]

    def episode(self, episode_id: str) -> Json:
        return self.ask("GET", f"episodes/{episode_id}")

    def have_ended(self, ids: Iterable[str]) -> bool:
        phases = {episode["id"]: episode["phase"] for episode in self.episodes()}
        return all(phases.get(one) in ENDED for one in ids)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self._matins.url}/api/v1/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


def start_armed(part: Part, api: Api, failpoints: str) -> None:
    """Start the part with these failpoints. It may be dead before it ever answers."""
    part.start(failpoints=failpoints)
    wait_for(lambda: not part.runs() or api.answers(), START_LIMIT_S, part.tail)


def was_killed(part: Part) -> bool:
    return part.process is not None and part.process.poll() == -signal.SIGKILL


def ledgers(home: Path) -> dict[str, str]:
    """Local runner → its ledger."""
    return {path.parent.name: path.read_text("utf-8") for path in home.glob("runners/*/ledger.jsonl")}


def unverified(folder: Path) -> list[str]:
    """The files of a collected folder that are not as its SHA256SUMS says: what `sha256sum -c` would complain of."""
    sums = folder / "SHA256SUMS"
    if not sums.is_file():
        return ["SHA256SUMS"]
    wrong: list[str] = []
    for line in sums.read_text("utf-8").splitlines():
        digest, _, name = line.partition("  ")
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            wrong.append(name)
    return wrong
