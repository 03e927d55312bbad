"""Who goes first in a round, and with which prompt. Pure: the same attempt always gives the same."""

from __future__ import annotations

import hashlib
from typing import Literal

Side = Literal["baseline", "candidate"]

SEED_VARIABLE = "MATINS_SEED"
_SEED_BITS = 31


def sides(number: int, key: str, warm_up: int = 0) -> tuple[Side, Side]:
    """The sides of a round (from 1) in the order in which they run.

    After the warm-up two rounds make a block, ABBA or BAAB: a drift that both sides share cancels within it. Which of
    the two is drawn from `key`, so that no rhythm of the machine, and no candidate, can keep step with it. The first
    block and the warm-up begin with the baseline: whether the base runs at all is known before the candidate is tried.
    """
    place = number - 1 - warm_up
    block, second = divmod(max(place, 0), 2)
    reversed_block = block > 0 and _draw(key, "order", block) % 2 == 1
    if place >= 0 and bool(second) != reversed_block:
        return "candidate", "baseline"
    return "baseline", "candidate"


def seed(number: int, key: str) -> int:
    """The seed of a round's prompt, for both sides: a new one each round, below 2^31."""
    return _draw(key, "seed", number) >> (256 - _SEED_BITS)


def _draw(key: str, what: str, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{key}\n{what}\n{number}".encode()).digest(), "big")
