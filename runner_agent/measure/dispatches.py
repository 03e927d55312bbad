"""GPU time for each dispatch, as a smoke run printed it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner_agent.measure import formats, ggml
from runner_agent.measure.tagged import Bulk, Rows
from runner_agent.measure.text import COUNT, Faults, Malformed, blocks, count, number

TAG = "[GPU PERDISPATCH]"

_COUNTS = ("seq", "bubble_ns", "shader_ns", "submit_ns")
_KEYS = (*_COUNTS, "name")
_VALUES = {key: "" if key == "name" else "[0-9]{1,19}" for key in ("seq", "name", *_COUNTS[1:])}
_LONG_COUNT = re.compile("[0-9]{20}")
_FOUR_COUNTS = re.compile(r"(?:[0-9]{1,19} ){3}[0-9]{1,19}")


@dataclass(frozen=True, kw_only=True)
class Dispatch:
    """One dispatch, or for ggml-vk the mean of `extra["count"]` dispatches of one name. A time that a format does not
    tell is None, never 0. `extra` keeps what else the line said."""

    seq: int
    name: str
    shader_ns: int
    bubble_ns: int | None = None
    submit_ns: int | None = None
    extra: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some dispatches in order, as columns of equal length. A column that the format does not tell is None.

    `extra`: what else was said, by key; None where a line did not say it.
    """

    seq: Sequence[int]
    name: Sequence[str]
    shader_ns: Sequence[int]
    bubble_ns: Sequence[int | None] | None = None
    submit_ns: Sequence[int | None] | None = None
    extra: Mapping[str, Sequence[str | None]] = field(default_factory=dict[str, "Sequence[str | None]"])

    def __len__(self) -> int:
        return len(self.seq)

    def rows(self) -> Iterator[Dispatch]:
        for n, (seq, name, shader_ns) in enumerate(zip(self.seq, self.name, self.shader_ns, strict=True)):
            yield Dispatch(
                seq=seq,
                name=name,
                shader_ns=shader_ns,
                bubble_ns=self.bubble_ns[n] if self.bubble_ns else None,
                submit_ns=self.submit_ns[n] if self.submit_ns else None,
                extra={key: value for key, column in self.extra.items() if (value := column[n]) is not None},
            )


@dataclass(frozen=True, kw_only=True)
class DispatchReading:
    """The dispatches in order; of the lines that should have been one the first hundred, as (line number from 1, its
    text), and how many they are in all."""

    dispatches: tuple[Dispatch, ...]
    malformed: tuple[Malformed, ...]
    malformed_count: int = 0


def read(text: str, fmt: str) -> DispatchReading:
    """The dispatches of a log. `fmt`: "perdispatch", "ggml-vk" (GGML_VK_PERF_LOGGER) or a regular expression with
    (?P<name>…) and (?P<shader_ns>…), and (?P<seq>…), (?P<bubble_ns>…), (?P<submit_ns>…) if it has them; other named
    groups are kept. Raises BadFormat."""
    faults = Faults()
    found = tuple(dispatch for batch in batches((text,), fmt, faults) for dispatch in batch.rows())
    return DispatchReading(dispatches=found, malformed=tuple(faults.lines), malformed_count=faults.count)


def batches(chunks: Iterable[str], fmt: str, faults: Faults) -> Iterator[Batch]:
    """The dispatches of a log that comes in pieces, cut anywhere; a batch holds a few thousand at most, so memory is
    bounded however long the log is. Lines that do not parse are added to `faults`. Raises BadFormat."""
    reader = _READERS[fmt](faults) if fmt in _READERS else _pattern_reader(fmt, faults)
    for line, text in blocks(chunks):
        for batch in reader(line, text):
            if len(batch):
                yield batch


Reader = Callable[[int, str], Iterator[Batch]]


def _perdispatch_reader(faults: Faults) -> Reader:
    bulk = Bulk(TAG, _VALUES, _usable, faults, dict.fromkeys(_COUNTS, COUNT), exact=True)

    def read_block(line: int, text: str) -> Iterator[Batch]:
        for rows in bulk.read(line, text):
            yield _batch(rows)

    return read_block


