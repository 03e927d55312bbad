"""The same episodes on Buildbot, from its package: a master, a worker, SQLite, locks on steps (see `buildbot.cfg`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bench.pipelines import figures, serial
from tests.bench.pipelines.figures import BadRun
from tests.bench.pipelines.plan import Episode, Shape
from tests.orchestrator import free_port, wait_for

HERE = Path(__file__).parent
PROGRAMS = HERE.parents[2] / ".venv-buildbot" / "bin"
STEPS = (("sync", None), ("agent", "agent"), ("build lint", "build"), ("gpu", "gpu"), ("pull", None))
"""The phases of each step, and its lock."""
BESIDE_AGENTS = 4
"""One that builds, two that wait for the GPU, one that has it: what Matins allows beside its agents, too."""
START_LIMIT_S = 60.0
LIMIT_S = 1800.0


def run(folder: Path, repo: Path, episodes: Sequence[Episode], shape: Shape) -> tuple[figures.Line, ...]:
    folder.mkdir()
    lanes = shape.slots + BESIDE_AGENTS
    plan = _plan(folder, episodes, shape, lanes)
    for base in ("master", "worker"):
        _make(folder, base, plan["port"])
    _warm(folder / "worker", repo, lanes)
    shutil.copyfile(HERE / "buildbot.cfg", folder / "master" / "master.cfg")
    started: list[subprocess.Popen[bytes]] = []
    try:
        for program, base in (("buildbot", "master"), ("buildbot-worker", "worker")):
            started.append(_start(folder, program, base))
        log = folder / "master" / "twistd.log"
        wait_for(lambda: "Got workerinfo from 'box'" in _read(log), START_LIMIT_S, lambda: _read(log)[-4000:])
        subprocess.run([PROGRAMS / "python", "-I", HERE / "buildbot_queue.py"], env=_environment(folder), check=True)
        wait_for(
            lambda: all("name=pull" in _read(folder / f"{each.name}.spans") for each in episodes),
            LIMIT_S,
            lambda: _read(log)[-4000:],
        )
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=60)
    return tuple(figures.read(each.name, _read(folder / f"{each.name}.spans")) for each in episodes)


def _plan(folder: Path, episodes: Sequence[Episode], shape: Shape, lanes: int) -> dict[str, int]:
    """Leaves the plan as a file. Percent signs stand for Buildbot's own properties, that a build brings with it."""
    any_one = Episode(name="%(prop:episode)s", turn_s=0.0, crate="%(prop:crate)s", line="%(prop:line)s")
    commands = {
        command[2]: ["%(prop:turn_s)s" if word == "0.000" else word for word in command]
        for command in serial.commands(any_one, shape)
    }
    steps = [("reset", [["git", "reset", "--quiet", "--hard"]], None)]
    steps += [(name, [commands[phase] for phase in name.split()], lock) for name, lock in STEPS]
    plan = {"port": free_port(), "lanes": lanes, "slots": shape.slots}
    asked = [
        {"episode": each.name, "turn_s": f"{each.turn_s:.3f}", "crate": each.crate, "line": each.line}
        for each in episodes
    ]
    spans = f"{folder}/%(prop:episode)s.spans"
    (folder / "plan.json").write_text(json.dumps({**plan, "steps": steps, "episodes": asked, "spans": spans}))
    return plan


def _make(folder: Path, base: str, port: int) -> None:
    address = () if base == "master" else (f"127.0.0.1:{port}", "box", "bench")
    program = "buildbot" if base == "master" else "buildbot-worker"
    argv = (PROGRAMS / program, f"create-{base}", "--quiet", folder / base, *address)
    done = subprocess.run(argv, env=_environment(folder), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BadRun(f"{program} create-{base}: {done.stdout}{done.stderr}")


def _warm(worker: Path, repo: Path, lanes: int) -> None:
    """Each builder's folder as it is after its first build."""
    first = worker / "lane-0" / "build"
    first.parent.mkdir()
    serial.clone(repo, first)
    serial.build(first)
    for number in range(1, lanes):
        tree = worker / f"lane-{number}" / "build"
        tree.parent.mkdir()
        subprocess.run(["cp", "-a", "--reflink=auto", str(first), str(tree)], check=True)
        serial.build(tree)


def _start(folder: Path, program: str, base: str) -> subprocess.Popen[bytes]:
    with (folder / f"{base}.log").open("wb") as log:
        argv = (PROGRAMS / program, "start", "--nodaemon", folder / base)
        return subprocess.Popen(argv, env=_environment(folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _environment(folder: Path) -> dict[str, str]:
    bare = serial.environment()
    return {**bare, "PATH": f"{PROGRAMS}{os.pathsep}{bare['PATH']}", "PIPELINE_PLAN": str(folder / "plan.json")}


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.exists() else ""
