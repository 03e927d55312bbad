"""Working trees. Each attempt works on copies of one built base tree, so that only what an agent changed is rebuilt.

A copy keeps every modification time and is seen at the same path, hence cargo takes the base's build for its own.
Three are made: the agent's, the judged one and the baseline's. The judged tree is the base plus the agent's last
commit, so nothing that an agent left in a build folder, in an ignored file or in git's configuration is measured.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner_agent import btrfs, clock, layers, snapshots
from runner_agent.confinement import MIRROR, Bind, Wish
from runner_agent.context import Context
from runner_agent.control import InfrastructureFault
from runner_agent.files import read_json, remove_tree, write_json
from runner_agent.git import QUIET, command, full_hash
from runner_agent.home import AttemptFolder
from runner_agent.layers import Layers
from runner_agent.process import Seam, Streams
from runner_agent.snapshots import Method

BRANCH = "main"


def check_out(
    *, seam: Seam, mirror: Path, commit: str, tree: Path, scratch: Path, streams: Streams, limit_s: float
) -> None:
    """Makes `tree`, an empty folder, a repository with that one commit and its past. Raises InfrastructureFault."""
    fetch = ("fetch", "--quiet", "--no-tags", "--end-of-options", MIRROR, full_hash(commit))
    steps = (
        ("init", "--quiet", "--initial-branch", BRANCH),
        fetch,
        ("reset", "--quiet", "--hard", commit),
    )
    for step in steps:
        wish = Wish(
            role="tool",
            argv=command(*step),
            tree=str(tree),
            scratch=str(scratch),
            env=QUIET,
            binds=(Bind(source=str(mirror), target=MIRROR),),
        )
        outcome = seam.run(wish, streams, limit_s)
        if not outcome.ok:
            tail = streams.stdout.read_bytes()[-400:].decode(errors="replace").strip()
            raise InfrastructureFault(f"git {step[0]} of {commit} failed: {outcome.detail}; git said: {tail}")


def make_base(methods: tuple[Method, ...], tree: Path) -> None:
    """An empty folder for a base tree: a subvolume where its copies shall be snapshots. Raises OSError."""
    tree.parent.mkdir(parents=True, exist_ok=True)
    if "btrfs" in methods:
        with contextlib.suppress(OSError):
            btrfs.create(tree)
            return
    tree.mkdir()


def copy(context: Context, target: Path, log: Path) -> None:
    """Makes `target`, one of the attempt's trees, a copy of its base in the cheapest way; one that fails is followed by
    the next. The journal says which it was. Raises InfrastructureFault where not even a copy can be made."""
    with context.base_held():
        _copy(context, target, log)


def _copy(context: Context, target: Path, log: Path) -> None:
    base = context.base
    ready: dict[str, Any] = read_json(base.ready) or {}
    subvolume = btrfs.is_subvolume(base.tree)
    for method in snapshots.fitting(context.methods, built=ready.get("build") == "ok", subvolume=subvolume):
        began_s = clock.monotonic_s()
        drop(context.folder, target)
        try:
            _WAYS[method](context, target, log)
        except OSError as fault:
            if method == "copy":
                drop(context.folder, target)
                raise InfrastructureFault(
                    f"{base.tree} could not be copied to {target}: {fault}; is the disk full?"
                ) from fault
            context.journal.record("workspace-fallback", tree=target.name, method=method, why=str(fault)[:500])
            continue
        written = ready.get("bytes") if method == "copy" else 0
        seconds = round(clock.monotonic_s() - began_s, 3)
        context.journal.record("workspace", tree=target.name, method=method, seconds=seconds, bytes=written)
        return


def make_judged(context: Context) -> None:
    """Makes the judged tree: the base's with the agent's last commit put over it. Raises InfrastructureFault."""
    copy(context, context.folder.judged, context.out / "logs" / "checkout-2.log")
    context.shadow.put(context.folder.judged)


def show_again(context: Context, target: Path) -> None:
    """Shows a tree in layers to a supervisor that did not make it; a tree of another kind is there anyway. Raises
    InfrastructureFault where that cannot be: then the layers hold no tree any more."""
    own = _layers(context.folder, target)
    if not own.root.is_dir():
        return
    if read_json(own.note) != _identity(context):
        raise InfrastructureFault(f"the base {context.base.root.name} that {target.name} lies on is gone or made anew")
    if "overlay" not in context.methods:
        raise InfrastructureFault("layers can no more be mounted on this machine")
    try:
        layers.mount(context.base.tree, own, target)
    except OSError as fault:
        raise InfrastructureFault(f"{target} could not be mounted again: {fault}") from fault


def drop(folder: AttemptFolder, tree: Path) -> None:
    """Removes a tree of an attempt, however it was made. Raises OSError."""
    own = _layers(folder, tree)
    if own.root.is_dir():
        layers.unmount(tree)
        remove_tree(own.root)
        with contextlib.suppress(OSError):
            folder.layers.rmdir()
    if btrfs.is_subvolume(tree):
        # Only faster: what may not be destroyed at once is removed like any folder.
        with contextlib.suppress(OSError):
            btrfs.destroy(tree)
    remove_tree(tree)


def _snapshot(context: Context, target: Path, _log: Path) -> None:
    btrfs.snapshot(context.base.tree, target)


def _lay(context: Context, target: Path, _log: Path) -> None:
    own = _layers(context.folder, target)
    own.root.mkdir(parents=True)
    write_json(own.note, _identity(context))
    layers.mount(context.base.tree, own, target)


def _share(context: Context, target: Path, log: Path) -> None:
    _cp(context, target, log, "--reflink=always")


def _duplicate(context: Context, target: Path, log: Path) -> None:
    _cp(context, target, log, "--reflink=auto")


def _cp(context: Context, target: Path, log: Path, reflink: str) -> None:
    argv = ("cp", "-a", reflink, "--", str(context.base.tree), str(target))
    outcome = context.seam.trusted(argv, {}, context.streams(log), context.spec.limits.checkout_s)
    if not outcome.ok:
        raise OSError(outcome.detail)


_WAYS: dict[Method, Callable[[Context, Path, Path], None]] = {
    "btrfs": _snapshot,
    "reflink": _share,
    "overlay": _lay,
    "copy": _duplicate,
}


def _layers(folder: AttemptFolder, tree: Path) -> Layers:
    return Layers(folder.layers / tree.name)


def _identity(context: Context) -> dict[str, Any]:
    """Which base it is: one of the same name may have been made anew."""
    ready: dict[str, Any] = read_json(context.base.ready) or {}
    return {"base": context.base.root.name, "made_at": ready.get("at")}
