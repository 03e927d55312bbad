"""Tagged lines of `key=value` words in bulk: one compiled expression over many lines that name their keys alike.

A line at a time takes some 4 µs in Python; lines of one program nearly always hold the same keys in the same order, so
the order is learned from the log and whole blocks are matched at once. What does not match is read line by line, and
the tags are counted, so all ways give the same rows and the same faults.

Logs that were made to be slow have short cuts of their own: lines that name their keys in many orders are sorted first,
and once no further malformed line is shown, those that cannot parse are only counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import lru_cache

from runner_agent.measure.text import TAG_START, Faults, fields, tagged

Rows = dict[str, Sequence[str]]
"""Columns of equal length: each row's value of a key."""

_BARE_TAG = re.compile(r"\[GPU [^\S\r\n]*(?=[\r\n]|\[GPU |\Z)")
_WORD = r"\S{1,4096}"
_WORD_BEFORE_OTHER_TAGS = r"[^\s\[]{1,4096}"
_BARE_RUN = re.compile(r"(?:\[GPU )+(?=\[GPU )")
_WORDS = r"[^\r\n\[]*(?:\[(?!GPU )[^\r\n\[]*)*"
_END = r"[ \t]{0,16}(?=[\r\n]|\[GPU |\Z)"
# Below this a block is read line by line rather than halved once more.
_SMALL_CHARS = 2048
# So much is read at once where the numbers of malformed lines are wanted.
_PIECE_CHARS = 1 << 14
_WORTH_HALVING = 0.9
_SEGMENT_MOST_CHARS = 1 << 16
_MOST_KEYS = 40


class Bulk:
    """A reader of the lines of one tag.

    `values`: the expression of each required key, narrower than what `usable` allows if it pays. `usable` says of a
    line's fields, values being text, whether the line parses. `wide`: an expression that every usable value of a key
    matches whole; a line with another one is counted as malformed without being looked at further.
    """

    def __init__(
        self,
        tag: str,
        values: Mapping[str, str],
        usable: Callable[[Mapping[str, str]], bool],
        faults: Faults,
        wide: Mapping[str, str] | None = None,
    ) -> None:
        self._tag = tag
        self._whole = re.compile(f"{re.escape(tag)}({_WORDS})")
        self._rest = tag[len(TAG_START) :]
        self._short = _short(tag)
        self._hopeless = _hopeless(tag, wide) if wide else None
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
        elif (left := self._without_hopeless(text)) != text:
            yield from self.read(line, left)
        elif 2 * len(found) < tags and (rows := self._sorted(text, tags)):
            yield rows
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
        for number, words, whole in self._segments(line, text):
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

    def _segments(self, line: int, text: str) -> Iterator[tuple[int, str, bool]]:
        """As `tagged`. Once no line number is wanted any more there is none, and tags that were cut off are only
        counted."""
        start = 0
        while start < len(text) and not self._faults.full:
            end = text.find(TAG_START, start + _PIECE_CHARS)
            end = end if end >= 0 else len(text)
            yield from tagged(text[start:end], self._tag, line)
            line, start = line + text.count("\n", start, end), end
        rest = text[start:]
        collapsed = _BARE_RUN.sub("", rest) if TAG_START + TAG_START in rest else rest
        self._faults.count += (len(rest) - len(collapsed)) // len(TAG_START)
        short = Counter(self._short.findall(collapsed))
        self._faults.count += sum(count for words, count in short.items() if self._rest.startswith(words))
        for words in self._whole.findall(collapsed):
            yield 0, words, True

    def _without_hopeless(self, text: str) -> str:
        """The text without the lines that need no second look, which are counted; all of it while one may be shown."""
        if self._hopeless is None or not self._faults.full:
            return text
        left, count = self._hopeless.subn("", text)
        self._faults.count += count
        return left

    def _sorted(self, text: str, tags: int) -> Rows | None:
        """The rows of a block whose lines name the same keys, each in an order of its own; None if it is not that."""
        lines = [sorted(words.split()) for words in self._whole.findall(text)]
        told = fields(" ".join(lines[0])) if lines else None
        if told is None or len(told) > _MOST_KEYS or not self._usable(told):
            return None
        if len(lines) != text.count(self._near) or (len(lines) != tags and _BARE_TAG.search(text)):
            return None
        keys = tuple(told)
        tidy = "\n".join([f"{self._tag} {' '.join(words)}" for words in lines])
        found = _template(self._tag, keys, tuple(self._values.items()), _WORD).findall(tidy)
        return _columns(keys, found) if len(found) == len(lines) else None


def _columns(keys: tuple[str, ...], rows: Sequence[Sequence[str]]) -> Rows:
    return dict(zip(keys, zip(*rows, strict=True), strict=True))


def _short(tag: str) -> re.Pattern[str]:
    """What stands after the start of a tag that ends early, with its line or before another: a part of this tag, it may
    be, or the same letters in another order."""
    rest = tag[len(TAG_START) :]
    letters = "".join(map(re.escape, sorted(set(rest[:-1]))))
    return re.compile(rf"\[GPU (?!{re.escape(rest)})([{letters}]{{0,{len(rest) - 1}}})[^\S\r\n]*(?=[\r\n]|\[GPU |\Z)")


def _hopeless(tag: str, wide: Mapping[str, str]) -> re.Pattern[str]:
    """A line of the tag with a value that no usable line has."""
    wrong = "|".join(rf"{re.escape(key)}=(?!(?:{value})(?:\s|\[GPU |\Z))" for key, value in wide.items())
    return re.compile(rf"{re.escape(tag)}[^\r\n\[]*?[ \t](?:{wrong}){_WORDS}")


@lru_cache(maxsize=64)
def _template(tag: str, keys: tuple[str, ...], values: tuple[tuple[str, str], ...], word: str) -> re.Pattern[str]:
    narrow = dict(values)
    # An empty value is rare; a line that has one is read by itself.
    words = "".join(rf"[ \t]{{1,16}}{re.escape(key)}=({narrow.get(key) or word})" for key in keys)
    return re.compile(f"{re.escape(tag)}{words}{_END}")
