"""What a runner says of its machine: `hello`, `suspend` and `doctor`, and its energy and readings in each `report`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runner_agent.protocol.words import SCHEMA, Finding, PowerDown


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A Vulkan physical device, as the driver describes it. `nodes`: the device files that are its own, such as
    /dev/dri/renderD128; none where they are not known, and for a device of software."""

    name: str
    vendor: str
    device_type: str
    driver: str
    vulkan_api: str
    device_uuid: str
    vram_bytes: int
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a runner says of itself. `quiescence` and `sandbox` name the mechanism, or say why there is none.
    `wake_on_lan` is "armed", "disarmed: …" or "unknown: …", of the interface behind the default route. `gates` names
    the gate of each Vulkan device."""

    agent_version: str
    boot_id: str
    hostname: str
    os: str
    python: str
    cpus: int
    memory_bytes: int
    disk_free_bytes: int
    gpus: tuple[Gpu, ...]
    gpu_problem: str
    tools: dict[str, str]
    sandbox: str
    sandbox_problem: str
    quiescence: Literal["cgroup2", "process-scan"]
    tags: tuple[str, ...]
    attempts: tuple[str, ...]
    wake_on_lan: str = "unknown: this agent does not look"
    macs: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    schema: str = SCHEMA


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Energy counted on this machine since `epoch` began, an id made anew whenever counting began again, as after a
    boot or a lost file; within one it only rises. `joules` per instrument ("gpu:<device>", "package:<zone>", "plug",
    "battery"); `covered_s`: the seconds in which they counted; `at`: ISO 8601 UTC, the moment of the last count, a
    second or two before the report, with a hook up to six. `whole`: whether they see the whole machine; then `joules`
    holds that instrument alone."""

    epoch: str
    at: str
    joules: dict[str, float]
    covered_s: float
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class GpuReading:
    """One device at one moment; what it does not tell is None. `gpu`: its name in samples, such as card0 or nvidia0.
    `utilization` is from 0 to 1."""

    gpu: str
    clock_hz: float | None = None
    memory_clock_hz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    utilization: float | None = None
    memory_used_bytes: float | None = None


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What the machine's instruments show now. `power_w`: all that is measured, None where nothing is. The disk is that
    of the runner's home; 0 where it does not tell."""

    at: str
    gpus: tuple[GpuReading, ...] = ()
    power_w: float | None = None
    load1: float | None = None
    disk_free_bytes: int = 0
    disk_size_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class SuspendRequest:
    """Asks the machine to sleep. `token` names this wish: asked again, it is not carried out again. `mac`: the address
    that a wake will name, else the one behind the default route. The machine takes no attempt until it has slept, or
    `limit_s` have gone by in which it did not."""

    how: PowerDown
    token: str
    mac: str = ""
    limit_s: float = 120.0


@dataclass(frozen=True, kw_only=True)
class SuspendAnswer:
    """Accepted, or all that speaks against it: `refusals` (of `SuspendRefusal`), and in `why` a sentence for each."""

    accepted: bool
    refusals: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    schema: str = SCHEMA


@dataclass(frozen=True, kw_only=True)
class DoctorRequest:
    """`now`: the asker's time, ISO 8601 UTC, empty where clocks are not to be compared. `mac` as in SuspendRequest."""

    now: str = ""
    mac: str = ""


@dataclass(frozen=True, kw_only=True)
class Prerequisite:
    """One thing that a runner needs; `remedy` is empty where it passes."""

    name: str
    result: Finding
    found: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class DoctorAnswer:
    prerequisites: tuple[Prerequisite, ...]
    schema: str = SCHEMA
