"""After the chaos: wait until all has ended, then look for anything lost, doubled, unverified or left behind."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import httpx

from tests.chaos.api import ENDED, unverified
from tests.chaos.checker import Account, Violation, check
from tests.chaos.driver import Tally
from tests.chaos.rig import Rig
from tests.orchestrator import Json

POLL_S = 0.5
DECLARED = "declared dead by chaos"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`ended`: episodes by phase and reason."""

    ended: Counter[str]
    episodes: int
    violations: list[Violation]


def judge(rig: Rig, tally: Tally, patience_s: float) -> Verdict:
    """Waits up to `patience_s` for every episode to end and every runner to be told so."""
    _settle(rig, patience_s)
    episodes = {each["id"]: rig.api.episode(each["id"]) for each in rig.api.episodes()}
    accounts = {one: Account(phase=e["phase"], reason=e["end_reason"] or "") for one, e in episodes.items()}
    missing = {one: Account(phase="") for one in tally.acknowledged - episodes.keys()}
    declared = {a["id"] for e in episodes.values() for a in e["attempts"] if DECLARED in (a["detail"] or "")}
    found = check(
        {machine.name: machine.ledger() for machine in rig.machines},
        declared_dead=frozenset(declared),
        submitted={**accounts, **missing},
    )
    found += _unfinished(episodes)
    found += _unverifiable(rig, episodes)
    found += _left_behind(rig)
    ended = Counter(f"{e['phase']} {e['end_reason'] or ''}".strip() for e in episodes.values())
    return Verdict(ended=ended, episodes=len(episodes), violations=found)


def _settle(rig: Rig, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            over = all(each["phase"] in ENDED for each in rig.api.episodes())
            if over and not any(machine.unacknowledged() for machine in rig.machines) and not rig.processes():
                return
        except httpx.HTTPError:
            pass
        time.sleep(POLL_S)


def _unfinished(episodes: dict[str, Json]) -> list[Violation]:
    return [
        Violation(kind="never-ended", sentence=f"episode {one} is {e['phase']} still: {e['attempts']}")
        for one, e in episodes.items()
        if e["phase"] not in ENDED
    ] + [
        Violation(kind="unexplained", sentence=f"episode {one} is {e['phase']} for no reason")
        for one, e in episodes.items()
        if e["phase"] in ENDED and not e["end_reason"]
    ]


def _unverifiable(rig: Rig, episodes: dict[str, Json]) -> list[Violation]:
    found: list[Violation] = []
    for one, episode in episodes.items():
        if episode["phase"] == "DONE":
            attempt = episode["attempts"][-1]["id"]
            if wrong := unverified(rig.matins.home / "attempts" / attempt):
                sentence = f"the artifacts of {one} (attempt {attempt}) do not verify: {wrong[:3]}"
                found.append(Violation(kind="unverified", sentence=sentence))
    return found


def _left_behind(rig: Rig) -> list[Violation]:
    found = [
        Violation(kind="unacknowledged", sentence=f"{machine.name} still keeps attempt {attempt}")
        for machine in rig.machines
        for attempt in machine.unacknowledged()
    ]
    left = [f"{pid} ({marker})" for pid, marker in rig.processes().items()]
    return found + [Violation(kind="left-running", sentence=f"process {each} is left") for each in left]
