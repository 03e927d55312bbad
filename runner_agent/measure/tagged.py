"""Tagged lines of `key=value` words in bulk: one compiled expression over many lines.

A line at a time takes some 4 µs in Python. Lines of one program nearly always hold the same keys in the same order, so
that order is learned from the log, and whole blocks are matched at once. Where lines differ, a second expression takes
the keys in any order, each at most once, with others among them: it parts what parses from what cannot, so neither is
looked at in Python. Only lines with keys that were not seen before are; line numbers are sought for what is shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import merge
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any

from runner_agent.measure.text import CUT, TAG_START, Faults, fields, tagged

Rows = dict[str, Sequence[Any]]
"""Columns of equal length: each row's value of a key, as text; None where a row does not have a key that may lack."""

_BARE_TAG = re.compile(r"\[GPU [^\S\r\n]*(?=[\r\n]|\[GPU |\Z)")
_WORD = r"\S{1,4096}"
_WORD_BEFORE_OTHER_TAGS = r"[^\s\[]{1,4096}"
_BARE_RUN = re.compile(r"(?:\[GPU )+(?=\[GPU )")
_WORDS = r"[^\r\n\[]*(?:\[(?!GPU )[^\r\n\[]*)*"
_KEY = r"(?:[^\s\[=]|\[(?!GPU ))+"
_VALUE = r"[^\s\[]+(?=\s|\Z)|(?:[^\s\[]|\[(?!GPU ))+"
_BLANK = r"[^\S\r\n]"
_STOP = r"(?=[\r\n]|\[GPU |\Z)"
_END = rf"[ \t]{{0,16}}{_STOP}"
# The beginning of a block tells whether it is worth while to match all of it at once.
_HEAD_CHARS = 2048
_SEGMENT_MOST_CHARS = 1 << 16
_MOST_KEYS = 40
_KEY_MOST_CHARS = 64
# So often the keys, or their order, are learned anew: each time a new expression is made.
_MOST_LESSONS = 8
# Of what an expression finds in a line.
_WORDS_OF, _OTHER = itemgetter(0), itemgetter(-1)


