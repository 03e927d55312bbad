"""`bench stage_in clone=… reflink=… overlay=… btrfs=… copy=…`: seconds until an attempt has a tree, medians.

`clone` is a fresh clone without any build; the others are built trees of the same workspace (26 crates with build,
clippy and test fingerprints) as attempts of a real runner copy them, two attempts at once with three trees
each. `none`: this machine cannot make that file system; standard error says why.

`bench units_rebuilt clone+copied_target=… cp_elsewhere=… matins=…`: crates of which an untouched tree builds anything
again, after a clone beside a copied `target`, after `cp -a` to another path, and in the worst of Matins' attempts.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runner_agent.snapshots import Method
from tests.bench import warm_runner, workspace_gen
from tests.bench.warm_runner import Copied

CLONES = 5
SYSTEMS: dict[Method, str] = {"reflink": "xfs", "overlay": "", "btrfs": "btrfs", "copy": ""}
"""The file system that each way needs; empty: any."""


def main() -> None:
    warm_runner.in_own_namespace()
    with tempfile.TemporaryDirectory(prefix="matins-bench-") as name:
        folder = Path(name)
        workspace_gen.write(folder / "repository")
        commit = workspace_gen.commit(folder / "repository")
        copied = {method: _copied(folder, method, commit) for method in SYSTEMS}
        seconds = {"clone": _clone_s(folder)} | {method: _median_s(each) for method, each in copied.items()}
        print("bench stage_in " + " ".join(f"{what}={value}" for what, value in seconds.items()), flush=True)
        again = {
            "clone+copied_target": len(_after_clone(folder)),
            "cp_elsewhere": len(_after_copy(folder)),
            "matins": max(len(each.rebuilt) for attempts in copied.values() for each in attempts),
        }
        told = " ".join(f"{what}={count}" for what, count in again.items())
        print(f"bench units_rebuilt {told} of={workspace_gen.CRATES}", flush=True)


def _copied(folder: Path, method: Method, commit: str) -> list[Copied]:
    """Two attempts at once on a runner that copies in this way; none where the machine cannot."""
    root, system = folder / method, SYSTEMS[method]
    if system and (problem := warm_runner.mounted(root, system)):
        print(f"{method}: {problem}", file=sys.stderr)
        return []
    # Where a file system was made for it the runner is to find the way by itself.
    rig = warm_runner.runner(root, folder / "repository", commit, None if system else method)
    specs = [warm_runner.attempt(rig, f"{method}-{number}") for number in (1, 2)]
    for spec in specs:
        rig.link.launch(spec)
    copied = [warm_runner.ended(rig, spec) for spec in specs]
    used = {each for attempt in copied for each in attempt.methods}
    if system:
        subprocess.run(["umount", str(root)], check=True)
        root.with_suffix(".img").unlink()
    if used != {method}:
        print(f"{method}: the runner used {', '.join(sorted(used))} instead", file=sys.stderr)
        return []
    return copied


def _median_s(copied: list[Copied]) -> str:
    seconds = [each for attempt in copied for each in attempt.seconds]
    return f"{statistics.median(seconds):.3f}" if seconds else "none"


def _clone_s(folder: Path) -> str:
    taken: list[float] = []
    for number in range(CLONES):
        begun = time.monotonic()
        _clone(folder, folder / f"clone-{number}")
        taken.append(time.monotonic() - begun)
        shutil.rmtree(folder / f"clone-{number}")
    return f"{statistics.median(taken):.3f}"


def _after_clone(folder: Path) -> set[str]:
    """A fresh clone has new modification times."""
    built, fresh = _built(folder), folder / "fresh"
    _clone(folder, fresh)
    subprocess.run(["cp", "-a", str(built / "target"), str(fresh / "target")], check=True)
    return _rebuilt(fresh)


def _after_copy(folder: Path) -> set[str]:
    built, moved = _built(folder), folder / "moved"
    subprocess.run(["cp", "-a", str(built), str(moved)], check=True)
    return _rebuilt(moved)


def _built(folder: Path) -> Path:
    built = folder / "built"
    if not built.exists():
        _clone(folder, built)
        _rebuilt(built)
    return built


def _rebuilt(tree: Path) -> set[str]:
    return workspace_gen.rebuilt(tree, ("build", "--workspace"), os.environ)


def _clone(folder: Path, target: Path) -> None:
    argv = ["git", "clone", "--quiet", "--no-hardlinks", str(folder / "repository"), str(target)]
    subprocess.run(argv, check=True)


if __name__ == "__main__":
    main()
