"""Decides how a process of an episode is confined: the whole bubblewrap command line, as a pure function.

The sandbox has a mount, pid, ipc and uts namespace of its own, no capability, and a root made of the machine's
top-level folders read-only. Homes, hidden folders and the runner's home are absent. The tree lies at `/workspace`
for every process of every episode, so that build fingerprints agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from runner_agent.machine import Machine

TREE = "/workspace"
RUN = "/run/matins"
SCRATCH = f"{RUN}/scratch"
AGENT_FILE = f"{RUN}/agent.pyz"
AGENT_FOLDER = f"{RUN}/agent"
MIRROR = f"{RUN}/mirror.git"
SHADOW = f"{RUN}/shadow.git"
PROGRAMS = f"{RUN}/bin"
GPU_SOCKET = f"{RUN}/gpu.sock"

Role = Literal["agent", "build", "smoke", "tool"]

# Replaced by the sandbox's own, or never wanted in it.
REPLACED = frozenset({"proc", "dev", "tmp", "run", "home", "root", "lost+found", "workspace"})
EMPTIED = ("/tmp", "/run", "/var/tmp")  # noqa: S108  the sandbox's own, made anew for each process
# These change how a program is loaded. They must reach the confined program only, not bubblewrap, which runs outside.
LOADER_PREFIXES = ("LD_", "GLIBC_", "PYTHON", "GCONV_")
BACKGROUND_NICENESS = 10
# Points of 1000, each worth a thousandth of the machine's memory (proc(5), oom_score_adj): where memory runs out, the
# kernel ends what belongs to an episode before the runner's own, and what is measured last of all that does.
OUT_OF_MEMORY: Mapping[Role, int] = {"agent": 500, "build": 500, "tool": 400, "smoke": 400}


@dataclass(frozen=True, kw_only=True)
class Bind:
    """A folder or file of the machine (`source`) shown in the sandbox at `target`."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to run, and on what. `tree` and `scratch` are folders of the machine; `cwd` is one of the sandbox, and so
    are `programs`, which PATH begins with. `env` is the runner's word, `own_env` an agent's, which bubblewrap itself is
    kept from. `gpu`: a command that holds the gate; others but the smoke test's have no device."""

    role: Role
    argv: tuple[str, ...]
    tree: str
    scratch: str
    tree_writable: bool = True
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    binds: tuple[Bind, ...] = ()
    network: Literal["full", "none"] = "none"
    cwd: str = TREE
    programs: tuple[str, ...] = ()
    own_env: Mapping[str, str] = field(default_factory=dict[str, str])
    gpu: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """On which cores (none: any), and whether at idle priority, behind all else on the machine."""

    cores: tuple[int, ...] = ()
    idle: bool = False


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What holds for every process of the attempt. `hide` lists folders that none of them may see."""

    hide: tuple[str, ...]
    processes: int
    file_bytes: int


@dataclass(frozen=True, kw_only=True)
class ProcessPlan:
    """How to start it. `processes` and `file_bytes` are rlimits, `out_of_memory` is its oom_score_adj."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    niceness: int
    out_of_memory: int
    place: Place
    processes: int
    file_bytes: int


class SandboxUnavailable(Exception):
    """Nothing of an episode may run here, since it could not be confined."""