class Bulk:
    """A reader of the lines of one tag.

    `values`: the expression of each required key, which matches usable values only; empty: all are, but for none at
    all. `usable` says of a line's fields, values being text, whether the line parses. `wide`: an expression that every
    usable value of a key matches whole (`exact`: and nothing else); a line with another one is counted as malformed
    without being looked at further.
    """

    def __init__(
        self,
        tag: str,
        values: Mapping[str, str],
        usable: Callable[[Mapping[str, str]], bool],
        faults: Faults,
        wide: Mapping[str, str] | None = None,
        exact: bool = False,
    ) -> None:
        self._tag = tag
        self._whole = re.compile(re.escape(tag))
        self._rest = tag[len(TAG_START) :]
        self._short = _short(tag)
        self._near = tag[: len(TAG_START) + 1]
        self._values = tuple(values.items())
        self._wide = tuple({**dict.fromkeys(values, ""), **(wide or {})}.items())
        sure = "\t".join(value or _WORD for value in values.values())
        self._unsure = re.compile(rf"^(?!{sure}$)", re.M) if not exact and self._wide != self._values else None
        self._needed = slice(1, 1 + len(values))
        self._least_chars = sum(len(key) + len(" =1") for key in values) - 1
        self._too_short = re.compile(rf"{re.escape(tag)}[^\r\n\[]{{0,{self._least_chars - 1}}}{_STOP}")
        self._lessons = _MOST_LESSONS
        self._usable = usable
        self._faults = faults
        self._order = tuple(values)
        self._keys = tuple(values)

    def read(self, line: int, text: str) -> Iterator[Rows]:
        """The rows of a block of plain text of which the first line has this number, in order."""
        tags = text.count(TAG_START)
        if not tags:
            return
        head = text[: text.find("\n", _HEAD_CHARS, 2 * _HEAD_CHARS) + 1 or _HEAD_CHARS]
        if self._match(head)[1] or (self._lessons and self._learn(head) and self._match(head)[1]):
            found, whole = self._match(text)
            if whole:
                if found:
                    yield _columns(self._order, found)
                return
        yield from self._in_any_order(line, text, tags)

    def _in_any_order(self, line: int, text: str, tags: int) -> Iterator[Rows]:
        if self._faults.full and text.count(self._tag) * (len(self._tag) + self._least_chars) > len(text):
            text, short = self._too_short.subn("", text)
            self._faults.count, tags = self._faults.count + short, tags - short
        lines: list[tuple[str, ...]] = _any_order(self._tag, self._keys, self._wide).findall(text)
        keys, before = self._keys, 0
        wrong: list[int] = []
        doubt = self._doubt(lines)
        parts: Iterable[tuple[bool, Iterable[Sequence[str]]]] = groupby(lines, doubt) if doubt else [(False, lines)]
        for doubtful, part in parts:
            rows = list(part)
            if doubtful:
                told = [self._told(row[0]) for row in rows]
                wrong += [n for n, each in enumerate(told, before) if each is None]
                parsed = [each for each in told if each is not None]
                self._learn_keys(parsed)
                yield from _together(parsed)
            else:
                good = [row for row in rows if row[-2]]
                if len(good) < len(rows):
                    wrong += [n for n, row in enumerate(rows, before) if not row[-2]]
                if good:
                    yield self._known_columns(keys, good)
            before += len(rows)
        self._add_faults(line, text, wrong, short=tags != len(lines))

    def _known_columns(self, keys: tuple[str, ...], rows: Sequence[Sequence[str]]) -> Rows:
        columns = _columns(("", *keys, "", ""), rows)
        del columns[""]
        for key in keys[len(self._values) :]:
            if "" in columns[key]:
                columns[key] = [each or None for each in columns[key]]
        return columns

    def _doubt(self, lines: Sequence[Sequence[str]]) -> Callable[[Sequence[str]], bool] | None:
        """Says of a line whether Python has to look at it, for a key that is not known yet, or a value that may not be
        usable; None where no line of these needs that."""
        if any(map(_OTHER, lines)) or max(map(len, map(_WORDS_OF, lines)), default=0) > _SEGMENT_MOST_CHARS:
            return lambda row: bool(row[-1] or row[-2])
        if self._unsure and self._unsure.search("\n".join(["\t".join(row[self._needed]) for row in lines if row[-2]])):
            return lambda row: bool(row[-2])
        return None

    def _told(self, words: str) -> dict[str, str] | None:
        """The fields of a line; None if it does not parse."""
        told = fields(words) if len(words) <= _SEGMENT_MOST_CHARS else None
        return told if told is not None and self._usable(told) else None

    def _learn_keys(self, rows: Sequence[Mapping[str, str]]) -> None:
        if not self._lessons or len(self._keys) >= _MOST_KEYS:
            return
        told = chain.from_iterable(islice(row, _MOST_KEYS) for row in rows)
        keys = dict.fromkeys(chain(self._keys, (key for key in told if len(key) <= _KEY_MOST_CHARS)))
        if len(keys) > len(self._keys):
            self._keys, self._lessons = tuple(islice(keys, _MOST_KEYS)), self._lessons - 1

    def _add_faults(self, line: int, text: str, wrong: list[int], *, short: bool) -> None:
        """Adds the lines of the tag with these places among them, and tags that were cut off. Where they stand is
        sought only while it is shown."""
        count = self._faults.count + len(wrong) + (self._shorts(text) if short else 0)
        if count > self._faults.count and not self._faults.full:
            places = enumerate(found.start() for found in self._whole.finditer(text))
            cut_off = (found.start() for found in self._short.finditer(text) if self._rest.startswith(found[1]))
            chosen, counted = set(wrong), 0
            for place in merge((place for n, place in places if n in chosen), cut_off if short else ()):
                if self._faults.full:
                    break
                line, counted = line + text.count("\n", counted, place), place
                end = CUT.search(text, place + len(TAG_START))
                self._faults.add(line, text[place : end.start() if end else len(text)])
        self._faults.count = count

    def _shorts(self, text: str) -> int:
        """How many tags were cut off."""
        collapsed = _BARE_RUN.sub("", text) if TAG_START + TAG_START in text else text
        short = Counter(self._short.findall(collapsed))
        cut_off = sum(count for words, count in short.items() if self._rest.startswith(words))
        return cut_off + (len(text) - len(collapsed)) // len(TAG_START)

    def _match(self, text: str) -> tuple[list[tuple[str, ...]], bool]:
        """The rows that match at once, and whether they are all that the text holds of this tag."""
        tags, near = text.count(TAG_START), text.count(self._near)
        word = _WORD if tags == near else _WORD_BEFORE_OTHER_TAGS
        found = _one_order(self._tag, self._order, self._values, word).findall(text)
        if len(found) != near:
            return found, False
        return found, tags == near or not _BARE_TAG.search(text)

    def _learn(self, text: str) -> bool:
        """Takes over the order of keys of the text's first line that parses; False if that changes nothing."""
        for nth, (_, words, whole) in enumerate(tagged(text, self._tag)):
            told = self._told(words) if whole else None
            if told is not None and len(told) <= _MOST_KEYS and max(map(len, told)) <= _KEY_MOST_CHARS:
                order = tuple(told)
                changed, self._order = order != self._order, order
                self._lessons -= changed
                return changed
            if nth >= 2:
                break
        return False


