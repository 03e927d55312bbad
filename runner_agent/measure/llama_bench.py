"""The samples in what `llama-bench -o json` or `-o jsonl` printed, within whatever else was printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from runner_agent import shape
from runner_agent.measure.text import Faults

Sample = tuple[float, "int | None", "float | None"]
"""tok/s, tokens and seconds of one repetition."""

# Where a value may begin: with a line, as an object or an array of them. Each alternative has a bracket of its own
# behind the blanks, as then a line of blanks costs nothing.
_VALUE = r'\n(?=[ \t\[{])(?:[ \t]{0,16}(\{\s{0,64}")|[ \t]{0,16}(\[\s{0,64}\{\s{0,64}"))'
_START = re.compile(_VALUE)
# What is greedy here runs back from the end, so that beginnings before the last one cost nothing.
_LAST_START = re.compile(f".*{_VALUE}", re.S)
_ARRAY = re.compile(r"\n[ \t]{0,16}(\[\s{0,64})\Z")
_ARRAY_MOST_CHARS = 1 + 16 + 1 + 64
_SPEED = '"avg_ts"'
# A value and the next speed after it, where each speed but its first quote is a NUL.
_STARTS_AND_SPEEDS = re.compile(rf"{_VALUE}(?:\0[^\0]*|(?!\0)[^\0]*)\0")
_SHOWN_CHARS = 1000
# Tries that come to nothing cost the text that they read; all of them together may read as much as there is of it.
_READINGS = 1
_LEAST_BUDGET_CHARS = 1 << 20
_WINDOW_CHARS = 1 << 11
# As long as the longest word of JSON, which may be what was cut off.
_LITERAL_CHARS = 16
_DECODER = json.JSONDecoder()


def samples(text: str, faults: Faults) -> Iterator[Sample]:
    """A sample of each repetition of each test that generates tokens; tests of prompt processing alone are passed over.
    JSON that holds no speed, or is broken, is added to `faults`."""
    for line, value in _values(text, faults):
        for row in shape.listed(value) or [value]:
            for sample in _row_samples(shape.table(row)):
                if sample is None:
                    faults.add(line, json.dumps(row)[:_SHOWN_CHARS])
                else:
                    yield sample


def _row_samples(row: dict[str, Any]) -> Iterator[Sample | None]:
    if "avg_ts" not in row or row.get("n_gen") == 0:
        return
    speeds = shape.listed(row.get("samples_ts")) or [row["avg_ts"]]
    times = shape.listed(row.get("samples_ns")) or [row.get("avg_ns")]
    generated, prompt = row.get("n_gen"), row.get("n_prompt", 0)
    tokens = int(generated + prompt) if shape.is_amount(generated) and shape.is_amount(prompt) else None
    for n, speed in enumerate(speeds):
        time = times[n] if n < len(times) else None
        if not shape.is_amount(speed):
            yield None
        else:
            yield float(speed), tokens, time / 1e9 if shape.is_amount(time) and time else None


def _values(text: str, faults: Faults) -> Iterator[tuple[int, Any]]:
    """Each JSON object, or array of them, that begins a line and tells of a speed, with its line number from 1.

    A broken one is a fault; objects of a broken array are tried one by one, so that one foreign line costs one object.
    """
    text = "\n" + text  # so that the first line too comes after a line end
    line, counted, after = 0, 0, 0
    budget = max(_READINGS * len(text), _LEAST_BUDGET_CHARS)
    last_speed = text.rfind(_SPEED)
    while found := _START.search(text, after, max(last_speed, 0)):
        if budget <= 0 and faults.full:
            # Nothing is read or shown any more: what is left is counted at once.
            faults.count += _left(text[after:])
            return
        # Of what begins before a speed the last is tried: it is the least that a broken one before it may have spoilt.
        speed = text.find(_SPEED, found.end())
        start = _value_start(text, _LAST_START.match(text, found.start(), speed) or found)
        value, end, cost = _decode(text, start) if budget > 0 else (None, start, 0)
        line, counted = line + text.count("\n", counted, start), start
        if end > speed:
            yield line, value
        else:
            budget -= cost
        if end == start:
            faults.add(line, text[start : start + _SHOWN_CHARS])
        after = max(end, speed)


def _value_start(text: str, found: re.Match[str]) -> int:
    """Where the value begins that was found; an object that is the first of an array begins with the array."""
    start = found.start(found.lastindex or 0)
    array = _ARRAY.search(text, max(0, start - _ARRAY_MOST_CHARS), start) if text[start] == "{" else None
    return array.start(1) if array else start


def _left(text: str) -> int:
    """How many values are before a speed, no two before the same."""
    return len(_STARTS_AND_SPEEDS.findall(text.replace("\0", " ").replace(_SPEED, '"\0')))


def _decode(text: str, start: int) -> tuple[Any, int, int]:
    """(value, where it ends, characters read); where it ends is `start` if there is no value.

    Tried on a window that grows only if its end is what broke the value: an error costs the text before it, as it
    counts the lines there.
    """
    window, cost = _WINDOW_CHARS, 0
    while True:
        piece = text[start : start + window]
        cost += len(piece)
        try:
            value, length = _DECODER.raw_decode(piece)
        except json.JSONDecodeError as error:
            cut_off = error.pos >= len(piece) - _LITERAL_CHARS or error.msg.startswith("Unterminated string")
            if not cut_off or start + window >= len(text):
                return None, start, cost
            window *= 8
        except (ValueError, RecursionError):
            return None, start, cost
        else:
            return value, start + length, cost
