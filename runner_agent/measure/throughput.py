"""Tokens a second, as a smoke run printed them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from runner_agent.measure import formats, llama_bench
from runner_agent.measure.tagged import Bulk
from runner_agent.measure.text import COUNT, NUMBER, Faults, Malformed, blocks, count, number, plain

TAG = "[GPU THROUGHPUT]"

_VALUES = {
    "tokens": COUNT,
    "seconds": r"[0-9]{0,17}[1-9](?:\.[0-9]{1,20})?",
    "tok_s": r"[0-9]{1,20}(?:\.[0-9]{1,20})?",
}
_WIDE = {"tokens": COUNT, "seconds": rf"(?=[0-9.]*[1-9]){NUMBER}", "tok_s": NUMBER}


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """One measurement. `tokens` and `seconds` are None where a format does not tell them."""

    tok_s: float
    tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class ThroughputReading:
    """The samples in order; of the lines that should have been one the first hundred, as (line number from 1, its
    text), and how many they are in all."""

    samples: tuple[Throughput, ...]
    malformed: tuple[Malformed, ...]
    malformed_count: int = 0


def read(text: str, fmt: str) -> ThroughputReading:
    """The samples of a log. `fmt`: "matins", "llama-bench" or a regular expression with (?P<tok_s>…), and (?P<tokens>…)
    and (?P<seconds>…) if it has them. Raises BadFormat."""
    faults = Faults()
    found = tuple(samples((text,), fmt, faults))
    return ThroughputReading(samples=found, malformed=tuple(faults.lines), malformed_count=faults.count)


def samples(chunks: Iterable[str], fmt: str, faults: Faults) -> Iterator[Throughput]:
    """The samples of a log that comes in pieces, cut anywhere; lines that do not parse are added to `faults`. Memory is
    bounded but for llama-bench, whose JSON may span the log. Raises BadFormat."""
    if fmt == "llama-bench":
        for tok_s, tokens, seconds in llama_bench.samples(plain("".join(chunks)), faults):
            yield Throughput(tok_s=tok_s, tokens=tokens, seconds=seconds)
        return
    reader = _matins_reader(faults) if fmt == "matins" else _pattern_reader(fmt, faults)
    for line, text in blocks(chunks):
        yield from reader(line, text)


Reader = Callable[[int, str], Iterator[Throughput]]


def _matins_reader(faults: Faults) -> Reader:
    bulk = Bulk(TAG, _VALUES, _usable, faults, _WIDE)

    def read_block(line: int, text: str) -> Iterator[Throughput]:
        for rows in bulk.read(line, text):
            for tokens, seconds, tok_s in zip(rows["tokens"], rows["seconds"], rows["tok_s"], strict=True):
                yield Throughput(tok_s=float(tok_s), tokens=int(tokens), seconds=float(seconds))

    return read_block


def _usable(told: Mapping[str, str]) -> bool:
    if not told.keys() >= _VALUES.keys():
        return False
    return _sample(told["tokens"], told["seconds"], told["tok_s"]) is not None


def _pattern_reader(fmt: str, faults: Faults) -> Reader:
    pattern = formats.compile_format("throughput", fmt)
    names = tuple(pattern.groupindex)

    def read_block(line: int, text: str) -> Iterator[Throughput]:
        for at, words, values in formats.matches(line, text, pattern, names):
            told = dict(zip(names, values, strict=True))
            sample = _sample(told.get("tokens"), told.get("seconds"), told.get("tok_s"))
            if sample is None:
                faults.add(at, words)
            else:
                yield sample

    return read_block


def _sample(tokens: str | None, seconds: str | None, tok_s: str | None) -> Throughput | None:
    """None if the speed is no number, or if a count or a time was told that is none."""
    speed, whole, time = number(tok_s), count(tokens), number(seconds)
    if speed is None or (tokens is not None and whole is None) or (seconds is not None and not time):
        return None
    return Throughput(tok_s=speed, tokens=whole, seconds=time)
