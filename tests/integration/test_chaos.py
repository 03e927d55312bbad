"""A short run of what `make chaos` does for long: faults by chance, and nothing lost, doubled or left behind."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.driver import Driver
from tests.chaos.rig import running_rig
from tests.chaos.verdict import judge

SECONDS = 15.0
EVERY_S = 0.8
PATIENCE_S = 600.0
FAULTS = 5
EPISODES = 2
SESSION_S = 12


@pytest.mark.timeout(1200)
def test_random_faults_break_no_promise(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed={seed}; again: make chaos SECONDS={SECONDS:g} SEED={seed}", flush=True)
    with running_rig(tmp_path, "embedded", over_ssh=1, session_s=SESSION_S) as rig:
        driver = Driver(rig, seed, print)
        driver.run(SECONDS, EVERY_S, faults=FAULTS, episodes=EPISODES)
        verdict = judge(rig, driver.tally, PATIENCE_S)
    print(f"faults={driver.tally.faults.total()} episodes={verdict.episodes}: {dict(verdict.ended)}")
    assert [str(violation) for violation in verdict.violations] == []
    assert driver.tally.faults.total() >= FAULTS
    assert len(driver.tally.acknowledged) >= EPISODES
