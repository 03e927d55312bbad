"""A runner on a file system of one's choice, for the benchmarks of workspaces: real attempts, real cargo.

File systems other than the machine's own lie in image files, mounted in a mount namespace of the benchmark's own: they
go with it, and the machine never sees them. That takes root, a loop device and the tools of the file system.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from orchestrator.machines.local import LocalLink
from runner_agent import files
from runner_agent.boot import boot_id
from runner_agent.protocol import Command, LaunchSpec, Measure, Smoke
from runner_agent.snapshots import Facts, Method
from tests.bench import workspace_gen
from tests.integration.runner_agent.rig import Rig, request, sh

IMAGE_BYTES = 6 << 30
MAKERS: dict[str, tuple[str, ...]] = {
    "btrfs": ("mkfs.btrfs", "--quiet"),
    "xfs": ("mkfs.xfs", "-q"),
}
STEPS = {"build": ("build", "--workspace"), "lint": ("clippy", "--all-targets"), "test": ("test", "--workspace")}
LIMIT_S = 900.0
_INSIDE = "--inside-own-namespace"


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What one attempt found: the seconds that each of its copies took, by what method, and the crates of which its
    build, lint and test commands built anything anew."""

    seconds: tuple[float, ...]
    methods: tuple[str, ...]
    rebuilt: frozenset[str]


def in_own_namespace() -> None:
    """Starts this program anew where its mounts are no one else's, if the account may have that."""
    if _INSIDE in sys.argv or os.geteuid() != 0:
        return
    os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv, _INSIDE])  # noqa: S606  no shell is meant


def mounted(folder: Path, kind: str) -> str:
    """Mounts a fresh file system at `folder`; why not, or an empty text."""
    if _INSIDE not in sys.argv:
        return "needs root"
    if shutil.which(MAKERS[kind][0]) is None:
        return f"{MAKERS[kind][0]} is not installed"
    image = folder.with_suffix(".img")
    folder.mkdir()
    with open(image, "wb") as file:
        file.truncate(IMAGE_BYTES)
    for argv in ([*MAKERS[kind], str(image)], ["mount", "-o", "loop", str(image), str(folder)]):
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode != 0:
            return f"{argv[0]}: {done.stderr.strip()}"
    return ""


def runner(root: Path, repository: Path, commit: str, method: Method | None = None) -> Rig:
    """A runner whose home lies in `root`. `method`: the only way in which it may copy; else it finds out the best."""
    root.mkdir(exist_ok=True)
    (root / "repository").symlink_to(repository)
    rig = Rig(root=root, link=LocalLink(root / "home"), commit=commit)
    if method is not None:
        told = {name: "" if name == method else "not wanted" for name in ("btrfs", "reflink", "overlay")}
        rig.home.root.mkdir()
        files.write_json(rig.home.workspaces, asdict(Facts(**told, boot_id=boot_id(), uid=os.getuid())))
    return rig


def attempt(rig: Rig, name: str, script: str = "true") -> LaunchSpec:
    """Build, lint and test as campaigns have them, told in a way that can be counted."""
    steps = {
        kind: (Command(argv=("cargo", *words, "--offline", "--message-format=json"), limit_s=LIMIT_S),)
        for kind, words in STEPS.items()
    }
    spec = rig.spec(name, script, smoke=Smoke(command=sh("true"), measure=Measure(rounds=1)), **steps)
    return replace(spec, limits=replace(spec.limits, wall_s=LIMIT_S, session_s=LIMIT_S, disk_bytes=IMAGE_BYTES))


def ended(rig: Rig, spec: LaunchSpec) -> Copied:
    """Waits for the attempt's end. Raises SystemExit where a stage did not end well."""
    status = rig.end(spec)
    bad = [stage for stage in status.exit.stages if stage.result != "ok"] if status.exit else [status]
    if bad:
        raise SystemExit(f"{spec.attempt_id}: {bad[0]}")
    logs, events = rig.pull(spec), [event for event in rig.events(spec) if event["event"] == "workspace"]
    rig.link.acknowledge(request(spec))
    built = (workspace_gen.stale(logs[f"logs/{kind}-1.log"].decode()) for kind in STEPS)
    return Copied(
        seconds=tuple(event["seconds"] for event in events),
        methods=tuple(event["method"] for event in events),
        rebuilt=frozenset().union(*built),
    )


def build_s(rig: Rig, spec: LaunchSpec) -> float:
    """What the attempt's build stage took; before the attempt is acknowledged."""
    ends = [event for event in rig.events(spec) if event["event"] == "stage-finished" and event["stage"] == "build"]
    return ends[-1]["seconds"]
