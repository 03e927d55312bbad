"""Tagged lines of `key=value` words in bulk: one compiled expression over many lines that name their keys alike.

A line at a time takes some 4 µs in Python; lines of one program nearly always hold the same keys in the same order, so
the order is learned from the log and whole blocks are matched at once. What does not match is read line by line, and
the tags are counted, so both ways give the same rows and the same faults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import lru_cache

from runner_agent.measure.text import TAG_START, Faults, fields, tagged

Rows = dict[str, Sequence[str]]
"""Columns of equal length: each row's value of a key."""

_BARE_TAG = re.compile(r"\[GPU [^\S\r\n]*(?=[\r\n]|\[GPU |\Z)")
_WORD = r"\S{1,4096}"
_WORD_BEFORE_OTHER_TAGS = r"[^\s\[]{1,4096}"
_BARE_RUN = re.compile(r"(?:\[GPU )+(?=\[GPU )")
_SEGMENT = re.compile(r"\[GPU ([^\r\n\[]*(?:\[(?!GPU )[^\r\n\[]*)*)")
_END = r"[ \t]{0,16}(?=[\r\n]|\[GPU |\Z)"
# Below this a block is read line by line rather than halved once more.
_SMALL_CHARS = 2048
_WORTH_HALVING = 0.9
_SEGMENT_MOST_CHARS = 1 << 16
_MOST_KEYS = 40


class Bulk:
    """A reader of the lines of one tag.

    `values`: the expression of each required key, narrower than what `usable` allows if it pays. `usable` says of a
    line's fields, values being text, whether the line parses.
    """

    def __init__(
        self, tag: str, values: Mapping[str, str], usable: Callable[[Mapping[str, str]], bool], faults: Faults
    ) -> None:
        self._tag = tag
        self._rest = tag[len(TAG_START) :]
        self._near = tag[: len(TAG_START) + 1]
        self._values = dict(values)
        self._usable = usable
        self._faults = faults
        self._keys = tuple(values)

    def read(self, line: int, text: str) -> Iterator[Rows]:
        """The rows of a block of plain text of which the first line has this number, in order."""
        tags = text.count(TAG_START)
        if not tags:
            return
        found, whole = self._match(text, tags)
        if not whole and 2 * len(found) < tags and self._learn(text):
            found, whole = self._match(text, tags)
        if whole:
            if found:
                yield _columns(self._keys, found)
        elif len(text) <= _SMALL_CHARS or len(found) < _WORTH_HALVING * tags:
            yield from self._line_by_line(line, text)
        else:
            half = text.find("\n", len(text) // 2) + 1
            if not 0 < half < len(text):
                yield from self._line_by_line(line, text)
                return
            yield from self.read(line, text[:half])
            yield from self.read(line + text.count("\n", 0, half), text[half:])

    def _match(self, text: str, tags: int) -> tuple[list[tuple[str, ...]], bool]:
        """The rows that match at once, and whether they are all that the block holds of this tag."""
        near = text.count(self._near)
        word = _WORD if tags == near else _WORD_BEFORE_OTHER_TAGS
        found = _template(self._tag, self._keys, tuple(self._values.items()), word).findall(text)
        if len(found) != near:
            return found, False
        return found, tags == near or not _BARE_TAG.search(text)

    def _learn(self, text: str) -> bool:
        """Takes over the keys of the block's first line that parses; False if that changes nothing."""
        for nth, (_, words, whole) in enumerate(tagged(text, self._tag)):
            told = fields(words) if whole and len(words) <= _SEGMENT_MOST_CHARS else None
            if told is not None and len(told) <= _MOST_KEYS and self._usable(told):
                keys = tuple(told)
                changed, self._keys = keys != self._keys, keys
                return changed
            if nth >= 2:
                break
        return False

    def _line_by_line(self, line: int, text: str) -> Iterator[Rows]:
        keys: tuple[str, ...] = ()
        known: Set[str] = set()
        rows: list[Sequence[str]] = []
        for number, words, whole in self._unnumbered(text) if self._faults.full else tagged(text, self._tag, line):
            told = fields(words) if whole and len(words) <= _SEGMENT_MOST_CHARS else None
            if told is None or not self._usable(told):
                self._faults.add(number, self._tag + words if whole else words)
                continue
            if told.keys() != known:
                if rows:
                    yield _columns(keys, rows)
                keys, known, rows = tuple(told), told.keys(), []
            rows.append([told[key] for key in keys])
        if rows:
            yield _columns(keys, rows)

    def _unnumbered(self, text: str) -> Iterator[tuple[int, str, bool]]:
        """As `tagged`, where no line number is wanted any more: a third of the time. Bare tags
        and cut ones are counted here."""
        collapsed = _BARE_RUN.sub("", text) if TAG_START + TAG_START in text else text
        self._faults.count += (len(text) - len(collapsed)) // len(TAG_START)
        for words in _SEGMENT.findall(collapsed):
            if words.startswith(self._rest):
                yield 0, words[len(self._rest) :], True
            elif self._rest.startswith(words.rstrip()):
                self._faults.count += 1


def _columns(keys: tuple[str, ...], rows: Sequence[Sequence[str]]) -> Rows:
    return dict(zip(keys, zip(*rows, strict=True), strict=True))


@lru_cache(maxsize=64)
def _template(tag: str, keys: tuple[str, ...], values: tuple[tuple[str, str], ...], word: str) -> re.Pattern[str]:
    narrow = dict(values)
    # An empty value is rare; a line that has one is read by itself.
    words = "".join(rf"[ \t]{{1,16}}{re.escape(key)}=({narrow.get(key) or word})" for key in keys)
    return re.compile(f"{re.escape(tag)}{words}{_END}")
