"""The runner's manifest of an episode folder, and the stream that carries exactly what it names.

Only regular files travel. Links, sockets, pipes, devices and names that a manifest cannot hold are left out and
listed in `omitted.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from runner_agent.protocol import PULL_OFFSET, rest_from

SUMS = "RUNNER_SHA256SUMS"
OMITTED = "omitted.json"
OMITTED_SCHEMA = "matins-omitted-1"

_LINE = re.compile(r"([0-9a-f]{64})  ([^\x00-\x1f\x7f\\]+)")
_NAMEABLE = re.compile(r"[^\x00-\x1f\x7f\\\ud800-\udfff]+")
_OMITTED_LISTED = 1000


class ManifestError(ValueError):
    """A manifest, or a file that it names, is not what it should be."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One thing collected for the episode: `destination` is relative to the episode folder."""

    source: str
    destination: str
    type: Literal["file", "directory"] = "file"
    skipped: bool = False


def write_sums(out: Path) -> int:
    """Writes RUNNER_SHA256SUMS (`sha256sum -c` format, sorted by path) over every regular file; gives their number."""
    (out / SUMS).unlink(missing_ok=True)
    (out / OMITTED).unlink(missing_ok=True)
    omitted = sorted(_omitted(out), key=lambda each: each["path"])
    if omitted:
        listed = {"schema": OMITTED_SCHEMA, "count": len(omitted), "omitted": omitted[:_OMITTED_LISTED]}
        (out / OMITTED).write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    lines = [f"{_sha256(out, path)}  {path}\n" for path in sorted(_nameable(out))]
    draft = out / f"{SUMS}.tmp"
    with draft.open("x", encoding="utf-8") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(out / SUMS)
    return len(lines)


def read_sums(text: str) -> list[tuple[str, str]]:
    """(sha256, path) of each line. Raises ManifestError for a malformed line or a path that leaves the folder."""
    entries: list[tuple[str, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line == "":
            continue
        match = _LINE.fullmatch(line)
        if match is None or not _is_inner(match[2]):
            raise ManifestError(f"{SUMS} line {number} is malformed: {line[:120]!r}")
        entries.append((match[1], match[2]))
    return entries


def stream(out: Path, fileobj: BinaryIO, held: Mapping[str, int] | None = None) -> None:
    """Writes an uncompressed tar of RUNNER_SHA256SUMS and then of exactly the files that it names, in its order.

    Of a file of which the asker has `held` bytes only the rest comes, under the header `PULL_OFFSET`; one that it has
    as long as it is does not come at all, and one that it has longer comes whole. Whether what it has is right, its
    checksum says. Raises ManifestError if a file is gone, no longer regular or shorter than when its copying began.
    """
    named = [path for _, path in read_sums((out / SUMS).read_text(encoding="utf-8"))]
    with tarfile.open(fileobj=fileobj, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in [SUMS, *named]:
            with _open_regular(out, path) as file:
                size = os.fstat(file.fileno()).st_size
                offset = rest_from(0 if path == SUMS else (held or {}).get(path, 0), size)
                if offset is None:
                    continue
                info = tarfile.TarInfo(path)
                info.size = size - offset
                if offset:
                    info.pax_headers = {PULL_OFFSET: str(offset)}
                    file.seek(offset)
                try:
                    tar.addfile(info, file)
                except OSError as error:
                    raise ManifestError(f"{path}: {error}") from error


def artifacts(out: Path, entries: Iterable[Artifact]) -> None:
    """Writes artifacts/manifest.json; the status of each is looked up in `out`: ok, empty, failed (absent), skipped."""
    found = [
        {"source": each.source, "destination": each.destination, "type": each.type, "status": _status(out, each)}
        for each in entries
    ]
    folder = out / "artifacts"
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _status(out: Path, artifact: Artifact) -> str:
    path = out / artifact.destination
    if artifact.skipped:
        return "skipped"
    if artifact.type == "directory":
        return "failed" if not path.is_dir() else "ok" if any(path.iterdir()) else "empty"
    return "failed" if not path.is_file() else "ok" if path.stat().st_size else "empty"


def _walk(out: Path) -> Iterator[tuple[str, int]]:
    """Path and mode of everything below `out` but its real folders; links are not followed."""
    for folder, names, files in os.walk(out):
        for name in [*files, *names]:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            if not stat.S_ISDIR(mode):
                yield os.path.relpath(os.path.join(folder, name), out), mode


def _nameable(out: Path) -> list[str]:
    return [path for path, mode in _walk(out) if stat.S_ISREG(mode) and _NAMEABLE.fullmatch(path)]


def _omitted(out: Path) -> list[dict[str, str]]:
    return [
        {"path": os.fsencode(path).decode("utf-8", "backslashreplace"), "why": _why(mode)}
        for path, mode in _walk(out)
        if not (stat.S_ISREG(mode) and _NAMEABLE.fullmatch(path))
    ]


def _why(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "its name cannot stand in a manifest"
    return "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"


def _is_inner(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and path != SUMS


def _open_regular(out: Path, path: str) -> BinaryIO:
    try:
        descriptor = os.open(out / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ManifestError(f"{path}: no longer a regular file")
    return os.fdopen(descriptor, "rb")


def _sha256(out: Path, path: str) -> str:
    digest = hashlib.sha256()
    with _open_regular(out, path) as file:
        while block := file.read(1024 * 1024):
            digest.update(block)
    return digest.hexdigest()
