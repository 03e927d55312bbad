"""Machines and a queue for the simulated fleet, drawn from a seed: what they are, and what they hide from planning."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.domain.device import Device
from orchestrator.domain.episode import Acceptance, CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.phases import Phase
from orchestrator.domain.runner import Health, Power, Prices, Runner
from orchestrator.domain.wake import SleepKind
from runner_agent.protocol import Gpu, Hello

START = datetime(2026, 3, 2, tzinfo=UTC)
GIB = 1024**3
CARDS = (("NVIDIA RTX 4090", 24, 450.0), ("AMD Radeon RX 7900 XTX", 24, 355.0), ("AMD Radeon RX 7600", 8, 165.0))
TAGS = ("discrete-gpu", "gpu", "linux", "vulkan")


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """What is true of a machine and shows only by its wakes: how it sleeps, seconds it takes to boot and how much they
    vary, how often a burst of packets is lost, how often its GPU is not there after a wake."""

    sleeps: SleepKind
    boot_s: float
    spread: float
    loss: float
    gpu_lost: float


@dataclass(frozen=True, kw_only=True)
class Job:
    """An episode, how long it holds its slot, and whether its first attempt dies on the way."""

    episode: Episode
    takes_s: float
    dies: bool


@dataclass(frozen=True, kw_only=True)
class Workload:
    machines: tuple[tuple[Runner, Hidden], ...]
    campaigns: tuple[CampaignFacts, ...]
    jobs: tuple[Job, ...]


def draw(seed: int, *, machines: int, episodes: int, days: int) -> Workload:
    dice = random.Random(seed)
    return Workload(
        machines=tuple(_machine(n, dice) for n in range(machines)),
        campaigns=tuple(_campaign(n, dice) for n in range(12)),
        jobs=tuple(_jobs(episodes, days, dice)),
    )


def _machine(n: int, dice: random.Random) -> tuple[Runner, Hidden]:
    card, vram, card_w = dice.choice(CARDS)
    prices = Prices(
        asleep_w=dice.uniform(1.5, 5), idle_w=dice.uniform(45, 95), busy_w=card_w + 120, energy_usd_per_kwh=0.3
    )
    off = dice.random() < 0.15
    hidden = Hidden(
        sleeps=SleepKind.POWER_OFF if off else SleepKind.SUSPEND,
        boot_s=dice.uniform(70, 200) if off else dice.uniform(12, 45),
        spread=dice.uniform(0.05, 0.3),
        loss=dice.choices((0.05, 0.4, 1.0), weights=(0.87, 0.12, 0.01))[0],
        gpu_lost=dice.choices((0.0, 0.3), weights=(0.95, 0.05))[0],
    )
    hello = _hello(n, card, vram)
    runner = Runner(
        name=f"gpu{n:03d}",
        kind="ssh",
        power=Power.ASLEEP,
        health=Health.GOOD,
        agent_slots=dice.choice((1, 2, 2, 4)),
        prices=prices,
        hello=hello,
        devices=tuple(Device(gpu=gpu) for gpu in hello.gpus),
    )
    return runner, hidden


def _hello(n: int, card: str, vram: int) -> Hello:
    gpu = Gpu(
        name=card,
        vendor=card.split()[0],
        device_type="discrete-gpu",
        driver="1",
        vulkan_api="1.3",
        device_uuid=f"{n:04x}",
        vram_bytes=vram * GIB,
    )
    return Hello(
        agent_version="1",
        boot_id="",
        hostname=f"gpu{n:03d}",
        os="Debian",
        python="3.11",
        cpus=16,
        memory_bytes=64 * GIB,
        disk_free_bytes=10**12,
        gpus=(gpu,),
        gpu_problem="",
        tools={},
        sandbox="bubblewrap",
        sandbox_problem="",
        quiescence="cgroup2",
        tags=TAGS,
        attempts=(),
    )


def _campaign(n: int, dice: random.Random) -> CampaignFacts:
    return CampaignFacts(
        id=f"c{n:02d}",
        name=f"c{n:02d}",
        acceptance=Acceptance.ACCEPTED,
        needs_tags=("vulkan",),
        needs_vram_bytes=dice.choice((0, 0, 16)) * GIB,
    )


def _jobs(count: int, days: int, dice: random.Random) -> list[Job]:
    """Teams submit a few dozen at a time, most of them between nine and seven; some trickle in at night."""
    jobs: list[Job] = []
    while len(jobs) < count:
        hour = dice.uniform(9, 19) if dice.random() < 0.85 else dice.uniform(0, 24)
        at = START + timedelta(days=dice.randrange(days), hours=hour)
        team, campaign, batch = (
            dice.randrange(12),
            dice.randrange(12),
            min(count - len(jobs), 1 + int(dice.expovariate(1 / 25))),
        )
        jobs += [_job(len(jobs) + n, at, f"team-{team}", f"c{campaign:02d}", dice) for n in range(batch)]
    return jobs


def _job(n: int, at: datetime, team: str, campaign: str, dice: random.Random) -> Job:
    episode = Episode(
        id=f"e{n:05d}",
        campaign_id=campaign,
        kind=EpisodeKind.EPISODE,
        agent="agent",
        phase=Phase.QUEUED,
        phase_since=at,
        submitted_at=at,
        priority=dice.choices((0, 1), weights=(0.9, 0.1))[0],
        submitter=team,
    )
    takes_s = min(4 * 3600.0, max(240.0, dice.lognormvariate(7.6, 0.8)))
    return Job(episode=episode, takes_s=takes_s, dies=dice.random() < 0.01)
