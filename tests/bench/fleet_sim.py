"""`bench fleet_sim matins_mj=… always_on_mj=… idle30_mj=… matins_wait_s=… …`: a fleet's joules, its episodes' waits.

200 simulated machines with lossy Wake-on-LAN and GPUs that get lost, 5,000 episodes within three days, on a virtual
clock. One and the same planner moves all three: with its own rule for sleep, with all machines always on, and with
machines that sleep after 30 idle minutes. `floor_mj` is what remains of the first without any idling, and with wakes
that cost nothing. Medians over seeds; waits in seconds from submission to start.
"""

from __future__ import annotations

import statistics
from datetime import timedelta

from orchestrator.planning.power_policy import Bucket, PowerPolicy
from tests.simulation.simulate import Fleet, Outcome
from tests.simulation.workload import START, draw

SEEDS = (1, 2, 3)
DAYS = 3
SPAN = timedelta(days=DAYS, hours=18)
MACHINES, EPISODES = 200, 5_000
MATINS = PowerPolicy(waking_max=32, inrush=Bucket(burst=8, per_s=1.0), probes_max=20)
POLICIES = {
    "matins": MATINS,
    "always_on": PowerPolicy(sleep="never"),
    "idle30": PowerPolicy(waking_max=32, inrush=MATINS.inrush, probes_max=20, sleep="fixed", fixed_idle_s=1800),
}


def main() -> None:
    runs = {name: [_run(name, policy, seed) for seed in SEEDS] for name, policy in POLICIES.items()}
    parts = [f"{name}_mj={_median([run.megajoules for run in found]):.0f}" for name, found in runs.items()]
    parts += [f"floor_mj={_median([run.floor_mj for run in runs['matins']]):.0f}"]
    parts += [f"{name}_wait_s={_median([run.wait_mean_s for run in found]):.0f}" for name, found in runs.items()]
    parts += [f"{name}_wait_p95_s={_median([run.wait_p95_s for run in found]):.0f}" for name, found in runs.items()]
    parts += [f"{name}_wakes={_median([run.actions['Wake'] for run in found]):.0f}" for name, found in runs.items()]
    plans = sorted(ms for run in runs["matins"] for ms in run.plan_ms)
    parts += [
        f"plan_p99_ms={plans[int(len(plans) * 0.99)]:.1f}",
        f"quarantined={runs['matins'][0].actions['Quarantine']}",
    ]
    print(
        f"bench fleet_sim {' '.join(parts)} machines={MACHINES} episodes={EPISODES} seeds={','.join(map(str, SEEDS))}"
    )


def _run(name: str, policy: PowerPolicy, seed: int) -> Outcome:
    workload = draw(seed, machines=MACHINES, episodes=EPISODES, days=DAYS)
    found = Fleet(workload, policy, seed, awake=name == "always_on").run(START + SPAN)
    if found.done + found.failed != EPISODES:
        raise SystemExit(f"{name}, seed {seed}: {EPISODES - found.done - found.failed} episodes are not over")
    return found


def _median(values: list[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
