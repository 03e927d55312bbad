"""How a runner copies a built tree: the cheapest way that was seen to work in its home.

Each way is tried, not looked up, since the name of a file system says little of what it, its mount and this account
allow. What was found holds for a boot of the machine (`workspaces.json` of the home); deciding is pure.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from runner_agent import btrfs, files, layers
from runner_agent.boot import boot_id
from runner_agent.home import Home
from runner_agent.layers import Layers

Method = Literal["btrfs", "reflink", "overlay", "copy"]
"""A snapshot of a btrfs subvolume; a copy that shares its blocks; layers of overlayfs; a copy."""
SHARED: tuple[Method, ...] = ("btrfs", "reflink", "overlay")
"""Those that write next to nothing, in the order in which they are preferred: the time that they take does not grow
with the tree, grows with its files, and is paid later, by whoever changes a large file."""
FICLONE = 0x40049409
"""ioctl_ficlone(2)."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Why a way does not work here; an empty text: it does. `boot_id` and `uid`: of what boot and account."""

    btrfs: str
    reflink: str
    overlay: str
    boot_id: str = ""
    uid: int = 0


def order(facts: Facts) -> tuple[Method, ...]:
    """The ways that work, in the order in which they are to be tried. A copy always works."""
    problems: dict[Method, str] = {"btrfs": facts.btrfs, "reflink": facts.reflink, "overlay": facts.overlay}
    return (*(method for method in SHARED if not problems[method]), "copy")


def fitting(methods: tuple[Method, ...], *, built: bool, subvolume: bool) -> tuple[Method, ...]:
    """Those for one base. A base that did not build is made again under whoever uses it, so no layer may lie on it; one
    that an earlier version made is no subvolume."""
    fits = {"btrfs": subvolume, "overlay": built}
    return tuple(method for method in methods if fits.get(method, True))


def prepare(home: Home) -> tuple[Method, ...]:
    """The ways of this home, for a supervisor that still has one thread; it can mount layers from now on, if that is
    one of them. Where nothing can be tried, as on a full disk, a copy is what is left."""
    boot, uid = boot_id(), os.getuid()
    private = _problem(layers.isolate)
    known = recall(home, boot, uid)
    if known is None:
        try:
            known = probe(home.root, private, boot, uid)
            files.write_json(home.workspaces, asdict(known))
        except OSError as error:
            known = known or Facts(btrfs=str(error), reflink=str(error), overlay=str(error))
    return tuple(method for method in order(known) if not (method == "overlay" and private))


def recall(home: Home, boot: str, uid: int) -> Facts | None:
    """What was found in this boot, by this account."""
    try:
        data: Any = files.read_json(home.workspaces)
        known = Facts(**data)
    except (OSError, ValueError, TypeError):
        return None
    return known if (known.boot_id, known.uid) == (boot, uid) else None


def probe(folder: Path, private: str, boot: str, uid: int) -> Facts:
    """Tries each way on a few bytes in `folder`. `private`: why this process has no mount namespace of its own."""
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=folder, ignore_cleanup_errors=True) as name:
        room = Path(name)
        return Facts(
            btrfs=_problem(lambda: _try_btrfs(room)),
            reflink=_problem(lambda: _try_reflink(room)),
            overlay=private or _problem(lambda: _try_overlay(room)),
            boot_id=boot,
            uid=uid,
        )


def _problem(trial: Callable[[], None]) -> str:
    try:
        trial()
    except (OSError, AttributeError) as error:
        return str(error) or type(error).__name__
    return ""


def _try_btrfs(room: Path) -> None:
    base, snapshot = room / "subvolume", room / "snapshot"
    btrfs.create(base)
    (base / "file").write_text("base")
    btrfs.snapshot(base, snapshot)
    _expect((snapshot / "file").read_text() == "base" and btrfs.is_subvolume(snapshot))
    # The kernel lets its owner remove an emptied subvolume like any folder, since 4.18.
    for path in (snapshot, base):
        files.remove_tree(path)


def _try_reflink(room: Path) -> None:
    source, target = room / "source", room / "target"
    source.write_bytes(b"x" * 65536)
    with open(source, "rb") as read, open(target, "wb") as written:
        fcntl.ioctl(written.fileno(), FICLONE, read.fileno())
    _expect(target.stat().st_size == 65536)


def _try_overlay(room: Path) -> None:
    """Writes a file of the base and renames a folder of it, as agents do."""
    base, own, tree = room / "base", Layers(room / "layers"), room / "tree"
    (base / "folder").mkdir(parents=True)
    for name in ("file", "folder/inner"):
        (base / name).write_text("base")
    layers.mount(base, own, tree)
    try:
        (tree / "file").write_text("changed")
        (tree / "folder").rename(tree / "renamed")
        _expect((tree / "renamed" / "inner").read_text() == "base" and (base / "file").read_text() == "base")
    finally:
        layers.unmount(tree)
        files.remove_tree(own.root)


def _expect(holds: bool) -> None:
    if not holds:
        raise OSError("what was written is not what was read")
