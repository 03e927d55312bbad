"""The planner moves a small simulated fleet through two days, with packets and GPUs that get lost."""

from __future__ import annotations

import random
from datetime import timedelta

from orchestrator.planning.power_policy import PowerPolicy
from tests.simulation.simulate import Fleet, Outcome
from tests.simulation.workload import START, draw

SPAN = timedelta(days=1, hours=10)
EPISODES = 80


def simulated(seed: int, policy: PowerPolicy, *, awake: bool = False) -> Outcome:
    workload = draw(seed, machines=10, episodes=EPISODES, days=1)
    return Fleet(workload, policy, seed, awake=awake).run(START + SPAN)


def test_every_episode_is_done_once_and_letting_sleep_saves_most_of_what_idling_draws() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    ours = simulated(seed, PowerPolicy())
    always_on = simulated(seed, PowerPolicy(sleep="never"), awake=True)
    assert ours.done == always_on.done == EPISODES
    assert ours.failed == 0 and ours.actions["Wake"] > 0 and ours.actions["LetSleep"] > 0
    idling_mj, above_floor_mj = always_on.megajoules - always_on.floor_mj, ours.megajoules - ours.floor_mj
    assert above_floor_mj < idling_mj / 2


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = simulated(7, PowerPolicy()), simulated(7, PowerPolicy())
    assert (first.megajoules, first.waits_s, first.actions) == (second.megajoules, second.waits_s, second.actions)
