"""A history for a service that has none: machines in several states, and waves of what has ended on them. Rows are
written as the service writes them; its own ticks add them to the roll-ups."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import Session

from orchestrator.accounting.histogram import DISPATCH_SECONDS, Histogram
from orchestrator.accounting.values import Amount, Charge, Kind, Label, Line
from orchestrator.domain.episode import Acceptance, EpisodeKind
from orchestrator.domain.health import Finding
from orchestrator.domain.phases import Phase
from orchestrator.domain.runner import Health, Operation, Power, Service
from orchestrator.domain.wake import WakeStage
from orchestrator.store.health import move_health
from orchestrator.store.ledger import add_lines, close_attempt
from orchestrator.store.tables import AttemptRow, CampaignRow, EpisodeRow, OutboxRow, RunnerRow, WakeRow

NEVER = datetime(2100, 1, 1, tzinfo=UTC)
"""When machines of the history are asked next: they are not there."""

ASLEEP, DRIFTED, AWAY = "gpu01", "gpu02", "gpu03"
CAMPAIGNS = {"decode-50": 19.0, "attention": 31.0}
"""With the tok/s of their base."""

AGENTS = {"claude-code": "model-a", "codex": "model-b", "replay:finisher": None}
ITEMS = 7
PRICES = {
    "hardware_usd_per_h": 0.095,
    "asleep_w": 3.0,
    "idle_w": 60.0,
    "busy_w": 420.0,
    "energy_usd_per_kwh": 0.3,
    "rest_w": 45.0,
}
STAGES_S = {
    "baseline": 70,
    "checkout": 9,
    "session": 760,
    "quiesce": 3,
    "build": 52,
    "lint": 24,
    "test": 31,
    "smoke": 356,
    "grade": 40,
    "pack": 6,
}
WAKE_S = {
    WakeStage.PACKET: 0.1,
    WakeStage.LINK: 2.4,
    WakeStage.TCP: 7.5,
    WakeStage.SSH: 8.3,
    WakeStage.BOOT_ID: 8.9,
    WakeStage.HELLO: 9.4,
    WakeStage.VULKAN: 10.8,
}
DISPATCH_S = {"bubble": 4.2e-6, "shader": 8.8e-5, "submit": 1.0e-5}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an episode ended; `items`: how many of ITEMS were done."""

    phase: Phase
    reason: str
    valid: bool = False
    items: int = 0


ENDINGS = (
    Ending(phase=Phase.DONE, reason="completed", valid=True, items=5),
    Ending(phase=Phase.DONE, reason="completed", valid=True, items=2),
    Ending(phase=Phase.DONE, reason="completed", valid=True, items=7),
    Ending(phase=Phase.DONE, reason="marker-missing", items=3),
    Ending(phase=Phase.DONE, reason="completed", valid=True, items=4),
    Ending(phase=Phase.DONE, reason="build-failed", valid=True),
    Ending(phase=Phase.FAILED, reason="runner-lost"),
    Ending(phase=Phase.DONE, reason="no-throughput", items=1),
    Ending(phase=Phase.CANCELLED, reason="cancelled"),
)


def add_machines(session: Session, now: datetime) -> None:
    """One asleep, one quarantined, one that does not answer; and the campaigns."""
    for name, power in ((ASLEEP, Power.ASLEEP), (DRIFTED, Power.UNREACHABLE), (AWAY, Power.UNREACHABLE)):
        session.add(_machine(name, power, now))
    session.flush()
    why = "its known-good run is 9 % below the median of its history"
    move_health(session, DRIFTED, Finding.DRIFTED, why, now)
    for name in CAMPAIGNS:
        session.add(_campaign(name, now))


