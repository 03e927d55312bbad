"""Searches files of a tree for patterns. Runs in the sandbox, since both the tree and the patterns may be hostile.

A pattern is a Python regular expression over a file's whole text with `^` and `$` at line ends, so it may span lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from typing import Any

from runner_agent import shape, timed
from runner_agent.globs import BadGlob, compile_glob
from runner_agent.measure import formats

MATCHES = 200
FILE_BYTES = 4 * 1024 * 1024
TEXT_CHARS = 240
NOTES = 200
PATTERN_CPU_S = 60.0


def main() -> int:
    """A request on standard input, the results on standard output; see `scan`. Exit status 2 for no request."""
    try:
        request: object = json.load(sys.stdin)
    except (ValueError, RecursionError) as error:
        print(f"the request cannot be read: {error}", file=sys.stderr)
        return 2
    wanted = shape.table(request)
    timed.end_after((len(shape.listed(wanted.get("checks"))) + 1) * PATTERN_CPU_S)
    json.dump(scan(wanted), sys.stdout)
    sys.stdout.flush()
    return 0


def scan(request: dict[str, Any], cpu_s: float = PATTERN_CPU_S) -> dict[str, Any]:
    """{"tree", "checks": [{"id", "kind", "pattern", "paths": globs | null, "files": paths | null}]} ->
    {"results": [{"id", "matches": [{"path", "line", "text"}], "scanned": [paths], "notes": […], "problem"}]}.

    `files` are searched as named, `paths` by glob, and the whole tree if neither is given; `.git` never, a `target`
    folder at the top only if a glob begins with it. Symbolic links are not followed. `problem` is filled when the
    answer cannot be trusted: a bad pattern, files too large to search, or `cpu_s` of processor time used up.
    """
    tree = os.path.realpath(str(request.get("tree", ".")))
    checks = [shape.table(check) for check in shape.listed(request.get("checks"))]
    return {"results": [_Search(tree, check, cpu_s).run() for check in checks]}


class _Search:
    def __init__(self, tree: str, check: dict[str, Any], cpu_s: float) -> None:
        self._cpu_s = cpu_s
        self._tree = tree
        self._check = check
        self._matches: list[dict[str, Any]] = []
        self._scanned: list[str] = []
        self._notes: list[str] = []
        self._at = ""

    def run(self) -> dict[str, Any]:
        problem = self._search()
        return {
            "id": self._check.get("id"),
            "matches": self._matches[:MATCHES],
            "scanned": [_shown(path) for path in self._scanned],
            "notes": self._notes[:NOTES],
            "problem": problem,
        }

    def _search(self) -> str:
        try:
            pattern = re.compile(str(self._check.get("pattern")), re.M)
            paths = sorted(set(self._paths()))
            with timed.allowance(self._cpu_s):
                too_large = [path for path in paths if not self._search_file(path, pattern)]
        except formats.TooSlow:
            return f"the expression took too long in {_shown(self._at)}: over {self._cpu_s:g} s in all"
        except (re.error, BadGlob, RecursionError, OverflowError) as error:
            return f"the check cannot be run: {error}"
        if len(self._matches) > MATCHES:
            self._notes.insert(0, f"more than {MATCHES} matches; the first {MATCHES} are shown")
        if too_large:
            return f"too large to search (over {FILE_BYTES} bytes): {', '.join(map(_shown, too_large[:5]))}"
        return ""

    def _paths(self) -> Iterator[str]:
        files, globs = self._check.get("files"), self._check.get("paths")
        if files is not None:
            yield from (os.path.normpath(str(path)) for path in shape.listed(files))
        if globs is not None or files is None:
            wanted = [str(glob) for glob in shape.listed(globs)]
            compiled = [compile_glob(glob) for glob in wanted]
            with_target = any(glob.removeprefix("./").startswith("target") for glob in wanted)
            for path in walk(self._tree, with_target):
                if globs is None or any(glob.fullmatch(path) for glob in compiled):
                    yield path

    def _search_file(self, path: str, pattern: re.Pattern[str]) -> bool:
        """False if the file is too large. What is not there, or is no regular file of the tree, is noted."""
        self._at = path
        try:
            content = read_regular(self._tree, path)
        except OSError as error:
            self._notes.append(f"{_shown(path)}: {error.strerror or error}")
            return True
        if content is None:
            return False
        if b"\0" in content:
            self._notes.append(f"{_shown(path)}: searched although it is binary")
        self._scanned.append(path)
        text = content.decode("utf-8", "replace")
        line, counted = 1, 0
        for match in pattern.finditer(text):
            if len(self._matches) > MATCHES:
                break
            line += text.count("\n", counted, match.start())
            counted = match.start()
            self._matches.append({"path": _shown(path), "line": line, "text": _line_at(text, counted)})
        return True


def walk(tree: str, with_target: bool = False) -> Iterator[str]:
    """The relative paths of all regular files of a tree, without `.git` and, unless asked for, the top `target`.

    Without recursion, which `os.walk` still uses in Python 3.11: folders may be nested deeper than that allows.
    """
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for name, mode in _entries(os.path.join(tree, folder)):
            path = os.path.join(folder, name)
            if stat.S_ISREG(mode):
                yield path
            elif stat.S_ISDIR(mode) and name != ".git" and (path != "target" or with_target):
                waiting.append(path)


def _entries(folder: str) -> list[tuple[str, int]]:
    """Name and mode of each entry, sorted; nothing where the folder cannot be read."""
    found: list[tuple[str, int]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found.append((entry.name, entry.stat(follow_symlinks=False).st_mode))
    return sorted(found)


def read_regular(tree: str, path: str) -> bytes | None:
    """A regular file's bytes, None if over FILE_BYTES. Raises OSError if absent, special, linked or outside."""
    full = os.path.join(tree, path)
    if not shape.is_inner_path(path) or os.path.realpath(os.path.dirname(full)) != os.path.dirname(full):
        raise OSError(0, "not a path of the tree")
    descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a regular file")
        content = file.read(FILE_BYTES + 1)
    return content if len(content) <= FILE_BYTES else None


def _line_at(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return text[start : len(text) if end < 0 else end].strip()[:TEXT_CHARS]


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
