"""Chance as the statistics need it. What decides is given it from outside, seeded, so that it can be said again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Dice(Protocol):
    """`random.Random` is one."""

    def choices(self, population: Sequence[float], /, *, k: int) -> list[float]:
        """`k` draws with replacement."""
        ...

    def sample(self, population: Sequence[float], /, k: int) -> list[float]:
        """`k` draws without replacement."""
        ...

    def shuffle(self, x: list[float], /) -> None: ...
