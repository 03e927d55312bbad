"""The order of a wake: what is done next for one under way, and what a sighting makes of it. It sends and looks at
nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.domain.wake import StageTime, WakeAttempt, WakeRecord, WakeStage, because

RESEND_S = 5.0
LOOK_S: dict[WakeStage, float] = {
    WakeStage.LINK: 2.0,
    WakeStage.TCP: 3.0,
    WakeStage.SSH: 10.0,
    WakeStage.BOOT_ID: 30.0,
    WakeStage.HELLO: 60.0,
    WakeStage.VULKAN: 60.0,
}
"""At most so long for one look; what comes later is found by the next. A first hello also pushes the agent and asks
the GPU driver."""

DEAF = frozenset({WakeStage.PACKET, WakeStage.LINK, WakeStage.TCP})
"""Packets are sent until sshd answers, and not only until ARP does: some cards answer ARP for a machine asleep."""


@dataclass(frozen=True, kw_only=True)
class Send:
    """A burst of magic packets is due."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Look for `stage`, at most for `limit_s`."""

    stage: WakeStage
    limit_s: float


def next_step(wake: WakeAttempt, now: datetime) -> Send | Look | WakeRecord:
    """The record once it is over: all stages came, or the deadline passed."""
    stage = wake.awaited
    if stage is None:
        return _record(wake, now, None)
    if now >= wake.deadline:
        return _record(wake, now, stage)
    due = wake.packet_at is None or now >= wake.packet_at + timedelta(seconds=RESEND_S)
    if stage is WakeStage.PACKET or (stage in DEAF and due):
        return Send()
    return Look(stage=stage, limit_s=min(LOOK_S[stage], (wake.deadline - now).total_seconds()))


def sent(wake: WakeAttempt, packets: int, now: datetime) -> WakeAttempt:
    noted = replace(wake, packets=wake.packets + packets, packet_at=now)
    return came(noted, WakeStage.PACKET, now) if wake.awaited is WakeStage.PACKET else noted


def came(wake: WakeAttempt, stage: WakeStage, now: datetime, boot_id: str = "") -> WakeAttempt:
    """Only the stage that is awaited can come; any other sighting is of an older look and changes nothing."""
    if stage is not wake.awaited:
        return wake
    gone_s = (now - wake.started_at).total_seconds() - sum(time.seconds for time in wake.came)
    times = (*wake.came, StageTime(stage=stage, seconds=round(max(0.0, gone_s), 3)))
    return replace(wake, came=times, missing="", boot_id=boot_id or wake.boot_id)


def missed(wake: WakeAttempt, detail: str) -> WakeAttempt:
    """What was seen instead of the awaited stage."""
    return replace(wake, missing=detail)


def _record(wake: WakeAttempt, now: datetime, failed: WakeStage | None) -> WakeRecord:
    waited = f"nothing within {wake.deadline_s:.0f} s"
    return WakeRecord(
        runner=wake.runner,
        slept=wake.slept,
        started_at=wake.started_at,
        ended_at=now,
        stages=wake.came,
        failed_stage=failed,
        reason=because(failed, wake.missing or waited) if failed else "",
        waking=wake.waking,
        packets=wake.packets,
        boot_id=wake.boot_id,
        probe=wake.probe,
        gpu=wake.gpu,
    )
