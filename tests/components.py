"""What a test needs beyond Python. Outside CI a test without its component is skipped; in CI it fails."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

REMEDY = "run `make system-parts`"


def need(*names: str) -> None:
    """Ends the test, or at module level the module, unless every component is there.

    Names: "vulkan" (loader and a driver that shows a device), "bwrap" (present and able to make a namespace), "root"
    (allowed to make network namespaces and mounts), "cgroup2" (a writable one that can freeze), or any program found on
    PATH ("cargo", "git", "glslangValidator", …).
    """
    missing = {name: problem for name in names if (problem := _problem(name))}
    if not missing:
        return
    message = "; ".join(f"{name}: {problem}" for name, problem in missing.items()) + f" ({REMEDY})"
    if in_ci():
        pytest.fail(f"a component is missing, and CI allows no skips: {message}", pytrace=False)
    pytest.skip(message, allow_module_level=True)


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() == "true"


def _problem(name: str) -> str:
    return PROBES[name]() if name in PROBES else _program(name)


def _program(name: str) -> str:
    return "" if shutil.which(name) else "not found on PATH"


def _bwrap() -> str:
    if problem := _program("bwrap"):
        return problem
    tried = subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--unshare-pid", "true"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return "" if tried.returncode == 0 else f"cannot make a sandbox here: {tried.stderr.strip()}"


def _vulkan() -> str:
    """Creates an instance and counts devices, since a loader without a driver is there but of no use."""
    try:
        loader = ctypes.CDLL("libvulkan.so.1")
    except OSError as error:
        return f"no loader: {error}"
    instance = ctypes.c_void_p()
    # VkInstanceCreateInfo, all defaults: sType 1, pNext, flags, pApplicationInfo, two empty lists (64 bytes).
    create_info = (ctypes.c_uint32 * 16)(1)
    if loader.vkCreateInstance(ctypes.byref(create_info), None, ctypes.byref(instance)) != 0:
        return "no driver could make an instance"
    count = ctypes.c_uint32(0)
    loader.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    loader.vkDestroyInstance(instance, None)
    return "" if count.value else "no driver shows a device"


def _root() -> str:
    """Root in a container may lack the capability, so it is tried."""
    if os.geteuid() != 0:
        return "this account is not root; run the tests by sudo"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return "" if tried.returncode == 0 else f"cannot make namespaces and mounts: {tried.stderr.strip()}"


def _cgroup2() -> str:
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    tops = [fields[1] for fields in lines if fields[2] == "cgroup2"]
    if not tops:
        return "no cgroup2 is mounted"
    return (
        ""
        if os.access(tops[0], os.W_OK)
        and "rw" in next(fields[3].split(",") for fields in lines if fields[1] == tops[0])
        else f"{tops[0]} is read-only"
    )


PROBES: dict[str, Callable[[], str]] = {"bwrap": _bwrap, "cgroup2": _cgroup2, "root": _root, "vulkan": _vulkan}