def _usable(told: Mapping[str, str]) -> bool:
    try:
        counts = f"{told['seq']} {told['bubble_ns']} {told['shader_ns']} {told['submit_ns']}"
    except KeyError:
        return False
    usable = _FOUR_COUNTS.fullmatch(counts) or (
        _LONG_COUNT.search(counts) and None not in [count(told[key]) for key in _COUNTS]
    )
    return bool(usable and told.get("name"))


def _batch(rows: Rows) -> Batch:
    seq, bubble, shader, submit = (list(map(int, rows[key])) for key in _COUNTS)
    extra = {key: column for key, column in rows.items() if key not in _KEYS} if len(rows) > len(_KEYS) else {}
    return Batch(seq=seq, name=rows["name"], bubble_ns=bubble, shader_ns=shader, submit_ns=submit, extra=extra)


def _ggml_reader(faults: Faults) -> Reader:
    rows = ggml.Rows(faults)

    def read_block(line: int, text: str) -> Iterator[Batch]:
        for first, found in rows.read(line, text):
            names, counts, average, totals, gflops = zip(*found, strict=True)
            yield Batch(
                seq=range(first, first + len(found)),
                name=names,
                shader_ns=[round(float(each) * 1000) for each in average],
                extra={
                    "count": counts,
                    "total_us": [each or None for each in totals],
                    "gflops": [each or None for each in gflops],
                },
            )

    return read_block


def _pattern_reader(fmt: str, faults: Faults) -> Reader:
    pattern = formats.compile_format("dispatches", fmt)
    names = tuple(pattern.groupindex)
    seen = 0

    def read_block(line: int, text: str) -> Iterator[Batch]:
        nonlocal seen
        found = list(formats.matches(line, text, pattern, names))
        if not found:
            return
        columns = dict(zip(names, zip(*(values for _, _, values in found), strict=True), strict=True))
        sequence: Sequence[int] = range(seen, seen + len(found))
        seen += len(found)
        counts = {key: _counts(columns[key]) for key in _COUNTS if key in columns}
        if None in counts.values() or not all(columns["name"]):
            found_counts, kept = _one_by_one(found, names, faults)
            columns = {key: [column[n] for n in kept] for key, column in columns.items()}
            sequence = [sequence[n] for n in kept]
            counts = {key: [row[key] for row in found_counts] for key in counts}
        times: dict[str, Any] = {"seq": sequence, **counts}
        extra = {key: column for key, column in columns.items() if key not in _KEYS}
        yield Batch(name=columns["name"], extra=extra, **times)

    return read_block


def _counts(column: Sequence[str | None]) -> list[int] | None:
    """The whole numbers of a column; None if one of its values is anything else."""
    told = [each or "?" for each in column]
    joined = "".join(told)
    return list(map(int, told)) if joined.isdigit() and joined.isascii() and max(map(len, told)) <= 19 else None


def _one_by_one(
    found: list[tuple[int, str, tuple[str | None, ...]]], names: tuple[str, ...], faults: Faults
) -> tuple[list[dict[str, int | None]], list[int]]:
    """The counts of each match that parses, and which those are."""
    rows: list[dict[str, int | None]] = []
    kept: list[int] = []
    for n, (at, words, values) in enumerate(found):
        row = _told(dict(zip(names, values, strict=True)))
        if row is None:
            faults.add(at, words)
        else:
            rows.append(row)
            kept.append(n)
    return rows, kept


def _told(told: Mapping[str, str | None]) -> dict[str, int | None] | None:
    """The counts of a match; None if a time is no number, or if the name or the shader's time is missing."""
    read: dict[str, int | None] = dict.fromkeys(_COUNTS)
    for key in _COUNTS:
        value = told.get(key)
        amount = number(value)
        if value is not None and amount is None:
            return None
        read[key] = None if amount is None else round(amount)
    return read if told["name"] and read["shader_ns"] is not None else None


_READERS: dict[str, Callable[[Faults], Reader]] = {"perdispatch": _perdispatch_reader, "ggml-vk": _ggml_reader}
