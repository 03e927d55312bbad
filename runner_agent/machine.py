"""What this machine looks like to a process of an episode: the facts that `confinement` decides on."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Folders of toolchains below a home. Credentials lie beside them (.cargo/credentials.toml), hence no wider.
TOOLCHAINS = (".cargo/bin", ".rustup", ".pyenv", ".nvm", ".local/bin", ".local/lib", ".local/share/uv", "go/bin")
TOOLCHAIN_VARIABLES = ("RUSTUP_HOME", "PYENV_ROOT", "NVM_DIR")
SECRET_FILES = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-")
SECRET_FOLDERS = ("/etc/ssh", "/etc/sudoers.d", "/etc/ssl/private")
GPU_DEVICES = ("/dev/dri", "/dev/kfd")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry of `/`: a folder, or a link and where it points."""

    name: str
    link: str | None = None


@dataclass(frozen=True, kw_only=True)
class Machine:
    """`homes` are emptied in every sandbox, but for `toolchains`; `path` is where programs are looked for. `cores` are
    those that this account may use, `siblings` the same, the threads of a core together."""

    bwrap: str | None
    python: str
    entries: tuple[Entry, ...]
    home: str
    homes: tuple[str, ...]
    toolchains: tuple[str, ...]
    secret_files: tuple[str, ...]
    secret_folders: tuple[str, ...]
    devices: tuple[str, ...]
    resolver: str | None
    path: tuple[str, ...]
    rustup_home: str | None
    uid: int
    gid: int
    cores: tuple[int, ...]
    siblings: tuple[tuple[int, ...], ...] = ()


def survey(environ: Mapping[str, str]) -> Machine:
    """Looks at the machine once, at the start of a supervisor."""
    home = os.path.realpath(environ.get("HOME") or os.path.expanduser("~"))
    path = _search_path(environ.get("PATH", os.defpath), home)
    named = [environ[name] for name in TOOLCHAIN_VARIABLES if environ.get(name)]
    beneath = [os.path.join(home, part) for part in TOOLCHAINS]
    mine = [part for part in (*path, sys.base_prefix) if _below(part, home)]
    toolchains = sorted({os.path.realpath(part) for part in (*named, *beneath, *mine) if os.path.isdir(part)})
    rustup = environ.get("RUSTUP_HOME") or os.path.join(home, ".rustup")
    cores = tuple(sorted(os.sched_getaffinity(0)))
    return Machine(
        bwrap=shutil.which("bwrap", path=":".join(path)),
        python=os.path.realpath(sys.executable),
        entries=tuple(_entry(Path("/", name)) for name in sorted(os.listdir("/")) if not Path("/", name).is_file()),
        home=home,
        homes=tuple(part for part in sorted({home, "/home", "/root"}) if os.path.isdir(part)),
        toolchains=tuple(part for part in toolchains if part != home),
        secret_files=tuple(part for part in SECRET_FILES if os.path.isfile(part)),
        secret_folders=tuple(part for part in SECRET_FOLDERS if os.path.isdir(part)),
        devices=_devices(),
        resolver=_resolver(),
        path=path,
        rustup_home=os.path.realpath(rustup) if os.path.isdir(rustup) else None,
        uid=os.getuid(),
        gid=os.getgid(),
        cores=cores,
        siblings=siblings_of(cores, Path("/sys/devices/system/cpu")),
    )


def siblings_of(cores: tuple[int, ...], folder: Path) -> tuple[tuple[int, ...], ...]:
    """The cores by what the kernel says of their topology; where it says nothing each is by itself."""
    groups = {_threads(core, folder) & set(cores) for core in cores}
    return tuple(sorted(tuple(sorted(group)) for group in groups))


def _threads(core: int, folder: Path) -> frozenset[int]:
    """A list as `0,4` or `0-1`: the kernel's Documentation/admin-guide/cputopology."""
    try:
        text = (folder / f"cpu{core}" / "topology" / "thread_siblings_list").read_text()
        ends = [tuple(int(end) for end in part.split("-")) for part in text.strip().split(",")]
        return frozenset({core}.union(*(range(end[0], end[-1] + 1) for end in ends)))
    except (OSError, ValueError):
        return frozenset({core})


def _search_path(text: str, home: str) -> tuple[str, ...]:
    """PATH without relative and repeated entries, with cargo's folder, which a bare SSH command does not have."""
    wanted = [*text.split(":"), os.path.join(home, ".cargo/bin"), "/usr/local/bin", "/usr/bin", "/bin"]
    return tuple(dict.fromkeys(part.rstrip("/") for part in wanted if os.path.isabs(part) and os.path.isdir(part)))


def _entry(path: Path) -> Entry:
    return Entry(name=path.name, link=os.readlink(path) if path.is_symlink() else None)


def _devices() -> tuple[str, ...]:
    nvidia = sorted(str(part) for part in Path("/dev").glob("nvidia*"))
    return tuple(part for part in (*GPU_DEVICES, *nvidia) if os.path.exists(part))


def _resolver() -> str | None:
    """Where /etc/resolv.conf really lies if that is below /run, which a sandbox replaces."""
    real = os.path.realpath("/etc/resolv.conf")
    return real if real.startswith("/run/") and os.path.isfile(real) else None


def _below(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(folder + "/")
