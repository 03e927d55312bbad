"""Which device of its machine an attempt is for, and why none would do."""

from __future__ import annotations

from collections.abc import Mapping, Set

from orchestrator.domain.device import CAPABILITIES, Device, Health
from orchestrator.domain.episode import CampaignFacts
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.runner import Runner

GIB = 1024**3


def lacks(runner: Runner, campaign: CampaignFacts) -> str:
    """Why the machine offers what the campaign needs on none of its devices; empty if one will do, or none is needed.
    What the machine offers by itself counts for each of them."""
    beyond = _beyond_machine(runner, campaign)
    if not beyond and not campaign.needs_vram_bytes:
        return ""
    for device in _eligible(runner, beyond):
        if _will_do(device, beyond, campaign.needs_vram_bytes):
            return ""
    return _why_none(runner, [tag for tag in campaign.needs_tags if tag in beyond], campaign.needs_vram_bytes)


def fitting(runner: Runner, campaign: CampaignFacts) -> tuple[str, ...]:
    """The deviceUUIDs of those that will do, best first; only "" where none does, and an attempt may use any."""
    beyond = _beyond_machine(runner, campaign)
    fit = (one for one in _eligible(runner, beyond) if _will_do(one, beyond, campaign.needs_vram_bytes))
    return tuple(device.uuid for device in fit) or ("",)


def choose_device(
    runner: Runner, campaign: CampaignFacts, load: Mapping[str, int], full: Set[str] = frozenset()
) -> str:
    """The deviceUUID that an attempt is to be for: of the devices that will do the one with the least `load` (attempts
    by deviceUUID), then the best; one that is `full` only where all are. Empty where there is none."""
    return min(fitting(runner, campaign), key=lambda uuid: (uuid in full, load.get(uuid, 0)))


def running_on(fleet: FleetState, runner: str) -> dict[str, str]:
    """By id of the episode, the device of each attempt that is in force on the machine; "" for any of them."""
    held = fleet.leases.get(runner, ())
    attempts = ((episode.id, fleet.attempt.get(episode.attempt_id or "")) for episode in held)
    return {episode_id: attempt.gpu for episode_id, attempt in attempts if attempt is not None}


def named(runner: Runner, gpu: str) -> str:
    """Of several devices the one with that deviceUUID, as in "RX 7600 (UUID)"; empty for any other."""
    found = next((device for device in runner.devices if device.uuid == gpu), None)
    return _name(found) if found is not None and len(runner.devices) > 1 else ""


def _name(device: Device) -> str:
    return f"{device.gpu.name} ({device.uuid})"


def _beyond_machine(runner: Runner, campaign: CampaignFacts) -> frozenset[str]:
    """The tags that a device has to bring."""
    return frozenset(campaign.needs_tags) - runner.own_tags


def _eligible(runner: Runner, tags: frozenset[str]) -> tuple[Device, ...]:
    """Beside devices of hardware those of software count for nothing, unless one is asked for by a tag that no hardware
    has: nobody wants to measure a processor because the card is in quarantine, or smaller than the main memory."""
    real = runner.hardware
    if not real or len(real) == len(runner.devices):
        return runner.devices
    return real if tags <= _offered(real) else runner.devices


def _offered(devices: tuple[Device, ...]) -> frozenset[str]:
    """What at least one of them offers."""
    return frozenset[str]().union(*[device.offered_tags for device in devices])


def _will_do(device: Device, tags: frozenset[str], vram_bytes: int) -> bool:
    enough = device.vram_bytes >= vram_bytes and device.health is not Health.QUARANTINED
    return enough and tags <= device.offered_tags


def _why_none(runner: Runner, tags: list[str], vram_bytes: int) -> str:
    """Of several devices that of the one that comes closest."""
    offered = _offered(runner.devices)
    nowhere = [tag for tag in tags if tag not in offered]
    if nowhere:
        problem = runner.hello.gpu_problem if runner.hello else ""
        why = f" ({problem})" if problem and set(nowhere) & CAPABILITIES else ""
        return f"does not report {', '.join(nowhere)}{why}"
    if not runner.devices:
        return f"has {_of_memory(0, vram_bytes)}"
    misses = [(_misses(device, tags, vram_bytes), device) for device in _eligible(runner, frozenset(tags))]
    says, device = min(misses, key=lambda one: (len(one[0]), one[1].health is Health.QUARANTINED, -one[1].vram_bytes))
    if device.health is Health.QUARANTINED:
        says.append(_is_quarantined(device))
    elif len(runner.devices) == 1:
        return says[0]
    return f"has no device for it: {_name(device)} {', and '.join(says)}"


def _misses(device: Device, tags: list[str], vram_bytes: int) -> list[str]:
    """What the device does not have of it."""
    missing = [tag for tag in tags if tag not in device.offered_tags]
    says = [f"does not report {', '.join(missing)}"] if missing else []
    return [*says, f"has {_of_memory(device.vram_bytes, vram_bytes)}"] if device.vram_bytes < vram_bytes else says


def _is_quarantined(device: Device) -> str:
    since = f" since {device.since:%H:%M} UTC" if device.since else ""
    return f"is QUARANTINED{since}" + (f": {device.detail}" if device.detail else "")


def _of_memory(has_bytes: int, asked_bytes: int) -> str:
    return f"{has_bytes / GIB:.1f} GiB of GPU memory of {asked_bytes / GIB:.1f} GiB asked"