def plan_process(machine: Machine, wish: Wish, bounds: Bounds, place: Place = Place()) -> ProcessPlan:
    """The plan for one process. Raises SandboxUnavailable where the machine has no bubblewrap."""
    if machine.bwrap is None:
        raise SandboxUnavailable(
            "SANDBOX_UNAVAILABLE: bubblewrap (bwrap) is not on PATH; install the package `bubblewrap`; nothing runs "
            "unconfined"
        )
    env = environment(machine, wish, bounds.hide)
    loader = {name: value for name, value in env.items() if name.startswith(LOADER_PREFIXES)}
    inside = {**loader, **wish.own_env}
    setenv = tuple(part for name, value in sorted(inside.items()) for part in ("--setenv", name, value))
    return ProcessPlan(
        argv=(
            machine.bwrap,
            *_namespaces(machine, wish),
            *_root(machine, bounds.hide, devices=wish.role == "smoke" or wish.gpu),
            *_mounts(wish),
            *setenv,
            *("--chdir", wish.cwd, "--"),
            *wish.argv,
        ),
        env={name: value for name, value in env.items() if name not in loader},
        niceness=0 if wish.role == "smoke" else BACKGROUND_NICENESS,
        out_of_memory=OUT_OF_MEMORY[wish.role],
        place=place,
        processes=bounds.processes,
        file_bytes=bounds.file_bytes,
    )


def environment(machine: Machine, wish: Wish, hide: tuple[str, ...]) -> dict[str, str]:
    """Built from nothing: where programs, home and temporary files are, and what was asked for."""
    env = {
        "PATH": ":".join((*wish.programs, *(part for part in machine.path if not _covered(part, hide)))),
        "HOME": f"{SCRATCH}/home",
        "TMPDIR": f"{SCRATCH}/tmp",  # noqa: S108
        "CARGO_HOME": f"{SCRATCH}/cargo",
        "LANG": "C.UTF-8",
    }
    if machine.rustup_home is not None:
        env["RUSTUP_HOME"] = machine.rustup_home
    return {**env, **wish.env}


def _namespaces(machine: Machine, wish: Wish) -> tuple[str, ...]:
    # Root's own number would make tools behave as if they administered the machine, and some agents refuse it.
    uid, gid = (machine.uid or 1000, machine.gid or 1000)
    return (
        *("--unshare-user", "--uid", str(uid), "--gid", str(gid)),
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", "runner"),
        *(() if wish.network == "full" else ("--unshare-net",)),
        *("--cap-drop", "ALL", "--die-with-parent", "--new-session"),
    )


def _root(machine: Machine, hide: tuple[str, ...], *, devices: bool) -> tuple[str, ...]:
    parts: list[str] = []
    shown: list[str] = []
    for entry in machine.entries:
        path = f"/{entry.name}"
        if entry.name in REPLACED or _covered(path, hide):
            continue
        if entry.link is not None:
            parts += ["--symlink", entry.link, path]
        else:
            parts += ["--ro-bind", path, path]
            shown.append(path)
    parts += ["--proc", "/proc", "--dev", "/dev"]
    for device in machine.devices if devices else ():
        parts += ["--dev-bind", device, device]
    emptied = [*EMPTIED, *machine.homes]
    for path in emptied:
        parts += ["--tmpfs", path]
    if machine.resolver is not None:
        parts += ["--ro-bind", machine.resolver, machine.resolver]
    for path in machine.toolchains:
        if not _covered(path, hide):
            parts += ["--ro-bind", path, path]
            shown.append(path)
    # What lies in an emptied folder is absent already; mounting over it would only show its name.
    for path in (*machine.secret_folders, *hide):
        if _visible(path, shown, emptied):
            parts += ["--tmpfs", path]
    for path in machine.secret_files:
        parts += ["--ro-bind", "/dev/null", path]
    return tuple(parts)


def _mounts(wish: Wish) -> tuple[str, ...]:
    tree = Bind(source=wish.tree, target=TREE, writable=wish.tree_writable)
    scratch = Bind(source=wish.scratch, target=SCRATCH, writable=True)
    return tuple(
        part
        for bind in (tree, scratch, *wish.binds)
        for part in ("--bind" if bind.writable else "--ro-bind", bind.source, bind.target)
    )


def _visible(path: str, shown: list[str], emptied: list[str]) -> bool:
    """The deepest mount above `path` decides."""
    deepest = max((part for part in (*shown, *emptied) if _covered(path, (part,))), key=len, default="")
    return deepest in shown


def _covered(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
