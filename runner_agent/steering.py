"""What a command that runs an agent's code may leave behind to steer the next one, and taking it away.

Cargo reads settings from its home and from `.cargo` beside or above the folder where it is started: among them a
program that is run in the place of each test. A build script can write either before tests, or hidden checks, are run.

Only called while no process of the attempt lives, so that nothing changes under it; links are never followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Set
from pathlib import Path

from runner_agent import files
from runner_agent.freshness import is_made

SETTINGS = (".cargo", "rust-toolchain", "rust-toolchain.toml")
"""What steers tools from a tree's root, where every command is started."""
DOWNLOADED = ("registry", "git")
"""Of cargo's home, what is expensive to have again."""


def empty_home(scratch: Path) -> None:
    """Empties the home, temporary folder and all else of a sandbox's scratch, but for what cargo downloaded. Raises
    OSError."""
    cargo = scratch / "cargo"
    for entry in (*_entries(scratch), *_entries(cargo)):
        downloaded = entry.parent == cargo and entry.name in DOWNLOADED and not entry.is_symlink()
        if not downloaded and (entry != cargo or entry.is_symlink()):
            files.remove_tree(entry)


def take_out(tree: Path, tracked: Set[str], made: Set[str]) -> tuple[str, ...]:
    """Removes settings at the root of `tree` that are neither `tracked` in the agent's commit nor `made` by the base's
    build, as paths of files, and of folders that hold nothing else; gives what is gone. Raises OSError."""
    found = sorted(_below(tree, SETTINGS))
    foreign = tuple(path for path in found if path not in tracked and not is_made(path, made))
    for path in foreign:
        files.open_up((tree / path).parent)
        files.remove_tree(tree / path)
    return foreign


def _below(tree: Path, names: tuple[str, ...]) -> Iterator[str]:
    """Everything there that is no folder."""
    waiting = list(names)
    while waiting:
        path = waiting.pop()
        if not os.path.lexists(tree / path):
            continue
        if stat.S_ISDIR(os.lstat(tree / path).st_mode):
            waiting.extend(f"{path}/{entry.name}" for entry in _entries(tree / path))
        else:
            yield path


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, even where its rights were taken away; nothing if it is none."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    files.open_up(folder)
    return list(folder.iterdir())
