"""The names of log formats, and the regular expressions that may stand in their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from runner_agent.measure import ambiguity

Kind = Literal["throughput", "dispatches"]

KNOWN: dict[str, tuple[str, ...]] = {
    "throughput": ("matins", "llama-bench"),
    "dispatches": ("perdispatch", "ggml-vk"),
}
LINE_CHARS = 4096

_GROUPS = {
    "throughput": ("tok_s",),
    "dispatches": ("name", "shader_ns"),
}


class BadFormat(ValueError):
    """Neither a known format nor a usable regular expression; the text says why."""


class TooSlow(Exception):
    """An expression has used up its time; the text says on which line. Raised by a clock of the caller's."""


def compile_format(kind: Kind, fmt: str) -> re.Pattern[str]:
    """A regular expression given as a format, with the named groups that its kind needs. Raises BadFormat."""
    named = f"known {kind} formats are {', '.join(KNOWN[kind])}"
    try:
        pattern = re.compile(fmt)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadFormat(f"{fmt!r} is not a regular expression ({error}), and {named}") from error
    lacking = [f"(?P<{group}>…)" for group in _GROUPS[kind] if group not in pattern.groupindex]
    if lacking:
        raise BadFormat(f"{fmt!r} has no group {' and no group '.join(lacking)}; {named}")
    return pattern


def check(kind: Kind, fmt: str) -> str:
    """What is wrong with a format, as a sentence; empty if it can be used. Stricter than `compile_format`: an
    expression that may need exponential time is refused here, and stopped by a clock where one is read all the same."""
    if fmt in KNOWN[kind]:
        return ""
    try:
        compile_format(kind, fmt)
    except BadFormat as error:
        return str(error)
    slow = ambiguity.problem(fmt)
    return f"{fmt!r} {slow}" if slow else ""


def is_expression(kind: Kind, fmt: str) -> bool:
    """Whether a format is a campaign's own regular expression, which is to be evaluated under a clock."""
    return bool(fmt) and fmt not in KNOWN[kind]


def matches(
    first_line: int, text: str, pattern: re.Pattern[str], names: tuple[str, ...]
) -> Iterator[tuple[int, str, tuple[str | None, ...]]]:
    """(line number, line, the groups of these names) of each line of plain text in which the pattern is found.

    Only the first 4096 characters of a line are looked at, so that a long line costs no more than many short ones.
    Raises TooSlow with the line's number if the caller's clock raises it in the middle.
    """
    search = pattern.search
    indices = [pattern.groupindex[name] for name in names]
    plain = indices == list(range(1, pattern.groups + 1))  # all of them, as they stand
    literal = ambiguity.literal(pattern.pattern)
    if literal not in text:
        return
    for number, line in enumerate(text.split("\n"), first_line):
        if literal not in line:
            continue
        try:
            match = search(line[:LINE_CHARS].rstrip("\r"))
        except TooSlow as error:
            raise TooSlow(f"the expression took too long on line {number}") from error
        if match is not None:
            yield number, line, match.groups() if plain else tuple(map(match.group, indices))
