"""Keeps a build from taking old work for new, and what is measured from being anything but what was built.

A build tool rebuilds what is newer than its last output. A judged tree is a built base with other files put over it, so
each of these must be newer than all that was built there, whatever the clock says. And nothing that was built may come
from anywhere but the base and the judged build: an agent's commit may hold a program, or a whole build folder.

Only called while no process of the attempt lives, so that nothing changes under it; links are never followed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

STEP_NS = 1_000_000
"""Newer by so much. Cargo calls equal times fresh; every file system that keeps parts of a second keeps this one."""
ENTRIES_MOST = 5_000_000
PROGRAMS_MOST = 20_000
BLOCK_BYTES = 1 << 20
PATH_BYTES = 4096
"""What the kernel takes for a path. In the sandbox the tree's own is shorter, so a commit may hold longer ones."""
# ELF; an archive of object files, as .a and .rlib are, also a thin one; LLVM bitcode.
CODE_STARTS = (b"\x7fELF", b"!<arch>\n", b"!<thin>\n", b"BC\xc0\xde")
CODE_SUFFIXES = (".so", ".rlib", ".a")
PROFILE_FOLDERS = frozenset({"deps", ".fingerprint"})
"""A folder that has both is cargo's for one profile, such as target/release."""


class TooMuch(Exception):
    """A tree that holds more than is looked at."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Something below a tree, by its path there. `file` is the same for hard links of one file. No program can set the
    time of a change, `ctime_ns`, as it can that of a modification; a new link is a change, too."""

    path: str
    mode: int
    file: tuple[int, int]
    mtime_ns: int
    ctime_ns: int


@dataclass(kw_only=True)
class Fresh:
    """What is known of a judged tree. `tree` is the hash of the agent's last commit's tree, `changed` are the paths in
    which that differs from the base, `planted` those that were left out, `since_ns` when its build began by the clock
    of its files, `programs` the build's note (path -> SHA-256). `settings` are those of `steering.SETTINGS` that the
    commit has, once asked for, `steered` those that a command left instead. `problem`: why the tree cannot be told
    fresh; empty if it can."""

    tree: str = ""
    changed: frozenset[str] = frozenset()
    planted: tuple[str, ...] = ()
    since_ns: int | None = None
    programs: dict[str, str] = field(default_factory=dict[str, str])
    settings: frozenset[str] | None = None
    steered: frozenset[str] = frozenset()
    problem: str = ""


def leave_out(tree: Path, changed: Set[str], made: Set[str]) -> tuple[str, ...]:
    """Takes out what would pass for something that was built, and gives it. `changed` are the paths in which the tree
    differs from the base, `made` what the base's build made there and git ignores. Raises TooMuch, OSError."""
    if any(len(os.fsencode(tree / path)) >= PATH_BYTES for path in changed):
        raise TooMuch(f"it holds a path of more than {PATH_BYTES} bytes")
    planted = tuple(path for path in sorted(changed) if is_planted(path, made, _start(tree, path)))
    for path in planted:
        _unlink(tree, path)
    return planted


def renew(tree: Path, changed: Set[str], now_ns: int) -> tuple[str, ...]:
    """Makes a copy of a built base, over which `changed` were put, ready for a build of its own: these get a time newer
    than all that was built, and the base's programs, which are given, go. Raises TooMuch, OSError."""
    newest_ns, kept = 0, list[Found]()
    for each in walk(tree):
        if stat.S_ISREG(each.mode) and each.path not in changed:
            newest_ns = max(newest_ns, each.mtime_ns)
        if stat.S_ISDIR(each.mode) or _may_be_code(each):
            kept.append(each)
    unlinked = uplifted(kept)
    for path in unlinked:
        _unlink(tree, path)
    stamp_ns = stamp(newest_ns, now_ns)
    for path in sorted(to_touch(tree, changed)):
        _touch(tree, path, stamp_ns)
    return unlinked


def is_planted(path: str, made: Set[str], start: bytes) -> bool:
    """Whether a file of an agent's commit, of which `start` are the first bytes, would pass for something that was
    built: it lies in what the base's build made, or is machine code."""
    return is_made(path, made) or start.startswith(CODE_STARTS)


def is_made(path: str, made: Set[str]) -> bool:
    """Whether it is, or lies in, what the base's build made there and git ignores."""
    above = {str(part) for part in PurePosixPath(path).parents}
    return path in made or not above.isdisjoint(made)


def uplifted(found: Collection[Found]) -> tuple[str, ...]:
    """The programs that cargo has put into the folder of a profile. They are links to what lies in `deps`: a build
    makes them anew, without work where nothing changed. One that goes elsewhere does not, and they would be the
    base's."""
    profiles = _profiles(found)
    return tuple(sorted(each.path for each in found if each.path.rpartition("/")[0] in profiles and _may_be_code(each)))


def made(found: Collection[Found], since_ns: int | None = None) -> tuple[Found, ...]:
    """The programs and libraries that a build answers for: in cargo's folders those that it put into a profile's own,
    with what they are linked from, and any that came `since_ns`; elsewhere all. Of cargo's others the base's tests, or
    another profile, left some, and the tests that follow make them anew where anything changed."""
    profiles = tuple(f"{profile}/".lstrip("/") for profile in _profiles(found))
    put = set(uplifted(found))
    linked = {each.file for each in found if each.path in put}
    return tuple(
        each
        for each in found
        if _may_be_code(each)
        and (
            not each.path.startswith(profiles)
            or each.file in linked
            or (since_ns is not None and each.ctime_ns > since_ns)
        )
    )


