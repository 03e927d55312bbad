"""What a test needs beyond Python. Outside CI a test without its component is skipped; in CI it fails."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REMEDY = "run `make system-parts test-parts`"

POSTGRESQL = Path("/usr/lib/postgresql")
RABBITMQ = Path("/usr/lib/rabbitmq")
CELERY_EXPORTER_PYTHON = Path(__file__).parents[1] / ".venv-exporter/bin/python"


def need(*names: str) -> None:
    """Ends the test, or at module level the module, unless every component is there.

    Names: those of `PROBES`, and any program found on PATH ("cargo", "git", "glslangValidator", …).
    """
    missing = {name: problem for name in names if (problem := _problem(name))}
    if not missing:
        return
    message = "; ".join(f"{name}: {problem}" for name, problem in missing.items()) + f" ({REMEDY})"
    if in_ci():
        pytest.fail(f"a component is missing, and CI allows no skips: {message}", pytrace=False)
    pytest.skip(message, allow_module_level=True)


@contextlib.contextmanager
def or_exit(what: str) -> Iterator[None]:
    """For programs, where no pytest takes what `need` raises: exit status 1, and one line that begins with `what`."""
    try:
        yield
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        sys.exit(f"{what}: {missing}")


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
        timeout=150,
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


def _mount_namespace() -> str:
    """A namespace whose mounts are no one else's; only root may make one without a user namespace around it."""
    if problem := _program("unshare"):
        return problem
    argv = ["unshare", "--mount", "true"]
    tried = subprocess.run(argv, capture_output=True, text=True, timeout=150, check=False)
    return "" if tried.returncode == 0 else f"cannot be made by this account: {tried.stderr.strip()}"


def _libfaketime() -> str:
    return "" if libfaketime() else "there is no libfaketime.so.1 below /usr/lib"


def libfaketime() -> Path | None:
    """What LD_PRELOAD has to name: Debian keeps it in the architecture's own folder."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def _postgresql() -> str:
    try:
        postgresql_programs()
    except FileNotFoundError as error:
        return str(error)
    return ""


def postgresql_programs() -> Path:
    """The newest of those installed: Debian keeps them off PATH. Raises FileNotFoundError."""
    found = sorted(POSTGRESQL.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and on_path is None:
        raise FileNotFoundError(f"there is no {POSTGRESQL}/*/bin/postgres, and none on PATH")
    return found[-1].parent if found else Path(str(on_path)).parent


def _rabbitmq() -> str:
    return "" if os.access(rabbitmq_program(), os.X_OK) else f"there is no {rabbitmq_program()}"


def rabbitmq_program() -> Path:
    """Behind Debian's wrapper on PATH, which starts it for root and its own account only, on the machine's files."""
    return RABBITMQ / "bin" / "rabbitmq-server"


def _celery_exporter() -> str:
    if os.access(CELERY_EXPORTER_PYTHON, os.X_OK):
        return ""
    return "there is no .venv-exporter; it needs Python 3.11 or 3.12 (`make .venv-exporter/.stamp`)"


def _node_exporter() -> str:
    return "" if node_exporter() else "not found on PATH"


def node_exporter() -> str | None:
    """Debian calls it by another name than its makers."""
    return shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")


def _root() -> str:
    """Root in a container may lack the capability, so it is tried."""
    if os.geteuid() != 0:
        return "this account is not root; run the tests by sudo"
    if problem := _program("unshare"):
        return problem
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    return "" if tried.returncode == 0 else f"cannot make namespaces and mounts: {tried.stderr.strip()}"


def _cgroup2() -> str:
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    top = next((fields[1] for fields in lines if fields[2] == "cgroup2"), None)
    if top is None:
        return "none is mounted"
    return "" if os.access(top, os.W_OK) else f"{top} cannot be written by this account"


PROBES: dict[str, Callable[[], str]] = {
    "bwrap": _bwrap,
    "celery-exporter": _celery_exporter,
    "cgroup2": _cgroup2,
    "libfaketime": _libfaketime,
    "mount namespace": _mount_namespace,
    "node_exporter": _node_exporter,
    "postgresql": _postgresql,
    "rabbitmq": _rabbitmq,
    "root": _root,
    "vulkan": _vulkan,
}
