"""A launch and a suspend at once, on one runner: exactly one of them wins, whatever their order and their distance.

The agent file stands in for itself: its supervisor only holds the attempt's lock, which is what liveness is, until its
folder has a `cancel`; the power command writes a line instead of pressing the switch. Everything else is the runner's.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import runner_agent
from runner_agent import attempts, journal, ledger, locks, suspend
from runner_agent.home import Home
from runner_agent.protocol import LaunchSpec, SuspendRequest
from runner_agent.refusal import Refused
from runner_agent.suspend import Sight
from tests.integration.runner_agent.rig import Rig
from tests.orchestrator import wait_for

SEED = 24
RUNS = 120
BED = "bed"
APART_MOST_S = 0.02
HANDICAP_S = 0.002
"""By so much later begins who won last: the two stay close, however busy the machine is and whichever is slower."""

LEAD_STEP_S = 0.002
STAND_IN = """
import os, sys, time
sys.path.insert(0, os.path.dirname(__file__))
words = sys.argv[1:]
if words[0] != "supervise":
    from runner_agent.__main__ import main
    sys.exit(main())
if os.fork():
    os._exit(0)
folder = os.path.join(words[words.index("--home") + 1], "attempts", words[words.index("--attempt") + 1])
while os.path.exists(folder) and not os.path.exists(os.path.join(folder, "cancel")):
    time.sleep(0.02)
"""


def stand_in(folder: Path) -> Path:
    shutil.copytree(Path(runner_agent.__file__).parent, folder / "runner_agent")
    (folder / "__main__.py").write_text(STAND_IN)
    return folder


def begin(act: Callable[[], str], answer: Path, start: float) -> int:
    """Forks a process that acts at that instant (CLOCK_MONOTONIC) and writes down what it was told."""
    pid = os.fork()
    if pid == 0:
        try:
            while time.monotonic() < start:
                pass
            answer.write_text(json.dumps(act()))
        finally:
            os._exit(0)
    return pid


@pytest.fixture
def homes() -> Iterator[Path]:
    """In memory where that can be: what a disk takes to sync is no part of this."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="matins-race-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.fault(24)
def test_of_a_launch_and_a_suspend_at_once_exactly_one_wins(rig: Rig, homes: Path) -> None:
    print("seed", SEED)
    chance = random.Random(SEED)
    agent = stand_in(homes / "agent")
    won: dict[str, list[Home]] = {"launch": [], "suspend": []}
    lead_s = 0.0
    for run in range(RUNS):
        home = Home(homes / f"home-{run}")
        home.root.mkdir()
        apart_s = lead_s + chance.uniform(-APART_MOST_S, APART_MOST_S)
        winner = one_race(home, agent, rig.spec(f"race-{run}"), apart_s)
        won[winner].append(home)
        # Whoever lost starts earlier in the next: the races stay close on machines of any speed.
        lead_s += LEAD_STEP_S if winner == "launch" else -LEAD_STEP_S
    print({name: len(homes) for name, homes in won.items()})
    for home in won["suspend"]:
        fell_asleep(home)
    for home in won["launch"]:
        assert not (home.root / BED).exists()
    # Else it would show nothing.
    assert min(map(len, won.values())) >= RUNS // 10


def fell_asleep(home: Home) -> None:
    """Once."""
    told = home.power_journal
    wait_for(lambda: "done" in [line["event"] for line in journal.read(told)], 20, told.read_text)
    assert (home.root / BED).read_text() == "suspend\n"


def one_race(home: Home, agent: Path, spec: LaunchSpec, apart_s: float) -> str:
    bed = home.root / BED
    look = Sight(
        power=lambda how: (("sh", "-c", f"echo {how} >>{bed}"), ""), wake=lambda mac: "armed", logins=lambda: ()
    )

    def launch() -> str:
        try:
            return attempts.launch(home, spec, agent).phase
        except Refused as refused:
            return refused.kind

    def sleep() -> str:
        answer = suspend.suspend(home, SuspendRequest(how="suspend", token="t"), agent, look, after_s=0.0)
        return "accepted" if answer.accepted else ",".join(answer.refusals)

    now = time.monotonic() + 0.01
    start = {"launch": now + max(0.0, apart_s), "suspend": now + max(0.0, -apart_s)}
    acts = {"launch": launch, "suspend": sleep}
    children = [begin(act, home.root / f"{name}.json", start[name]) for name, act in acts.items()]
    for child in children:
        os.waitpid(child, 0)
    said = {name: json.loads((home.root / f"{name}.json").read_text()) for name in acts}

    folder = home.attempt(spec.attempt_id)
    if said["suspend"] == "accepted":
        assert said["launch"] == "suspending", said
        assert not folder.root.exists()
        assert ledger.about(home, spec.attempt_id) == []
        return "suspend"
    assert said == {"launch": "running", "suspend": said["suspend"]}
    assert said["suspend"] in ("live-attempt", "launch-in-progress"), said
    assert not bed.exists() and not home.asleep.exists()
    assert locks.is_held(folder.alive)
    assert [line["event"] for line in ledger.about(home, spec.attempt_id)] == ["accepted"]
    folder.cancel.touch()
    return "launch"