def add_wave(session: Session, number: int, now: datetime, runners: tuple[str, ...]) -> int:
    """How many episodes ended in it: on each of `runners` and for each campaign, one after another of ENDINGS."""
    dice = random.Random(number)
    places = [(runner, campaign) for runner in runners for campaign in CAMPAIGNS]
    for place, (runner, campaign) in enumerate(places):
        turn = number * len(places) + place
        _add_episode(session, f"history-{turn}", turn, runner, campaign, now, dice)
    _add_wake(session, ASLEEP, now, dice)
    _add_wake(session, DRIFTED, now, dice, failed=WakeStage.SSH if number % 2 else None)
    return len(places)


def _machine(name: str, power: Power, now: datetime) -> RunnerRow:
    asleep = power is Power.ASLEEP
    return RunnerRow(
        name=name,
        kind="ssh",
        host="192.0.2.1",
        ssh_user="matins",
        mac="02:00:00:00:00:01" if asleep else "",
        sleeps="suspend" if asleep else None,
        slept="suspend" if asleep else None,
        asleep_since=now if asleep else None,
        power=str(power),
        operation=str(Operation.NONE),
        service=str(Service.IN_SERVICE),
        health=str(Health.GOOD),
        tags=[],
        prices=PRICES,
        link_errors={} if asleep else {"timeout": 3},
        observe_after=NEVER,
        added_at=now,
        last_seen=now - timedelta(minutes=7),
    )


def _campaign(name: str, now: datetime) -> CampaignRow:
    return CampaignRow(
        id=f"history-{name}",
        key=f"history-{name}",
        name=name,
        text="",
        filename=f"{name}.toml",
        directory="/",
        files={},
        repo_url="https://example.org/repo",
        commit="0" * 40,
        needs_tags=["none-has-it"],
        acceptance=str(Acceptance.ACCEPTED),
        submitted_at=now,
    )


