"""Takes an attempt's secrets out of what is taken down of it. Pure, but for `scrub`.

Each value of at least `LEAST_BYTES` is looked for as it stands and as it commonly travels: in JSON, in a URL, in base64
at each of the three alignments, and, of one with several lines, line by line. This spares accidents. It is no boundary:
whoever wants a secret out splits or encrypts it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

LEAST_BYTES = 8
LEAST_LINE_BYTES = 16
"""Of a secret with several lines, shorter ones (and the dashed ones around a key) are words that stand anywhere."""
MOST_BYTES = 64 * 1024
"""A value that is longer is looked for line by line only."""
PIECE_BYTES = 1024 * 1024
HEAD_BYTES = 4


class Redaction:
    """The secrets of one attempt, by name."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        names: dict[bytes, str] = {}
        for name, value in sorted(secrets.items()):
            for form in _forms(value):
                names.setdefault(form, name)
        self._names = names
        longest_first = sorted(names, key=lambda form: (-len(form), form))
        self._search = re.compile(b"|".join(map(re.escape, longest_first)))
        self._heads: dict[bytes, list[bytes]] = {}
        for form in names:
            self._heads.setdefault(form[:HEAD_BYTES], []).append(form)
        self._head_search = re.compile(b"(?=" + b"|".join(map(re.escape, sorted(self._heads))) + b")")
        self._longest = len(longest_first[0]) if longest_first else 0

    def __bool__(self) -> bool:
        return bool(self._names)

    def stream(self) -> Redactor:
        return Redactor(self)

    def stand_in(self, form: bytes) -> bytes:
        return f"[redacted {self._names[form]}]".encode()

    def cut(self, held: bytes, *, final: bool) -> tuple[bytes, bytes, int]:
        """What of `held` can be told now, what has to wait because the next bytes may complete a secret, and how many
        were replaced.

        The first and longest form wins at each place, wherever the text was split. Linear in `held`, but for its last
        bytes, as many as the longest form has.
        """
        if not self._names:
            return held, b"", 0
        told: list[bytes] = []
        at = 0
        waits = len(held) if final else self._waits_from(held, 0)
        while (match := self._search.search(held, at)) is not None and match.start() < waits:
            told += (held[at : match.start()], self.stand_in(match[0]))
            at = match.end()
            if waits < at:
                waits = self._waits_from(held, at)
        told.append(held[at:waits])
        return b"".join(told), held[waits:], len(told) // 2

    def _waits_from(self, held: bytes, at: int) -> int:
        """The first place from `at` on where all that is held may be the beginning of a form."""
        for place in self._candidates(held, max(at, len(held) - self._longest + 1)):
            rest = held[place:]
            forms = self._heads.get(rest[:HEAD_BYTES], self._names if len(rest) < HEAD_BYTES else ())
            if any(len(form) > len(rest) and form.startswith(rest) for form in forms):
                return place
        return len(held)

    def _candidates(self, held: bytes, begin: int) -> Iterator[int]:
        yield from (match.start() for match in self._head_search.finditer(held, begin))
        yield from range(max(begin, len(held) - HEAD_BYTES + 1), len(held))


class Redactor:
    """One stream of bytes. What it holds back is shorter than the longest form, and goes out with `finish`."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._held = b""
        self.replaced = 0

    def feed(self, piece: bytes) -> bytes:
        return self._cut(piece, final=False)

    def finish(self) -> bytes:
        return self._cut(b"", final=True)

    def _cut(self, piece: bytes, *, final: bool) -> bytes:
        told, self._held, replaced = self._redaction.cut(self._held + piece, final=final)
        self.replaced += replaced
        return told


NOTHING = Redaction({})


def scrub(folder: Path, redaction: Redaction, *, but: tuple[str, ...] = ()) -> int:
    """Rewrites each regular file below `folder` that holds a secret; gives their number. Packed files (`but`) cannot be
    rewritten and stay as they are."""
    if not redaction:
        return 0
    done = 0
    for parent, _folders, names in os.walk(folder):
        for name in sorted(set(names).difference(but)):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                done += _scrub_file(path, redaction)
    return done


def _scrub_file(path: Path, redaction: Redaction) -> bool:
    """Two passes: nearly no file has anything to be rewritten, and a full disk must not cost a clean one."""
    if not _replaced(path, redaction, lambda _told: None):
        return False
    draft = path.with_name(f".{path.name}.scrub")
    with open(draft, "wb") as file:
        _replaced(path, redaction, file.write)
    draft.rename(path)
    return True


def _replaced(path: Path, redaction: Redaction, write: Callable[[bytes], object]) -> int:
    redactor = redaction.stream()
    with open(path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            write(redactor.feed(piece))
    write(redactor.finish())
    return redactor.replaced


def _forms(value: str) -> set[bytes]:
    """Every spelling of a value that is looked for."""
    parts = [value] if len(value.encode(errors="surrogateescape")) <= MOST_BYTES else []
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        parts += [line for line in lines if len(line.encode(errors="surrogateescape")) >= LEAST_LINE_BYTES]
        parts = [part for part in parts if not (part.startswith("-----") and "\n" not in part)]
    found: set[bytes] = set()
    for part in parts:
        for plain in {part, part.rstrip("\r\n")}:
            found |= _spellings(plain)
    return {form for form in found if len(form) >= LEAST_BYTES}


def _spellings(plain: str) -> set[bytes]:
    data = plain.encode(errors="surrogateescape")
    if len(data) < LEAST_BYTES:
        return set()
    quoted = {json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1]}
    urls = {urllib.parse.quote(data, safe=""), urllib.parse.quote(data), urllib.parse.quote_plus(data)}
    lower = {re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), url) for url in urls}
    texts = {text.encode(errors="surrogateescape") for text in (*quoted, *urls, *lower)}
    return {data, data.replace(b"\n", b"\r\n"), *texts, *_in_base64(data)}


def _in_base64(data: bytes) -> set[bytes]:
    """What is sure to stand there wherever in a longer text the value begins: three alignments, two alphabets."""
    found: set[bytes] = set()
    for before in range(3):
        coded = base64.b64encode(bytes(before) + data)
        sure = coded[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        found |= {sure, sure.translate(bytes.maketrans(b"+/", b"-_"))}
    return found
