"""Takes in the tar stream of a runner: all of it as its manifest says, or nothing.

The commit point is the rename of `FOLDER.part` to `FOLDER`; before it every file was hashed, compared and synced. A
stream that breaks off leaves what it brought in `FOLDER.part`, and the next one begins there. The manifest comes first,
and only what it names is taken. Nothing here trusts the runner: plain files with plain names, within `Caps`.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from orchestrator.artifacts import layout, partial
from orchestrator.artifacts.sums import sync_folder, verify_runner
from orchestrator.errors import ArtifactError, LinkError
from orchestrator.failpoints import reach
from runner_agent.protocol import PULL_OFFSET

# What came of a block before the link broke is lost.
BLOCK_BYTES = 64 * 1024
# An extended header is read into memory as a whole; a path and a few numbers need far less.
MOST_HEADER_BYTES = 8 * 1024
SUMS_LINE_BYTES = 64 + 2 + layout.MOST_PATH_BYTES + 1
MOST_OFFSET_DIGITS = 19


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
    """Unpacks `stream` (an uncompressed tar that begins with RUNNER_SHA256SUMS) into `folder`.

    Safe to repeat; ask for the stream with `partial.held(folder)`. Raises ArtifactError where the stream breaks a rule,
    which costs what was held, where a file is not what the manifest says, which costs that file, where `folder` exists
    and does not verify, and where another process is receiving it at this moment. Raises LinkError where the stream
    broke off after it had brought something, or nothing could be written here: that says nothing about the attempt.
    """
    if folder.exists():
        return _already(folder)
    with partial.opened(folder) as part:
        if folder.exists():
            return _already(folder)
        taking = _Taking(part, caps or Caps())
        try:
            taking.unpack(stream)
        except ArtifactError:
            partial.empty(part)
            raise
        except (tarfile.TarError, ValueError, EOFError, RecursionError) as error:
            _broke_off(f"the archive cannot be read: {error}", taking.progress, error)
        except OSError as error:
            raise LinkError(f"{folder} cannot be received: {error}", kind="reset") from error
        missing = taking.missing()
        if missing:
            _broke_off(
                f"the archive ended before {missing!r}, which is in the manifest and was not sent", taking.progress
            )
        taking.compare()
        _sync_tree(part)
        reach("collect-before-rename")
        part.rename(folder)
        sync_folder(folder.parent)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return Received(folder=folder, files=len(taking.listed) + 1, bytes=size)


def _broke_off(what: str, progress: int, cause: Exception | None = None) -> None:
    """However often a link breaks, a pull that comes nearer to its end is not given up."""
    if progress:
        raise LinkError(f"{what}; what came is kept, and the next pull goes on from there", kind="reset") from cause
    raise ArtifactError(what, remedy="collect again") from cause


def _already(folder: Path) -> Received:
    problems = verify_runner(folder)
    if problems:
        raise ArtifactError(
            f"{folder} is there already and is not what its manifest says: {problems[0]}",
            remedy="move it away, then collect again",
        )
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Received(folder=folder, files=len(sizes), bytes=sum(sizes), already=True)


class _Entry(tarfile.TarInfo):
    """A header that is refused before it is acted upon: a plain file, or the extension that carries a long name."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.XHDTYPE):
            raise ArtifactError(f"{self.name[:120]!r} is not a plain file")
        if self.type == tarfile.XHDTYPE and self.size > MOST_HEADER_BYTES:
            raise ArtifactError(f"an archive header of {self.size} bytes")
        return super()._proc_member(archive)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]


