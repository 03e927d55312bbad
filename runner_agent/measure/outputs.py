"""What a smoke run computed, and whether both sides of a round computed the same: time counts only then. Pure.

An output is marked by a text and not found by a regular expression: it is compared while the GPU is held, and a text
costs the same on every log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from runner_agent.measure.text import SHOWN_CHARS, plain


def outputs(text: str, marks: Iterable[str]) -> tuple[str, ...]:
    """Of each line that holds one of the marks, in order, what stands from the first of them on; colours and spaces at
    the end are looked through."""
    marks = tuple(marks)
    lines = plain(text).split("\n") if marks else []
    starts = (min((at for mark in marks if (at := line.find(mark)) >= 0), default=-1) for line in lines)
    return tuple(line[start:].rstrip() for line, start in zip(lines, starts, strict=True) if start >= 0)


def difference(baseline: Sequence[str], candidate: Sequence[str]) -> str:
    """The first difference as a clause; empty if both are the same."""
    for number, (before, after) in enumerate(zip_longest(baseline, candidate), 1):
        if before != after:
            return f"output {number} is {_shown(before)} on the base and {_shown(after)} on the candidate"
    return ""


def _shown(output: str | None) -> str:
    if output is None:
        return "missing"
    return repr(output if len(output) <= SHOWN_CHARS else output[: SHOWN_CHARS - 1] + "…")