def _add_episode(
    session: Session, episode_id: str, turn: int, runner: str, campaign: str, now: datetime, dice: random.Random
) -> None:
    ending = ENDINGS[turn % len(ENDINGS)]
    agent, model = list(AGENTS.items())[turn % len(AGENTS)]
    began = now - timedelta(seconds=sum(STAGES_S.values()))
    tries = 2 if ending.phase is Phase.FAILED else 1
    attempts = [
        AttemptRow(
            id=f"{episode_id}-{fence}",
            episode_id=episode_id,
            runner=runner,
            fence=fence,
            created_at=began,
            ended=ending.reason,
            ended_at=now,
            acknowledged_at=now,
        )
        for fence in range(1, tries + 1)
    ]
    session.add(
        EpisodeRow(
            id=episode_id,
            campaign_id=f"history-{campaign}",
            kind=str(EpisodeKind.EPISODE),
            agent=agent,
            model=model,
            phase=str(ending.phase),
            phase_since=now,
            submitted_at=began - timedelta(seconds=dice.expovariate(1 / 400)),
            fence=tries,
            runner=runner,
            attempt_id=attempts[-1].id,
            end_reason=ending.reason,
            started_at=began,
            ended_at=now,
            result=_result(ending, runner, CAMPAIGNS[campaign], dice) if ending.phase is Phase.DONE else None,
        )
    )
    session.flush()
    session.add_all(attempts)
    session.flush()
    if ending.phase is Phase.DONE:
        session.add(_pull(attempts[-1].id, now, tries=1 + turn % 3 // 2))
    add_lines(session, _lines(episode_id, attempts[-1].id, runner, bool(model), now, dice))
    for attempt in attempts:
        close_attempt(session, attempt)


def _result(ending: Ending, runner: str, base_tok_s: float, dice: random.Random) -> dict[str, Any]:
    """As `service.summary` makes it."""
    base = base_tok_s * dice.gauss(1, 0.01)
    machine = (0.91 if runner == DRIFTED else 1.0) * dice.gauss(1, 0.004)
    tok_s = base * (1 + 0.2 * ending.items)
    counted = {kind: Histogram(DISPATCH_SECONDS) for kind in DISPATCH_S}
    for kind, histogram in counted.items():
        histogram.observe(DISPATCH_S[kind] * dice.lognormvariate(0, 0.6) for _ in range(200))
    return {
        "valid": ending.valid,
        "items_done": ending.items,
        "items_total": ITEMS,
        "items": {"done": ending.items, "failed": 1, "untouched": max(0, ITEMS - 1 - ending.items)},
        "tok_s": tok_s,
        "baseline_tok_s": base,
        "known_good": {
            "tok_s": base * machine,
            "reference_tok_s": base,
            "device": "d",
            "driver": "v",
            "software": False,
        },
        "reused_from": None,
        "stages": [{"stage": s, "result": "ok", "seconds": t * dice.uniform(0.7, 1.4)} for s, t in STAGES_S.items()],
        "smoke": {
            "result": "ok" if ending.reason != "no-throughput" else "failed",
            "tokens": 256 * 40,
            "seconds": 256 * 40 / tok_s,
            "gate_held_s": 356.0,
            "gate_waits_s": [dice.expovariate(1 / 20)],
            "dispatches": {kind: (histogram.counts, histogram.total) for kind, histogram in counted.items()},
        },
        "agent_tokens": {"prompt": 812_000, "completion": 41_000, "cached": 640_000},
        "agent_usd": 0.25,
        "agent_gpu_s": 60.0,
        "artifact_bytes": 234 << 20,
    }


def _pull(attempt_id: str, now: datetime, tries: int) -> OutboxRow:
    return OutboxRow(
        kind="collect", attempt_id=attempt_id, created_at=now, not_before=now, done_at=now, tries=tries, error=""
    )


def _add_wake(
    session: Session, runner: str, now: datetime, dice: random.Random, failed: WakeStage | None = None
) -> None:
    came = [stage for stage in WAKE_S if failed is None or WAKE_S[stage] < WAKE_S[failed]]
    stages = [{"stage": str(stage), "seconds": WAKE_S[stage] * dice.uniform(0.8, 1.5)} for stage in came]
    session.add(
        WakeRow(
            runner=runner,
            slept="suspend",
            started_at=now - timedelta(seconds=20),
            ended_at=now,
            stages=stages,
            failed_stage=str(failed) if failed else None,
        )
    )


def _lines(
    episode_id: str, attempt_id: str, runner: str, pays_tokens: bool, now: datetime, dice: random.Random
) -> list[Line]:
    """What an hour of a machine costs, in figures of a GPU-day with about fifty episodes."""
    usd_per_s, usd_per_j = PRICES["hardware_usd_per_h"] / 3600, PRICES["energy_usd_per_kwh"] / 3.6e6
    mine = {"episode_id": episode_id, "attempt_id": attempt_id}
    told: list[tuple[Charge, float, float]] = []
    for phase, seconds, watts in (("gpu", 356.0, 395.0), ("build", 107.0, 180.0), ("session", 400.0, 75.0)):
        label: Label = "measured" if phase == "gpu" else "configured"
        told.append((_charge(phase, "hardware", "configured", **mine), seconds, 0.0))
        told.append((_charge(phase, "energy", label, **mine), 0.0, seconds * watts * dice.uniform(0.9, 1.1)))
    told.append((_charge("idle", "idle", "configured"), 300.0, 300.0 * PRICES["idle_w"]))
    told.append((_charge("wake", "wake", "configured", episode_id=episode_id), 12.0, 12.0 * PRICES["busy_w"]))
    told.append((_charge("failed-wake", "wake", "configured", reason="wake-failed"), 30.0, 30.0 * PRICES["idle_w"]))
    amounts = [
        (charge, Amount(usd=seconds * usd_per_s + joules * usd_per_j, joules=joules, seconds=seconds))
        for charge, seconds, joules in told
    ]
    if pays_tokens:
        amounts.append((_charge("tokens", "tokens", "measured", **mine), Amount(usd=dice.uniform(0.15, 0.4))))
    return [Line(day=f"{now:%Y-%m-%d}", runner=runner, charge=charge, amount=amount) for charge, amount in amounts]


def _charge(phase: str, kind: Kind, label: Label, **more: str) -> Charge:
    return Charge(phase=phase, kind=kind, label=label, **more)