def _profiles(found: Collection[Found]) -> set[str]:
    """The folders that are cargo's for one profile."""
    inside: dict[str, set[str]] = {}
    for each in found:
        if stat.S_ISDIR(each.mode):
            folder, _, name = each.path.rpartition("/")
            inside.setdefault(folder, set()).add(name)
    return {folder for folder, names in inside.items() if names >= PROFILE_FOLDERS}


def stamp(newest_ns: int, now_ns: int) -> int:
    """A time that is newer than all that was built, also where the clock has gone back since."""
    return max(now_ns, newest_ns + STEP_NS)


def to_touch(tree: Path, changed: Collection[str]) -> set[str]:
    """What has to look new: each changed file, the folder that it is or was in, and for one that is gone the manifest
    of its package. Cargo looks at folders for `rerun-if-changed`, and else at the newest file of a package, which the
    absence of another does not change."""
    found: set[str] = set()
    for path in changed:
        gone = not os.path.lexists(tree / path)
        if not gone:
            found.add(path)
        above = [parent for parent in PurePosixPath(path).parents if os.path.isdir(tree / parent)]
        found.update(str(parent) for parent in above[:1] if parent.name)
        if gone:
            manifests = [parent / "Cargo.toml" for parent in above if os.path.isfile(tree / parent / "Cargo.toml")]
            found.update(map(str, manifests[:1]))
    return found


def note(tree: Path, check: Callable[[], None] = lambda: None, *, since_ns: int | None = None) -> dict[str, str]:
    """What a build of the tree that began at `since_ns` answers for (see `made`) -> its SHA-256. `check` may raise to
    give up. Raises TooMuch, OSError."""
    found: dict[str, str] = {}
    known: dict[tuple[int, int], str] = {}
    seen = [each for each in walk(tree) if stat.S_ISDIR(each.mode) or _may_be_code(each)]
    for each in made(seen, since_ns):
        if len(found) == PROGRAMS_MOST:
            raise TooMuch(f"it holds more than {PROGRAMS_MOST} programs")
        check()
        if each.file not in known:
            known[each.file] = sha256(tree / each.path)
        found[each.path] = known[each.file]
    return found


def rewritten(tree: Path, noted: Mapping[str, str], check: Callable[[], None] = lambda: None) -> tuple[str, ...]:
    """The paths of a note that are not any more what they were, as sentences' subjects: `PATH` or `PATH (gone)`."""
    found: list[str] = []
    for path, digest in sorted(noted.items()):
        check()
        try:
            if not _is_inner(tree, path) or sha256(tree / path) != digest:
                found.append(path)
        except OSError:
            found.append(f"{path} (gone)")
    return tuple(found)


def walk(tree: Path) -> Iterator[Found]:
    """Everything below a tree but its `.git`. Folders that cannot be read are as if empty. Raises TooMuch."""
    waiting, count = [""], 0
    while waiting:
        folder = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(tree / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if path == ".git":
                    continue
                count += 1
                if count > ENTRIES_MOST:
                    raise TooMuch(f"it holds more than {ENTRIES_MOST} files")
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(about.st_mode):
                    waiting.append(path)
                file = (about.st_dev, about.st_ino)
                yield Found(
                    path=path,
                    mode=about.st_mode,
                    file=file,
                    mtime_ns=about.st_mtime_ns,
                    ctime_ns=about.st_ctime_ns,
                )


def sha256(path: Path) -> str:
    """Of a regular file. Raises OSError, also for anything else."""
    digest = hashlib.sha256()
    with os.fdopen(_open(path), "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _may_be_code(found: Found) -> bool:
    return stat.S_ISREG(found.mode) and (bool(found.mode & 0o111) or found.path.endswith(CODE_SUFFIXES))


def _start(tree: Path, path: str) -> bytes:
    """The first bytes of a regular file of the tree; empty for anything else."""
    if not _is_inner(tree, path):
        return b""
    try:
        with os.fdopen(_open(tree / path), "rb") as file:
            return file.read(max(map(len, CODE_STARTS)))
    except OSError:
        return b""


def _open(path: Path) -> int:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(0, "not a regular file", str(path))


def _unlink(tree: Path, path: str) -> None:
    """A folder stays. Raises OSError."""
    if not _is_inner(tree, path):
        return
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        try:
            os.unlink(tree / path)
        except PermissionError:
            os.chmod((tree / path).parent, 0o700)
            os.unlink(tree / path)


def _touch(tree: Path, path: str, at_ns: int) -> None:
    if _is_inner(tree, path):
        with contextlib.suppress(FileNotFoundError):
            os.utime(tree / path, ns=(at_ns, at_ns), follow_symlinks=False)


def _is_inner(tree: Path, path: str) -> bool:
    """Whether no link leads out of the tree on the way to it."""
    parent = os.path.dirname(os.path.join(os.path.realpath(tree), path))
    return os.path.realpath(parent) == parent
