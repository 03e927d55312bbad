"""The Vulkan devices of this machine, asked of the loader itself (libvulkan.so.1) without any Python package."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner_agent import device_nodes, protocol

PROBE_LIMIT_S = 20.0

_VENDORS = {
    0x1002: "AMD",
    0x10DE: "NVIDIA",
    0x8086: "Intel",
    0x13B5: "ARM",
    0x5143: "Qualcomm",
    0x106B: "Apple",
    0x10005: "Mesa",
}
_TYPES = ("other", "integrated-gpu", "discrete-gpu", "virtual-gpu", "cpu")
_BEST_FIRST = ("discrete-gpu", "integrated-gpu", "virtual-gpu", "other", "cpu")

_VULKAN_1_2 = (1 << 22) | (2 << 12)
_HEAP_DEVICE_LOCAL = 1
_DEVICES_MAX = 64


class VulkanError(RuntimeError):
    """The loader or a driver did not answer as it should."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What the loader said: the devices, best first, or why there are none."""

    gpus: tuple[protocol.Gpu, ...]
    problem: str = ""


def probe(agent: Sequence[str], limit_s: float = PROBE_LIMIT_S) -> Probe:
    """Asks in a child (`agent` + "devices"), so that a driver that crashes or hangs cannot take the caller along."""
    try:
        child = subprocess.run(
            [*agent, "devices"], stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Probe(gpus=(), problem=f"the Vulkan driver did not answer within {limit_s:g} s")
    except OSError as error:
        return Probe(gpus=(), problem=f"the probe could not be started: {error}")
    return read_probe(child.stdout, child.stderr, child.returncode)


def read_probe(stdout: bytes, stderr: bytes, exit_code: int) -> Probe:
    """The answer of a probing child. Drivers print to both streams, so the answer is the last line that parses."""
    for line in reversed(stdout.splitlines()):
        try:
            data: Any = json.loads(line)
            gpus = tuple(protocol.from_json(protocol.Gpu, gpu) for gpu in data["gpus"])
            return Probe(gpus=gpus, problem=str(data["problem"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    how = f"was ended by signal {-exit_code}" if exit_code < 0 else f"ended with exit status {exit_code}"
    last = stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][-300:]
    return Probe(gpus=(), problem=f"asking the Vulkan driver {how}" + (f": {last}" if last else ""))


def main() -> int:
    """`AGENT devices`: one line {"gpus": […], "problem": "…"} on standard output."""
    try:
        gpus = enumerate_gpus()
        found = Probe(gpus=gpus, problem="" if gpus else "no Vulkan device")
    except (OSError, VulkanError) as error:
        found = Probe(gpus=(), problem=str(error))
    answer = protocol.to_json(found)
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    sys.stdout.flush()
    return 0


def version(packed: int) -> str:
    """A packed Vulkan version as text, such as 1.3.239."""
    return f"{(packed >> 22) & 0x7F}.{(packed >> 12) & 0x3FF}.{packed & 0xFFF}"


class _ApplicationInfo(ctypes.Structure):
    _fields_ = (
        ("sType", ctypes.c_int32),
        ("pNext", ctypes.c_void_p),
        ("pApplicationName", ctypes.c_char_p),
        ("applicationVersion", ctypes.c_uint32),
        ("pEngineName", ctypes.c_char_p),
        ("engineVersion", ctypes.c_uint32),
        ("apiVersion", ctypes.c_uint32),
    )


class _InstanceCreateInfo(ctypes.Structure):
    _fields_ = (
        ("sType", ctypes.c_int32),
        ("pNext", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("pApplicationInfo", ctypes.POINTER(_ApplicationInfo)),
        ("enabledLayerCount", ctypes.c_uint32),
        ("ppEnabledLayerNames", ctypes.c_void_p),
        ("enabledExtensionCount", ctypes.c_uint32),
        ("ppEnabledExtensionNames", ctypes.c_void_p),
    )


class _DriverProperties(ctypes.Structure):
    _fields_ = (
        ("sType", ctypes.c_int32),
        ("pNext", ctypes.c_void_p),
        ("driverID", ctypes.c_int32),
        ("driverName", ctypes.c_char * 256),
        ("driverInfo", ctypes.c_char * 256),
        ("conformanceVersion", ctypes.c_uint8 * 4),
    )


class _IdProperties(ctypes.Structure):
    _fields_ = (
        ("sType", ctypes.c_int32),
        ("pNext", ctypes.c_void_p),
        ("deviceUUID", ctypes.c_uint8 * 16),
        ("driverUUID", ctypes.c_uint8 * 16),
        ("deviceLUID", ctypes.c_uint8 * 8),
        ("deviceNodeMask", ctypes.c_uint32),
        ("deviceLUIDValid", ctypes.c_uint32),
    )


class _DrmProperties(ctypes.Structure):
    # VK_EXT_physical_device_drm; a driver without it skips this link of the chain, and all stays zero.
    _fields_ = (
        ("sType", ctypes.c_int32),
        ("pNext", ctypes.c_void_p),
        ("hasPrimary", ctypes.c_uint32),
        ("hasRender", ctypes.c_uint32),
        ("primaryMajor", ctypes.c_int64),
        ("primaryMinor", ctypes.c_int64),
        ("renderMajor", ctypes.c_int64),
        ("renderMinor", ctypes.c_int64),
    )


class _Properties2(ctypes.Structure):
    # The limits and sparse properties that follow (about 530 bytes) are not read; `rest` leaves the driver ample room.
    _fields_ = (
        ("sType", ctypes.c_int32),
        ("pNext", ctypes.c_void_p),
        ("apiVersion", ctypes.c_uint32),
        ("driverVersion", ctypes.c_uint32),
        ("vendorID", ctypes.c_uint32),
        ("deviceID", ctypes.c_uint32),
        ("deviceType", ctypes.c_int32),
        ("deviceName", ctypes.c_char * 256),
        ("pipelineCacheUUID", ctypes.c_uint8 * 16),
        ("rest", ctypes.c_uint64 * 256),
    )


class _MemoryHeap(ctypes.Structure):
    size: int
    flags: int
    _fields_ = (("size", ctypes.c_uint64), ("flags", ctypes.c_uint32))


class _MemoryProperties(ctypes.Structure):
    _fields_ = (
        ("memoryTypeCount", ctypes.c_uint32),
        ("memoryTypes", ctypes.c_uint32 * 2 * 32),
        ("memoryHeapCount", ctypes.c_uint32),
        ("memoryHeaps", _MemoryHeap * 16),
    )


def enumerate_gpus() -> tuple[protocol.Gpu, ...]:
    """The physical devices, best first (discrete, integrated, virtual, other, cpu). Raises OSError, VulkanError.

    Runs driver code in this process: call it in a child.
    """
    vulkan = _load()
    application = _ApplicationInfo(sType=0, pApplicationName=b"matins", apiVersion=_VULKAN_1_2)
    create = _InstanceCreateInfo(sType=1, pApplicationInfo=ctypes.pointer(application))
    instance = ctypes.c_void_p()
    _hold("vkCreateInstance", vulkan.vkCreateInstance(ctypes.byref(create), None, ctypes.byref(instance)))
    try:
        count = ctypes.c_uint32(_DEVICES_MAX)
        devices = (ctypes.c_void_p * _DEVICES_MAX)()
        _hold("vkEnumeratePhysicalDevices", vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), devices))
        gpus = [_describe(vulkan, ctypes.c_void_p(devices[n])) for n in range(count.value)]
    finally:
        vulkan.vkDestroyInstance(instance, None)
    return tuple(sorted(gpus, key=lambda gpu: _BEST_FIRST.index(gpu.device_type)))


def _load() -> ctypes.CDLL:
    try:
        vulkan = ctypes.CDLL("libvulkan.so.1")
    except OSError as error:
        raise VulkanError(f"the Vulkan loader is not installed: {error}") from error
    if not hasattr(vulkan, "vkGetPhysicalDeviceProperties2"):
        raise VulkanError("the Vulkan loader is older than Vulkan 1.1")
    return vulkan


def _hold(call: str, result: int) -> None:
    if result < 0:
        known = {-3: "initialisation failed", -9: "no compatible driver", -1: "out of host memory"}
        raise VulkanError(f"{call} gave {result}" + (f" ({known[result]})" if result in known else ""))


def _describe(vulkan: ctypes.CDLL, device: ctypes.c_void_p) -> protocol.Gpu:
    driver = _DriverProperties(sType=1000196000)
    drm = _DrmProperties(sType=1000353000, pNext=ctypes.addressof(driver))
    ids = _IdProperties(sType=1000071004, pNext=ctypes.addressof(drm))
    properties = _Properties2(sType=1000059001, pNext=ctypes.addressof(ids))
    memory = _MemoryProperties()
    vulkan.vkGetPhysicalDeviceProperties2(device, ctypes.byref(properties))
    vulkan.vkGetPhysicalDeviceMemoryProperties(device, ctypes.byref(memory))
    heaps: list[_MemoryHeap] = [memory.memoryHeaps[n] for n in range(memory.memoryHeapCount)]
    kind = int(properties.deviceType)
    return protocol.Gpu(
        name=_text(properties.deviceName),
        vendor=_VENDORS.get(properties.vendorID, f"{properties.vendorID:#06x}"),
        device_type=_TYPES[kind] if 0 <= kind < len(_TYPES) else "other",
        driver=" ".join(part for part in (_text(driver.driverName), _text(driver.driverInfo)) if part),
        vulkan_api=version(properties.apiVersion),
        device_uuid=str(uuid.UUID(bytes=bytes(ids.deviceUUID))),
        vram_bytes=sum(heap.size for heap in heaps if heap.flags & _HEAP_DEVICE_LOCAL),
        nodes=device_nodes.find(
            (drm.primaryMajor, drm.primaryMinor) if drm.hasPrimary else None,
            (drm.renderMajor, drm.renderMinor) if drm.hasRender else None,
        ),
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()
