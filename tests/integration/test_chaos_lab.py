"""A short run of `make chaos PARTS=lab`: faults by chance on machines that sleep, and nothing lost or doubled."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.driver import Driver
from tests.chaos.lab import running_lab
from tests.chaos.verdict import judge

SECONDS = 15.0
EVERY_S = 0.8
PATIENCE_S = 600.0
FAULTS = 5
EPISODES = 2
SESSION_S = 12
SETTLED_SOONER = {"wake_settle_s": "2", "suspend_limit_s": "20"}
"""Suspended, a machine of the lab does not stop CLOCK_MONOTONIC: woken, it takes launches once its limit is over."""


@pytest.mark.timeout(1200)
def test_random_faults_on_machines_that_sleep_break_no_promise(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed={seed}; again: make chaos PARTS=lab SECONDS={SECONDS:g} SEED={seed}", flush=True)
    with running_lab(tmp_path, SESSION_S, **SETTLED_SOONER) as rig:
        driver = Driver(rig, seed, print)
        driver.run(SECONDS, EVERY_S, faults=FAULTS, episodes=EPISODES)
        verdict = judge(rig, driver.tally, PATIENCE_S)
    print(f"faults={driver.tally.faults.total()} episodes={verdict.episodes}: {dict(verdict.ended)}")
    assert [str(violation) for violation in verdict.violations] == []
    assert driver.tally.faults.total() >= FAULTS
    assert len(driver.tally.acknowledged) >= EPISODES
