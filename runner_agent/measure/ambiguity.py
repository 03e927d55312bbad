"""Whether a regular expression can need exponential time: Python's `re` tries every way in which a text may match.

The expression becomes its Glushkov automaton (positions of characters, and how many ways lead from one to the next;
Brüggemann-Klein 1993). Two different ways from a position back to itself over the same text double the work with each
turn (exponential degree of ambiguity; Weber and Seidl 1991, "On the degree of ambiguity of finite automata"), which is
searched for in the product of the automaton with itself.
Polynomial time is not looked for: a clock bounds that.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from runner_agent.measure import cycles

MOST_POSITIONS = 2_000
MOST_STEPS = 100_000
# A repetition of so few is written out; one of more counts as endless, since twenty times `.*` is as bad.
_WRITTEN_OUT = 3

_LETTERS = [*map(chr, range(128)), "é", "ß", "Ω", "中", "\u00a0", "\u2028", "٣"]

Ways = dict[int, int]
"""Position -> in how many ways it can come there: 1, or 2 for more than one."""

# The parser of `re`, which has no public name and which Python 3.11 moved.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
_LITERAL: Any = _parser.LITERAL
_SUBPATTERN: Any = _parser.SUBPATTERN


class _Refused(Exception):
    """The expression cannot be judged; the text says why, as the end of a sentence."""


@dataclass
class _Part:
    """A part of the expression: the ways to match nothing, and to begin and end at positions."""

    empty: int = 0
    first: Ways = field(default_factory=Ways)
    last: Ways = field(default_factory=Ways)


@lru_cache(maxsize=1024)
def problem(expression: str) -> str:
    """What makes a valid expression unsafe, as the end of a sentence that begins with it; empty if nothing does."""
    try:
        parsed = _parser.parse(expression)
        automaton = _Automaton(parsed.state.flags, expression)
        automaton.add(parsed)
        return automaton.verdict()
    except _Refused as refused:
        return str(refused)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is not a regular expression: {error}"


@lru_cache(maxsize=64)
def literal(expression: str) -> str:
    """A text that whatever a valid expression matches must hold: the longest that is written out in it; else empty."""
    parsed = _parser.parse(expression)
    if parsed.state.flags & re.I:
        return ""
    return max("".join(_letters(parsed)).split("\0"), key=len)


def _letters(parsed: Any) -> Iterable[str]:
    """The characters that must follow each other; a NUL where anything else may stand between."""
    for operation, argument in parsed:
        if operation is _LITERAL and argument:
            yield chr(argument)
        elif operation is _SUBPATTERN and not argument[1]:
            yield from _letters(argument[-1])
        elif str(operation) != "AT":
            yield "\0"


class _Automaton:
    def __init__(self, flags: int, expression: str) -> None:
        extra = dict.fromkeys(each for char in expression for each in (char, char.swapcase()) if len(each) == 1)
        self._letters = list(dict.fromkeys([*_LETTERS, *extra]))
        self._flags = flags
        self._labels: list[int] = []
        self._follow: list[Ways] = []
        self._steps = 0

    def add(self, parsed: Any) -> _Part:
        whole = _Part(empty=1)
        for operation, argument in parsed:
            whole = self._concatenate(whole, self._one(str(operation), operation, argument))
        return whole

    def _one(self, name: str, operation: Any, argument: Any) -> _Part:
        if name in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            return self._position(name, argument)
        if name == "SUBPATTERN":
            return self.add(argument[-1])
        if name == "ATOMIC_GROUP":
            return self.add(argument)
        if name == "BRANCH":
            return _either(self.add(branch) for branch in argument[1])
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self._repeat(*argument)
        if name in ("ASSERT", "ASSERT_NOT"):
            self.add(argument[1])
            return _Part(empty=1)
        if name == "AT":
            return _Part(empty=1)
        if name == "GROUPREF_EXISTS":
            return _either(self.add(branch) if branch else _Part(empty=1) for branch in argument[1:])
        if name == "GROUPREF":
            raise _Refused("refers back to a group, which no bound on time holds for; write out what it should match")
        if name == "FAILURE":
            return _Part()
        raise _Refused(f"holds {name.lower()}, of which no bound on time is known")

    def _position(self, name: str, argument: Any) -> _Part:
        if len(self._labels) >= MOST_POSITIONS:
            raise _Refused("is too long to be shown harmless; write it shorter, with smaller counts in braces")
        at = len(self._labels)
        self._labels.append(
            sum(1 << n for n, letter in enumerate(self._letters) if self._matches(name, argument, letter))
        )
        self._follow.append({})
        return _Part(first={at: 1}, last={at: 1})

    def _matches(self, name: str, argument: Any, letter: str) -> bool:
        if name == "ANY":
            return letter != "\n" or bool(self._flags & re.S)
        if name == "NOT_LITERAL":
            return not self._is(letter, argument, argument)
        if name == "LITERAL":
            return self._is(letter, argument, argument)
        wanted = True
        for operation, value in argument:
            kind = str(operation)
            if kind == "NEGATE":
                wanted = False
            elif kind == "CATEGORY":
                if _in_category(str(value), letter):
                    return wanted
            elif self._is(letter, *(value if kind == "RANGE" else (value, value))):
                return wanted
        return not wanted

    def _is(self, letter: str, low: int, high: int) -> bool:
        # Flags may also stand for a part of the expression: case is always looked through, which errs to the safe side.
        return any(low <= ord(each) <= high for each in {letter, letter.swapcase()[0]})

    def _repeat(self, least: int, most: Any, body: Any) -> _Part:
        if isinstance(most, int) and most <= _WRITTEN_OUT:
            whole = _Part(empty=1)
            for n in range(most):
                part = self.add(body)
                if n >= least:
                    part.empty = min(part.empty + 1, 2)
                whole = self._concatenate(whole, part)
            return whole
        part = self.add(body)
        self._join(part.last, part.first)
        return _Part(empty=1 if least == 0 else min(part.empty, 1), first=part.first, last=part.last)

    def _concatenate(self, left: _Part, right: _Part) -> _Part:
        self._join(left.last, right.first)
        return _Part(
            empty=min(left.empty * right.empty, 2),
            first=_sum(left.first, _times(right.first, left.empty)),
            last=_sum(right.last, _times(left.last, right.empty)),
        )

    def _join(self, last: Ways, first: Ways) -> None:
        for at, ways in last.items():
            self._follow[at] = _sum(self._follow[at], _times(first, ways))

    def verdict(self) -> str:
        """What `problem` says."""
        for loop in cycles.loops(self._follow):
            if any(ways > 1 for at in loop for to, ways in self._follow[at].items() if to in loop):
                return _EXPONENTIAL
            if len(loop) > 1 and self._doubles(loop):
                return _EXPONENTIAL
        return ""

    def _doubles(self, loop: frozenset[int]) -> bool:
        """Whether in the product of the loop with itself a pair of two positions lies between (p, p) and (p, p)."""
        follow = {at: [to for to in self._follow[at] if to in loop] for at in loop}
        reached = self._closure({(at, at) for at in loop}, follow)
        apart = {pair for pair in reached if pair[0] != pair[1]}
        if not apart:
            return False
        back: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for pair, following in reached.items():
            for to in following:
                back.setdefault(to, []).append(pair)
        # All positions of a loop reach each other, so it is enough that one pair apart, which comes from the diagonal,
        # also returns to it, wherever.
        returning: set[tuple[int, int]] = set()
        waiting = [pair for pair in reached if pair[0] == pair[1]]
        while waiting:
            for pair in back.get(waiting.pop(), ()):
                if pair not in returning and pair in apart:
                    returning.add(pair)
                    waiting.append(pair)
        return bool(returning)

    def _closure(
        self, pairs: set[tuple[int, int]], follow: dict[int, list[int]]
    ) -> dict[tuple[int, int], list[tuple[int, int]]]:
        found: dict[tuple[int, int], list[tuple[int, int]]] = {}
        waiting = list(pairs)
        while waiting:
            pair = waiting.pop()
            if pair in found:
                continue
            found[pair] = following = [
                (left, right)
                for left in follow[pair[0]]
                for right in follow[pair[1]]
                if self._labels[left] & self._labels[right]
            ]
            self._steps += len(follow[pair[0]]) * len(follow[pair[1]]) + 1
            if self._steps > MOST_STEPS:
                raise _Refused("is too entangled to be shown harmless; write it with fewer repetitions in each other")
            waiting.extend(following)
        return found


_EXPONENTIAL = (
    "can take exponential time, since a repetition in it may match the same text in two ways; let what repeats begin "
    "or end with a character that nothing else in it matches: (a+,)+ instead of (a+)+"
)


def _either(parts: Iterable[_Part]) -> _Part:
    whole = _Part()
    for part in parts:
        whole = _Part(
            empty=min(whole.empty + part.empty, 2),
            first=_sum(whole.first, part.first),
            last=_sum(whole.last, part.last),
        )
    return whole


def _sum(left: Ways, right: Ways) -> Ways:
    whole = dict(left)
    for at, ways in right.items():
        whole[at] = min(whole.get(at, 0) + ways, 2)
    return whole


def _times(ways: Ways, factor: int) -> Ways:
    return {at: min(each * factor, 2) for at, each in ways.items()} if factor else {}


def _in_category(name: str, letter: str) -> bool:
    kind = name.rpartition("_")[2]
    found = {"DIGIT": letter.isdigit(), "SPACE": letter.isspace(), "WORD": letter.isalnum() or letter == "_"}
    if kind not in found:
        raise _Refused(f"holds {name.lower()}, of which no bound on time is known")
    return found[kind] != ("_NOT_" in name)