def _columns(keys: tuple[str, ...], rows: Sequence[Sequence[str]]) -> Rows:
    return dict(zip(keys, zip(*rows, strict=True), strict=True))


def _together(rows: Sequence[Mapping[str, str]]) -> Iterator[Rows]:
    """Rows of many keys as columns, so many at once that few of their places are empty."""
    start, keys = 0, dict[str, None]()
    for n, row in enumerate(rows):
        if row.keys() == keys.keys():
            continue
        if len(keys) > _MOST_KEYS and not row.keys() <= keys.keys():
            yield {key: [each.get(key) for each in rows[start:n]] for key in keys}
            start, keys = n, {}
        keys |= dict.fromkeys(row)
    if rows:
        yield {key: [each.get(key) for each in rows[start:]] for key in keys}


def _short(tag: str) -> re.Pattern[str]:
    """What stands after the start of a tag that ends early, with its line or before another: a part of this tag, it may
    be, or the same letters in another order."""
    rest = tag[len(TAG_START) :]
    letters = "".join(map(re.escape, sorted(set(rest[:-1]))))
    return re.compile(rf"\[GPU (?!{re.escape(rest)})([{letters}]{{0,{len(rest) - 1}}}){_BLANK}*{_STOP}")


@lru_cache(maxsize=64)
def _one_order(tag: str, keys: tuple[str, ...], values: tuple[tuple[str, str], ...], word: str) -> re.Pattern[str]:
    sure = dict(values)
    # An empty value is rare; a line that has one is read by itself.
    words = "".join(rf"[ \t]{{1,16}}{re.escape(key)}=({sure.get(key) or word})" for key in keys)
    return re.compile(f"{re.escape(tag)}{words}{_END}")


@lru_cache(maxsize=64)
def _any_order(tag: str, keys: tuple[str, ...], values: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """A line of the tag: its words, the value of each key, something if all needed keys stand there, none stands twice
    and nothing else does, and the first key that is not among them.

    What comes after the first word that is none is taken as it is, so that no line is gone through twice.
    """
    needed = dict(values)
    told = "|".join(
        # `(?(n)(?!)|…)`: never where group n is set already.
        rf"{re.escape(key)}=(?({n})(?!)|({needed.get(key) or _VALUE}))"
        for n, key in enumerate(keys, 2)
    )
    others = [re.escape(key) for key in keys if key not in needed]
    known = "|".join([*(rf"{re.escape(key)}=" for key in needed), *(rf"{key}=(?!\s|{_STOP})" for key in others)])
    all_set = "".join(rf"(?({n})|(?!))" for n, key in enumerate(keys, 2) if key in needed)
    tag = re.escape(tag)
    blank = rf"(?: |{_BLANK}+|(?<={tag}))"
    whole, other = rf"{_BLANK}*{_STOP}{all_set}(?<=(.))", rf"{blank}(?!{known})({_KEY}=){_WORDS}"
    return re.compile(rf"{tag}((?:{blank}(?:{told}))*(?:{whole}|{other}|{_WORDS}))", re.S)
