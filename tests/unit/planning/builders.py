"""Small fleets, with everything that a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.device import Device
from orchestrator.domain.episode import Acceptance, Attempt, CampaignFacts, Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.runner import Power, Runner
from runner_agent.protocol import AttemptStatus, Gpu, Hello

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def gpu(**changes: Any) -> Gpu:
    values = {
        "name": "llvmpipe",
        "vendor": "0x10005",
        "device_type": "cpu",
        "driver": "llvmpipe",
        "vulkan_api": "1.3.230",
        "device_uuid": "00",
        "vram_bytes": 8 * 1024**3,
    }
    return Gpu(**{**values, **changes})


def hello(**changes: Any) -> Hello:
    """Without a GPU where `tags` has none of one."""
    if "vulkan" not in changes.get("tags", ("vulkan",)):
        changes = {"gpus": (), **changes}
    values = {
        "agent_version": "0.1.0",
        "boot_id": "boot-1",
        "hostname": "here",
        "os": "Debian",
        "python": "3.11",
        "cpus": 2,
        "memory_bytes": 1,
        "disk_free_bytes": 1,
        "gpus": (gpu(),),
        "gpu_problem": "",
        "tools": {},
        "sandbox": "bubblewrap",
        "sandbox_problem": "",
        "quiescence": "cgroup2",
        "tags": ("linux", "vulkan"),
        "attempts": (),
    }
    return Hello(**{**values, **changes})


def runner(name: str = "local", **changes: Any) -> Runner:
    """With the devices that its hello names."""
    values = {"kind": "local", "power": Power.AWAKE, "hello": hello(), **changes}
    said = values["hello"]
    return Runner(name=name, **{"devices": tuple(Device(gpu=gpu) for gpu in said.gpus) if said else (), **values})


SMALL = gpu(name="RX 7600", device_type="discrete-gpu", vendor="AMD", driver="radv", device_uuid="small")
LARGE = replace(SMALL, name="RX 7900 XTX", device_uuid="large", vram_bytes=24 * 1024**3)


def two_cards(
    name: str = "local",
    *,
    small: Mapping[str, Any] | None = None,
    large: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Runner:
    """A machine with cards "small" (8 GiB), the first, and "large" (24 GiB); `small` and `large` change the devices."""
    tags = ("discrete-gpu", "gpu", "amd", "linux", "radv", "vulkan")
    devices = Device(gpu=SMALL, **(small or {})), Device(gpu=LARGE, **(large or {}))
    values = {"hello": hello(gpus=(SMALL, LARGE), tags=tags), "devices": devices, "agent_slots": 2}
    return runner(name, **{**values, **changes})


def campaign(**changes: Any) -> CampaignFacts:
    values = {"id": "c1", "name": "decode", "acceptance": Acceptance.ACCEPTED, "needs_tags": ("vulkan",)}
    return CampaignFacts(**{**values, **changes})


def episode(episode_id: str = "e1", **changes: Any) -> Episode:
    values = {
        "campaign_id": "c1",
        "kind": EpisodeKind.EPISODE,
        "agent": "replay:finisher",
        "phase": Phase.QUEUED,
        "phase_since": NOW,
        "submitted_at": NOW,
    }
    return Episode(id=episode_id, **{**values, **changes})


def started(episode_id: str = "e1", phase: Phase = Phase.RUNNING, **changes: Any) -> Episode:
    """An episode whose first attempt `<id>-a1` is on runner local."""
    values = {"phase": phase, "fence": 1, "runner": "local", "attempt_id": f"{episode_id}-a1"}
    return episode(episode_id, **{**values, **changes})


def status(phase: str, episode_id: str = "e1", **changes: Any) -> AttemptStatus:
    values = {"attempt_id": f"{episode_id}-a1", "episode_id": episode_id, "fence": 1, "phase": phase}
    return AttemptStatus(**{**values, **changes})


def attempt(episode_id: str = "e1", **changes: Any) -> Attempt:
    values = {"id": f"{episode_id}-a1", "runner": "local", "fence": 1, "created_at": NOW}
    return Attempt(episode_id=episode_id, **{**values, **changes})


def fleet(**changes: Any) -> FleetState:
    values = {"runners": (runner(),), "campaigns": (campaign(),)}
    return FleetState(**{**values, **changes})
