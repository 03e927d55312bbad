"""Takes in the tar stream of a runner: all of it as its manifest says, or nothing.

The commit point is the rename of `FOLDER.part` to `FOLDER`; before it every file was hashed, compared and synced.
Nothing here trusts the runner: only plain files with plain names are taken, within `Caps`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from orchestrator.artifacts import layout
from orchestrator.artifacts.sums import sync_folder, verify_runner
from orchestrator.errors import ArtifactError
from orchestrator.failpoints import reach

BLOCK_BYTES = 1024 * 1024
# An extended header is read into memory as a whole; a path and a few numbers need far less.
MOST_HEADER_BYTES = 8 * 1024


@dataclass(frozen=True, kw_only=True)
class Caps:
    """The most that one attempt may bring: `bytes` over all files, `files`, and names in a path."""

    bytes: int = 8 * 1024**3
    files: int = 20_000
    depth: int = 16


@dataclass(frozen=True, kw_only=True)
class Received:
    """`already`: the folder was there and matches its manifest, so the stream was not read."""

    folder: Path
    files: int
    bytes: int
    already: bool = False


def receive(stream: BinaryIO, folder: Path, caps: Caps | None = None) -> Received:
    """Unpacks `stream` (an uncompressed tar that ends with RUNNER_SHA256SUMS) into `folder`.

    Safe to repeat. Raises ArtifactError where the stream breaks a rule or is not what its manifest says, where
    `folder` exists and does not verify, and where another process is receiving it at this moment.
    """
    caps = caps or Caps()
    if folder.exists():
        return _already(folder)
    with _part(folder) as part:
        if folder.exists():
            return _already(folder)
        sums = _unpack(stream, part, caps)
        _compare(part, sums)
        _sync_tree(part)
        reach("collect-before-rename")
        part.rename(folder)
        sync_folder(folder.parent)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return Received(folder=folder, files=len(sums), bytes=size)


def _already(folder: Path) -> Received:
    problems = verify_runner(folder)
    if problems:
        raise ArtifactError(
            f"{folder} is there already and is not what its manifest says: {problems[0]}",
            remedy="move it away, then collect again",
        )
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Received(folder=folder, files=len(sizes), bytes=sum(sizes), already=True)


@contextlib.contextmanager
def _part(folder: Path) -> Iterator[Path]:
    """An empty FOLDER.part that no other process has; the kernel frees it if this one dies."""
    part = folder.with_name(f"{folder.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.stat(part, follow_symlinks=False)
        except OSError as error:
            raise ArtifactError(f"{part} is being received by another process", remedy="wait for it") from error
        if held.st_ino != os.fstat(handle).st_ino:
            raise ArtifactError(f"{part} was moved by another process", remedy="collect again")
        for path in part.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        yield part
    finally:
        os.close(handle)


class _Entry(tarfile.TarInfo):
    """A header that is refused before it is acted upon: a plain file, or the extension that carries a long name."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.XHDTYPE):
            raise ArtifactError(f"{self.name[:120]!r} is not a plain file")
        if self.type == tarfile.XHDTYPE and self.size > MOST_HEADER_BYTES:
            raise ArtifactError(f"an archive header of {self.size} bytes")
        return super()._proc_member(archive)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]


def _unpack(stream: BinaryIO, part: Path, caps: Caps) -> dict[str, str]:
    """Writes the files; gives path -> SHA-256 of what was written."""
    sums: dict[str, str] = {}
    left = caps.bytes
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Entry) as archive:
            for entry in archive:
                _refuse(entry, sums, caps, left)
                left -= entry.size
                source = archive.extractfile(entry)
                if source is None:
                    raise ArtifactError(f"{entry.name!r} cannot be read")
                sums[entry.name] = _write(source, part / entry.name, entry.size)
                reach("collect-mid-pull")
    except (tarfile.TarError, OSError, ValueError, EOFError, RecursionError) as error:
        raise ArtifactError(f"the archive cannot be read: {error}", remedy="collect again") from error
    return sums


def _refuse(entry: tarfile.TarInfo, taken: dict[str, str], caps: Caps, left: int) -> None:
    shown = repr(entry.name[:120])
    if not entry.isreg() or entry.issparse():
        raise ArtifactError(f"{shown} is not a plain file")
    layout.refuse_path(entry.name, caps.depth)
    if layout.is_derived(entry.name):
        raise ArtifactError(f"{shown} is a name that the orchestrator writes")
    if entry.name in taken:
        raise ArtifactError(f"{shown} comes twice")
    if len(taken) >= caps.files:
        raise ArtifactError(f"more than {caps.files} files")
    if not 0 <= entry.size <= left:
        raise ArtifactError(f"more than {caps.bytes} bytes: {shown} does not fit any more")


def _write(source: IO[bytes], path: Path, size: int) -> str:
    digest = hashlib.sha256()
    written = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with open(handle, "wb") as target:
        while block := source.read(BLOCK_BYTES):
            digest.update(block)
            target.write(block)
            written += len(block)
        target.flush()
        os.fsync(target.fileno())
    if written != size:
        raise ArtifactError(f"{path.name} has {written} bytes where its header says {size}")
    return digest.hexdigest()


def _compare(part: Path, sums: dict[str, str]) -> None:
    if layout.RUNNER_SUMS not in sums:
        raise ArtifactError(f"the archive ended before {layout.RUNNER_SUMS}", remedy="collect again")
    listed = layout.parse_sums((part / layout.RUNNER_SUMS).read_text(encoding="utf-8", errors="surrogateescape"))
    brought = {path: digest for path, digest in sums.items() if path != layout.RUNNER_SUMS}
    for path in sorted(listed.keys() | brought.keys()):
        if path not in brought:
            raise ArtifactError(f"{path!r} is in the manifest and was not sent", remedy="collect again")
        if path not in listed:
            raise ArtifactError(f"{path!r} was sent and is not in the manifest", remedy="collect again")
        if listed[path] != brought[path]:
            raise ArtifactError(f"{path!r} is not what the manifest says", remedy="collect again")


def _sync_tree(part: Path) -> None:
    for folder, _, _ in os.walk(part):
        sync_folder(Path(folder))
