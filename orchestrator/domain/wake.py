"""A wake as evidence: which stages a sleeping machine passes on its way to READY, and what it means if one of them
does not come. A failed wake is named by the first stage that is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any


class SleepKind(StrEnum):
    """How a machine was put to sleep. Waking from either takes a different time."""

    SUSPEND = "suspend"
    POWER_OFF = "power-off"


class GpuNeed(IntEnum):
    """What the last stage asks for. A machine that had a graphics card is not ready with a device on its processors."""

    NONE = 0
    ANY = 1
    HARDWARE = 2


class WakeStage(StrEnum):
    PACKET = "packet"
    LINK = "link"
    TCP = "tcp"
    SSH = "ssh"
    BOOT_ID = "boot-id"
    HELLO = "hello"
    VULKAN = "vulkan"


@dataclass(frozen=True, kw_only=True)
class StageMeaning:
    """`awaited` completes "it waits for …"; `missing` is what is known if the stage never came; `remedy` where to look
    then."""

    awaited: str
    missing: str
    remedy: str


STAGES: dict[WakeStage, StageMeaning] = {
    WakeStage.PACKET: StageMeaning(
        awaited="the magic packet to be sent",
        missing="the magic packet could not be sent",
        remedy="Check the runner's MAC, source interface and broadcast address, and that this host is on that network.",
    ),
    WakeStage.LINK: StageMeaning(
        awaited="an answer to ARP",
        missing="sent, but no answer to ARP",
        remedy="Wake-on-LAN is not armed (`ethtool` must say `Wake-on: g`, the firmware must allow it), the packet "
        "went to another network than the machine's, or the machine has no power.",
    ),
    WakeStage.TCP: StageMeaning(
        awaited="its SSH port",
        missing="link up, but the SSH port does not answer",
        remedy="The machine is on: see at its console whether it boots, sshd starts and the firewall lets it through.",
    ),
    WakeStage.SSH: StageMeaning(
        awaited="an SSH session with the pinned key",
        missing="the SSH port answers, but no session with the pinned host key and our own key",
        remedy="Compare its host key with `matins runner show`: it was set up anew, or another has its address.",
    ),
    WakeStage.BOOT_ID: StageMeaning(
        awaited="its boot id",
        missing="SSH up, but no boot id",
        remedy="The account cannot run the agent: look at the runner's Python and the account's `command=`.",
    ),
    WakeStage.HELLO: StageMeaning(
        awaited="the agent's hello",
        missing="SSH up, but no hello from the agent",
        remedy="`matins runner doctor` names what the agent misses.",
    ),
    WakeStage.VULKAN: StageMeaning(
        awaited="a Vulkan device",
        missing="SSH up, no Vulkan device",
        remedy="The GPU did not come back: reload its driver or power the machine off instead of suspending it.",
    ),
}
"""In the order in which they come."""

ORDER = tuple(STAGES)


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """A stage that came, and the seconds since the stage before it (for the first: since the wake began)."""

    stage: WakeStage
    seconds: float


@dataclass(frozen=True, kw_only=True)
class WakeAttempt:
    """A wake under way. `gpu`: the device that READY takes. `waking` is how many machines were
    waking with it, itself included; `probe`: to see whether a quarantined machine has recovered; `missing`: what the
    last look for the awaited stage found instead."""

    runner: str
    slept: SleepKind
    started_at: datetime
    deadline_s: float
    gpu: GpuNeed = GpuNeed.ANY
    waking: int = 1
    probe: bool = False
    came: tuple[StageTime, ...] = ()
    packets: int = 0
    packet_at: datetime | None = None
    missing: str = ""
    boot_id: str = ""

    @property
    def deadline(self) -> datetime:
        return self.started_at + timedelta(seconds=self.deadline_s)

    @property
    def awaited(self) -> WakeStage | None:
        """The stage that has to come next; None if all came."""
        wanted = ORDER if self.gpu else ORDER[:-1]
        return wanted[len(self.came)] if len(self.came) < len(wanted) else None


@dataclass(frozen=True, kw_only=True)
class WakeRecord:
    """A wake that has ended. `failed_stage` is None exactly if it is ready; `reason` is a sentence otherwise."""

    runner: str
    slept: SleepKind
    started_at: datetime
    ended_at: datetime
    stages: tuple[StageTime, ...]
    failed_stage: WakeStage | None = None
    reason: str = ""
    waking: int = 1
    packets: int = 0
    boot_id: str = ""
    probe: bool = False
    gpu: GpuNeed = GpuNeed.ANY

    @property
    def ready(self) -> bool:
        return self.failed_stage is None

    @property
    def seconds(self) -> float:
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def showed_life(self) -> bool:
        """Whether the machine itself answered, and not only our own packet left."""
        return any(time.stage is WakeStage.LINK for time in self.stages)


def because(stage: WakeStage, detail: str) -> str:
    """The sentence of a failed stage, with what was seen instead."""
    return f"{STAGES[stage].missing}: {detail}" if detail else STAGES[stage].missing


def wake_answer(record: WakeRecord) -> dict[str, Any]:
    """What `matins runner wake --json` prints."""
    return {
        "runner": record.runner,
        "ready": record.ready,
        "stages": [{"name": str(time.stage), "seconds": time.seconds} for time in record.stages],
        "failed_stage": str(record.failed_stage) if record.failed_stage else None,
        "reason": record.reason,
    }