class _Taking:
    """One stream being taken into `part`. `progress`: the bytes of files that it brought."""

    def __init__(self, part: Path, caps: Caps) -> None:
        self._part = part
        self._caps = caps
        self._have: dict[str, int] = {}
        self._whole: dict[str, str] = {}
        self._taken: set[str] = set()
        self.listed: dict[str, str] = {}
        self.progress = 0

    def unpack(self, stream: BinaryIO) -> None:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Entry) as archive:
            for entry in archive:
                if not entry.isreg() or entry.issparse():
                    raise ArtifactError(f"{entry.name[:120]!r} is not a plain file")
                source = archive.extractfile(entry)
                if source is None:
                    raise ArtifactError(f"{entry.name[:120]!r} cannot be read")
                if self._taken:
                    self._take(entry, source)
                else:
                    self._begin(entry, source)
                self._taken.add(entry.name)

    def _begin(self, entry: tarfile.TarInfo, source: IO[bytes]) -> None:
        """The manifest, before anything else is believed or written."""
        if entry.name != layout.RUNNER_SUMS:
            raise ArtifactError(f"the archive begins with {entry.name[:120]!r} and not with {layout.RUNNER_SUMS}")
        if entry.size > self._caps.files * SUMS_LINE_BYTES:
            raise ArtifactError(f"{layout.RUNNER_SUMS} lists more than {self._caps.files} files")
        text = source.read()
        if len(text) != entry.size:
            raise EOFError("unexpected end of data")
        listed = layout.parse_sums(text.decode("utf-8", "surrogateescape"))
        refuse_listed(listed, self._caps)
        self.listed = listed
        self._have = partial.keep_only(self._part, listed)
        with _open_new(self._part / layout.RUNNER_SUMS) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _take(self, entry: tarfile.TarInfo, source: IO[bytes]) -> None:
        path, shown = entry.name, repr(entry.name[:120])
        if path in self._taken:
            raise ArtifactError(f"{shown} comes twice")
        if path not in self.listed:
            raise ArtifactError(f"{shown} was sent and is not in the manifest", remedy="collect again")
        offset, have = _offset(entry), self._have.get(path, 0)
        if offset not in (0, have):
            raise ArtifactError(f"{shown} goes on at byte {offset}, and {have} are held", remedy="collect again")
        left = self._caps.bytes - sum(self._have.values()) + (0 if offset else have)
        if not 0 <= entry.size <= left:
            raise ArtifactError(f"more than {self._caps.bytes} bytes: {shown} does not fit any more")
        target = self._part / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "ab") if offset else _open_new(target) as file:
            self._have[path] = offset
            digest = self._copy(source, file, path)
        if self._have[path] != offset + entry.size:
            raise EOFError("unexpected end of data")
        if not offset:
            self._whole[path] = digest

    def _copy(self, source: IO[bytes], file: IO[bytes], path: str) -> str:
        digest = hashlib.sha256()
        try:
            for block in _blocks(source):
                digest.update(block)
                file.write(block)
                self._have[path] += len(block)
                self.progress += len(block)
                reach("collect-mid-pull")
        finally:
            file.flush()
        os.fsync(file.fileno())
        return digest.hexdigest()

    def missing(self) -> str:
        """The first file that is neither held nor was sent, or an empty text."""
        if not self._taken:
            return layout.RUNNER_SUMS
        return next((path for path in sorted(self.listed) if path not in self._have), "")

    def compare(self) -> None:
        """Raises ArtifactError for a file that is not what the manifest says; it is dropped, and comes anew."""
        wrong = [path for path in sorted(self.listed) if self.listed[path] != self._digest(path)]
        for path in wrong:
            (self._part / path).unlink()
        if wrong:
            raise ArtifactError(f"{wrong[0]!r} is not what the manifest says", remedy="collect again")

    def _digest(self, path: str) -> str:
        if path in self._whole:
            return self._whole[path]
        with open(self._part / path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        return digest


def refuse_listed(listed: dict[str, str], caps: Caps) -> None:
    """Raises ArtifactError for a manifest that may not become a folder."""
    if len(listed) > caps.files:
        raise ArtifactError(f"more than {caps.files} files")
    folders: set[str] = set()
    alike: dict[str, str] = {}
    for path in listed:
        layout.refuse_path(path, caps.depth)
        if layout.is_derived(path):
            raise ArtifactError(f"{path!r} is a name that the orchestrator writes")
        parts = path.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
        # Whoever pulls the folder may have a file system that takes both for one.
        other = alike.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
        if other != path:
            raise ArtifactError(f"{path!r} and {other!r} differ in case or composition only")
    for path in sorted(folders & listed.keys() | folders & {layout.RUNNER_SUMS} | {layout.RUNNER_SUMS} & listed.keys()):
        raise ArtifactError(f"{path!r} is listed as a file, and is something else")


def _offset(entry: tarfile.TarInfo) -> int:
    text = entry.pax_headers.get(PULL_OFFSET, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_OFFSET_DIGITS):
        raise ArtifactError(f"{entry.name[:120]!r} begins at {text[:40]!r}, which is no number of bytes")
    return int(text)


def _open_new(path: Path) -> IO[bytes]:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    return open(handle, "wb")


def _blocks(source: IO[bytes]) -> Iterator[bytes]:
    while block := source.read(BLOCK_BYTES):
        yield block


def _sync_tree(part: Path) -> None:
    for folder, _, _ in os.walk(part):
        sync_folder(Path(folder))
