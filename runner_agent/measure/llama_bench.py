"""The samples in what `llama-bench -o json` or `-o jsonl` printed, within whatever else was printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from runner_agent import shape

Sample = tuple[float, "int | None", "float | None"]
"""tok/s, tokens and seconds of one repetition."""

_START = re.compile(r'^[ \t]{0,16}(?P<value>(?:\[\s{0,64})?\{\s{0,64}")', re.M)
_SPEED = '"avg_ts"'
_SHOWN_CHARS = 1000
# Failed tries cost the text that they read. All of them together may read all of it so often.
_READINGS = 2
_LEAST_BUDGET_CHARS = 1 << 20
_WINDOW_CHARS = 1 << 11
# An object that tells of a speed further from its beginning than this is not found.
_BACK_CHARS = 1 << 16
# As long as the longest word of JSON, which may be what was cut off.
_LITERAL_CHARS = 16
_DECODER = json.JSONDecoder()


def samples(text: str) -> Iterator[tuple[int, Sample | None, str]]:
    """(line number from 1, sample, its text) of each repetition of each test that generates tokens; tests of prompt
    processing alone are passed over. The sample is None where the JSON holds no speed, or is broken."""
    for line, value, words in _values(text):
        if value is None:
            yield line, None, words
            continue
        for row in shape.listed(value) or [value]:
            for sample in _row_samples(shape.table(row)):
                yield line, sample, "" if sample else json.dumps(row)[:_SHOWN_CHARS]


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


def _values(text: str) -> Iterator[tuple[int, Any, str]]:
    """Each JSON object, or array of them, that begins a line and tells of a speed, with its line number; None for one
    that is broken. Objects of a broken array are tried one by one, so that one foreign line costs one object.

    Looked for from each speed backwards, so that other text costs nothing.
    """
    line, counted, after, start = 1, 0, 0, -1
    budget = max(_READINGS * len(text), _LEAST_BUDGET_CHARS)
    speed = text.find(_SPEED)
    looked = 0
    while speed >= 0:
        for found in _START.finditer(text, _line_start(text, max(looked, after, speed - _BACK_CHARS)), speed):
            start = found.start("value")
        looked = speed
        if start >= after:
            value, end, cost = _decode(text, start) if budget > 0 else (None, start, 0)
            budget -= cost
            line, counted = line + text.count("\n", counted, start), start
            if end > speed:
                after = end
                yield line, value, ""
            elif end == start:
                yield line, None, text[start : start + _SHOWN_CHARS]
                after = speed
        speed = text.find(_SPEED, max(speed + 1, after))


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


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
