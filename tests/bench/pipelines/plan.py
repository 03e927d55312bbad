"""The episodes that all three run: the same turns, the same edits, the same waits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

REAL_S = {"sync": 60.0, "agent": 720.0, "gpu": 360.0, "pull": 60.0}
"""One episode by the clock on the wall; 300 s of a cold build and 60 s of clippy come on top."""
SPREAD = (0.85, 0.95, 1.05, 1.15)
"""An agent's turns are not equally long. Each four episodes take together as long as four of the mean."""
BUILD = ("cargo", "build", "--offline", "--workspace")
LINT = ("cargo", "clippy", "--offline", "--workspace", "--all-targets", "--", "-D", "warnings")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The waits at a time scale of 1:`scale`, in seconds, and how many agents may be at work at once."""

    scale: float
    slots: int = 4

    def wait_s(self, phase: str) -> float:
        return REAL_S[phase] / self.scale

    @property
    def limit(self) -> float:
        """Signals a day of a GPU that is never idle."""
        return 86_400 / REAL_S["gpu"]


@dataclass(frozen=True, kw_only=True)
class Episode:
    """An agent that takes `turn_s` for one line in one crate."""

    name: str
    turn_s: float
    crate: str
    line: str


def episodes(count: int, seed: int, shape: Shape, crates: Sequence[str]) -> tuple[Episode, ...]:
    drawn = random.Random(seed)
    factors = [factor for _ in range(0, count, len(SPREAD)) for factor in drawn.sample(SPREAD, len(SPREAD))]
    return tuple(
        Episode(
            name=f"e{number:02}",
            turn_s=round(shape.wait_s("agent") * factor, 3),
            crate=drawn.choice(crates),
            line=f"pub const EDIT_{number}: u64 = {drawn.getrandbits(32)};",
        )
        for number, factor in enumerate(factors[:count])
    )
