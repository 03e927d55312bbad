"""Finding tagged lines in a log that several programs wrote into."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

SHOWN_CHARS = 200
SHOWN_LINES = 100
TAG_START = "[GPU "
# A line beyond this is read in pieces, so that a log of one line needs no more memory than one of many.
LINE_MOST_CHARS = 1 << 20
BLOCK_CHARS = 1 << 16

_ANSI = re.compile(
    r"\x1b(?:\[[0-9;]*m(?:\x1b\[[0-9;]*m)*|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)?|[@-Z\\^_])"
)
_MOST = str(2**64 - 1)
_BELOW = "|".join(f"{_MOST[:n]}[0-{int(digit) - 1}][0-9]{{{19 - n}}}" for n, digit in enumerate(_MOST) if digit > "0")
# A whole number from 0 to 2⁶⁴−1, of at most twenty digits.
COUNT = rf"(?:[0-9]{{1,19}}(?![0-9])|{_BELOW}|{_MOST})"
# A number that is not negative; one with an exponent may still be too large.
NUMBER = r"[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,3})?"
_COUNT = re.compile(r"[0-9]{1,19}")
_NUMBER = re.compile(NUMBER)
CUT = re.compile(r"[\r\n]|\[GPU ")

Malformed = tuple[int, str]


@dataclass
class Faults:
    """Lines that should have been something and do not parse: how many, and the first hundred as (line, text)."""

    count: int = 0
    lines: list[Malformed] = field(default_factory=list[Malformed])

    @property
    def full(self) -> bool:
        """Whether no further line is kept, so that its number need not be found."""
        return len(self.lines) >= SHOWN_LINES

    def add(self, number: int, text: str) -> None:
        self.count += 1
        if len(self.lines) < SHOWN_LINES:
            self.lines.append((number, shown(text)))


def plain(text: str) -> str:
    """The text without colours and other terminal sequences; lines stay where they were."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def blocks(chunks: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(number of its first line from 1, plain text) of pieces of a log that end with a line, or with the log.

    However the log is cut into chunks, the pieces hold the same lines; memory is bounded by LINE_MOST_CHARS. A longer
    line is parted before its last carriage return or tag within that bound.
    """
    line, held, parts = 1, 0, [""]
    for piece in _sliced(chunks):
        parts.append(piece)
        held += len(piece)
        if held <= LINE_MOST_CHARS and "\n" not in piece:
            continue
        text = "".join(parts)
        while len(text) > LINE_MOST_CHARS and text.find("\n", 0, LINE_MOST_CHARS) < 0:
            cut = _parting(text)
            yield line, plain(text[:cut])
            text = text[cut:]
        end = text.rfind("\n") + 1
        if end:
            yield line, plain(text[:end])
            line += text.count("\n")
        parts, held = [text[end:]], len(text) - end
    rest = "".join(parts)
    if rest:
        yield line, plain(rest)


def _sliced(chunks: Iterable[str]) -> Iterator[str]:
    for chunk in chunks:
        for start in range(0, len(chunk), BLOCK_CHARS):
            yield chunk[start : start + BLOCK_CHARS]


def _parting(text: str) -> int:
    cut = max(text.rfind("\r", 0, LINE_MOST_CHARS), text.rfind("[GPU", 0, LINE_MOST_CHARS))
    return cut if cut > 0 else LINE_MOST_CHARS


def tagged(text: str, tag: str, first_line: int = 1) -> Iterator[tuple[int, str, bool]]:
    """(line number, what follows the tag, True) wherever `tag` stands, up to the line's end or the next tag.

    A tag that was cut off in the middle gives (line number, what is left of it, False).
    """
    line, counted, position = first_line, 0, text.find(TAG_START)
    while position >= 0:
        line += text.count("\n", counted, position)
        counted = position
        cut = CUT.search(text, position + len(TAG_START))
        end = cut.start() if cut else len(text)
        segment = text[position:end]
        if segment.startswith(tag):
            yield line, segment[len(tag) :], True
        elif tag.startswith(segment.rstrip()):
            yield line, segment, False
        position = text.find(TAG_START, end)


def fields(words: str) -> dict[str, str] | None:
    """`key=value` words as a table; None if a word is no such pair or a key stands twice."""
    pairs = [word.split("=", 1) for word in words.split()]
    try:
        found: dict[str, str] = dict(pairs)
    except ValueError:
        return None
    return found if len(found) == len(pairs) and "" not in found else None


def count(value: str | None) -> int | None:
    """A whole number from 0 to 2⁶⁴−1, else None."""
    if value is None or not _COUNT.fullmatch(value):
        return int(value) if value is not None and len(value) == 20 and _is_u64(value) else None
    return int(value)


def number(value: str | None) -> float | None:
    """A finite number that is not negative, else None."""
    if value is None or not _NUMBER.fullmatch(value):
        return None
    read = float(value)
    return read if math.isfinite(read) else None


def shown(line: str) -> str:
    """A line as it is shown among the malformed ones."""
    return line[: 2 * SHOWN_CHARS].strip()[:SHOWN_CHARS]


def _is_u64(value: str) -> bool:
    return value.isascii() and value.isdigit() and int(value) < 1 << 64
