"""Phases one after another: what a script does that nobody has taken time over."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bench.pipelines import figures
from tests.bench.pipelines.plan import BUILD, LINT, Episode, Shape


def run(folder: Path, repo: Path, episodes: Sequence[Episode], shape: Shape, *, cold: bool) -> tuple[figures.Line, ...]:
    """`cold`: each episode is built in a fresh clone; otherwise in one tree that is put back to the base."""
    folder.mkdir()
    warm = folder / "tree"
    if not cold:
        clone(repo, warm)
        build(warm)
    lines: list[figures.Line] = []
    for episode in episodes:
        tree = folder / episode.name if cold else warm
        spans = folder / f"{episode.name}.spans"
        sync = ["git", "clone", "--quiet", str(repo), str(tree)] if cold else ["git", "reset", "--quiet", "--hard"]
        subprocess.run(sync, cwd=folder if cold else tree, check=True)
        for command in commands(episode, shape):
            subprocess.run(command, cwd=tree, env=environment(spans), check=True, capture_output=True)
        lines.append(figures.read(episode.name, spans.read_text()))
    return tuple(lines)


def commands(episode: Episode, shape: Shape) -> tuple[tuple[str, ...], ...]:
    """The phases of one episode, in order. All three ways run these, each in a tree at the base."""
    timed = ("sh", "ci/timed.sh")
    return (
        (*timed, "sync", "sleep", f"{shape.wait_s('sync'):.3f}"),
        (*timed, "agent", "sh", "ci/turn.sh", f"{episode.turn_s:.3f}", episode.crate, episode.line),
        (*timed, "build", *BUILD),
        (*timed, "lint", *LINT),
        (*timed, "gpu", "sleep", f"{shape.wait_s('gpu'):.3f}"),
        (*timed, "pull", "sleep", f"{shape.wait_s('pull'):.3f}"),
    )


def clone(repo: Path, tree: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", str(repo), str(tree)], check=True)


def build(tree: Path) -> None:
    for command in (BUILD, LINT):
        subprocess.run(command, cwd=tree, env=environment(), check=True, capture_output=True)


def environment(spans: Path | None = None) -> dict[str, str]:
    """As bare as that of an episode, so that cargo's fingerprints do not depend on who asks."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "RUSTUP_HOME", "CARGO_HOME") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", **({"PIPELINE_SPANS": str(spans)} if spans else {})}
