"""`bench plan_ms 200x5000=… 1000x100000=…`: milliseconds of one plan for so many runners and queued episodes.

The fleet is a hard one for the planner: every runner has slots free or sleeps, with a history of wakes, no two offer
the same, and the queue is full of many campaigns' episodes by many submitters. Milliseconds of processor time, garbage
collection included; medians over seeds.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from datetime import UTC, datetime, timedelta

from orchestrator.domain.device import Device
from orchestrator.domain.episode import Acceptance, CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import PowerFacts
from orchestrator.domain.runner import Power, Prices, Runner
from orchestrator.domain.wake import SleepKind, WakeRecord
from orchestrator.planning.plan import next_acts
from orchestrator.planning.policy import Policy
from orchestrator.planning.power import plan_power
from orchestrator.planning.power_policy import PowerPolicy
from runner_agent.protocol import Gpu, Hello

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SIZES = ((200, 5_000), (1_000, 100_000))
SEEDS = (1, 2, 3, 4, 5)
GIB = 1024**3
CARDS = (("NVIDIA RTX 4090", 24), ("AMD Radeon RX 7900 XTX", 24), ("NVIDIA L4", 23), ("AMD Radeon RX 7600", 8))


def main() -> None:
    shown: list[str] = []
    for runners, episodes in SIZES:
        took = [_plan_ms(fleet_of(runners, episodes, seed)) for seed in SEEDS]
        shown.append(f"{runners}x{episodes}={statistics.median(took):.1f}")
    print(f"bench plan_ms {' '.join(shown)} seeds={len(SEEDS)}")


def _plan_ms(state: tuple[FleetState, dict[str, PowerFacts]]) -> float:
    fleet, facts = state
    gc.collect()
    begun = time.process_time()
    actions = (*next_acts(fleet, Policy(), NOW), *plan_power(fleet, facts, PowerPolicy(), NOW))
    took = time.process_time() - begun
    if not actions:
        raise SystemExit("the plan is empty: the benchmark measures nothing")
    return took * 1000


def fleet_of(runners: int, episodes: int, seed: int) -> tuple[FleetState, dict[str, PowerFacts]]:
    dice = random.Random(seed)
    campaigns = [_campaign(n, dice) for n in range(50)]
    machines = [_runner(n, dice) for n in range(runners)]
    queue = [_episode(n, campaigns, dice) for n in range(episodes)]
    facts = {machine.name: _facts(machine.name, dice) for machine in machines}
    return FleetState(runners=tuple(machines), campaigns=tuple(campaigns), episodes=tuple(queue)), facts


def _campaign(n: int, dice: random.Random) -> CampaignFacts:
    tags = ("vulkan", *dice.sample(["gpu", "linux", "lab-1", "lab-2", "discrete-gpu"], dice.randrange(3)))
    vram = dice.choice((0, 8, 16, 24)) * GIB
    return CampaignFacts(
        id=f"c{n}", name=f"c{n}", acceptance=Acceptance.ACCEPTED, needs_tags=tags, needs_vram_bytes=vram
    )


def _episode(n: int, campaigns: list[CampaignFacts], dice: random.Random) -> Episode:
    at = NOW - timedelta(seconds=dice.randrange(40_000))
    return Episode(
        id=f"e{n:06d}",
        campaign_id=dice.choice(campaigns).id,
        kind=EpisodeKind.EPISODE,
        agent="agent",
        phase=Phase.QUEUED,
        phase_since=at,
        submitted_at=at,
        priority=dice.choice((0, 0, 0, 1)),
        submitter=f"team-{dice.randrange(20)}",
    )


def _runner(n: int, dice: random.Random) -> Runner:
    name, vram = dice.choice(CARDS)
    gpu = Gpu(
        name=name,
        vendor=name.split()[0],
        device_type="discrete-gpu",
        driver="1",
        vulkan_api="1.3",
        device_uuid=f"{n}",
        vram_bytes=vram * GIB,
    )
    hello = Hello(
        agent_version="1",
        boot_id=f"boot-{n}",
        hostname=f"gpu{n:04d}",
        os="Debian",
        python="3.11",
        cpus=16,
        memory_bytes=128 * GIB,
        disk_free_bytes=dice.randrange(10**12),
        gpus=(gpu,),
        gpu_problem="",
        tools={},
        sandbox="bubblewrap",
        sandbox_problem="",
        quiescence="cgroup2",
        tags=("linux", "vulkan", "gpu", "discrete-gpu"),
        attempts=(),
    )
    return Runner(
        name=f"gpu{n:04d}",
        kind="ssh",
        power=dice.choice((Power.AWAKE, Power.ASLEEP)),
        agent_slots=dice.choice((1, 2, 4)),
        tags=frozenset({f"lab-{dice.randrange(3)}", f"shelf-{n}"}),
        prices=Prices(asleep_w=2, idle_w=60, busy_w=350, energy_usd_per_kwh=0.3),
        hello=hello,
        devices=(Device(gpu=gpu),),
    )


def _facts(name: str, dice: random.Random) -> PowerFacts:
    ends = [NOW - timedelta(hours=4 * n + 1) for n in range(64)]
    wakes = [_woke(name, end, dice.uniform(30, 70)) for end in ends]
    return PowerFacts(runner=name, sleeps=SleepKind.SUSPEND, wakes=tuple(wakes), busy_until=NOW - timedelta(hours=1))


def _woke(name: str, ended: datetime, took_s: float) -> WakeRecord:
    begun = ended - timedelta(seconds=took_s)
    return WakeRecord(runner=name, slept=SleepKind.SUSPEND, started_at=begun, ended_at=ended, stages=())


if __name__ == "__main__":
    main()
