"""What was received of an attempt so far: `FOLDER.part`, kept until all of it is there, whoever died meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Container, Iterator
from pathlib import Path

from orchestrator.artifacts import layout
from orchestrator.errors import ArtifactError


def held(folder: Path) -> dict[str, int]:
    """Path -> bytes of each file that a pull of `folder` brought so far: what `PullRequest.held` tells the runner."""
    sizes = _sizes(_beside(folder))
    return {path: size for path, size in sizes.items() if size and path != layout.RUNNER_SUMS}


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Path]:
    """FOLDER.part, which no other process has; the kernel frees it if this one dies."""
    part = _beside(folder)
    part.mkdir(parents=True, exist_ok=True)
    handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = os.stat(part, follow_symlinks=False)
        except OSError as error:
            raise ArtifactError(f"{part} is being received by another process", remedy="wait for it") from error
        if there.st_ino != os.fstat(handle).st_ino:
            raise ArtifactError(f"{part} was moved by another process", remedy="collect again")
        yield part
    finally:
        os.close(handle)


def keep_only(part: Path, wanted: Container[str]) -> dict[str, int]:
    """Removes what no manifest names any more; gives path -> bytes of what is left."""
    for parent, folders, names in os.walk(part, topdown=False):
        for name in (*names, *folders):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                with contextlib.suppress(OSError):  # it still holds something
                    path.rmdir()
            elif not stat.S_ISREG(mode) or str(path.relative_to(part)) not in wanted:
                path.unlink()
    return _sizes(part)


def empty(part: Path) -> None:
    for path in part.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.part")


def _sizes(part: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for parent, _folders, names in os.walk(part):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(os.path.join(parent, name))
                if stat.S_ISREG(status.st_mode):
                    found[os.path.relpath(os.path.join(parent, name), part)] = status.st_size
    return found
