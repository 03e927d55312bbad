"""What the spans of a run show: how busy the GPU was in the steady state, and how long it stood idle between episodes.

The steady state begins with the first hold after as many agents have begun as there are slots for them, and ends where
the last hold begins that does so while an agent has not begun yet. So it consists of whole cycles of hold and gap, and
neither the filling nor the draining of the pipeline counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

DAY_S = 86_400
PHASES = frozenset({"sync", "agent", "build", "lint", "gpu", "pull"})
CARGO = frozenset({"build", "lint"})

_SPAN = re.compile(r"^\[SPAN\] name=(\S+) began=(\d+\.\d+) ended=(\d+\.\d+)$", re.M)


class BadRun(Exception):
    """A run that shows nothing: holds overlap, or there was no steady state."""


@dataclass(frozen=True, kw_only=True, order=True)
class Span:
    """Seconds since the epoch."""

    began_s: float
    ended_s: float

    @property
    def seconds(self) -> float:
        return self.ended_s - self.began_s


@dataclass(frozen=True, kw_only=True)
class Line:
    """One episode: when it began and ended, when its agent's turn began, when its checks let it go to the GPU, what it
    held of it, and the seconds that cargo and the waits took."""

    name: str
    began_s: float
    turn_s: float
    ready_s: float
    ended_s: float
    holds: tuple[Span, ...]
    cargo_s: float
    waited_s: float


@dataclass(frozen=True, kw_only=True)
class Steady:
    """`idle_s`: from the last hold of an episode to the first of the next; `starved` of them had nobody ready."""

    seconds: float
    busy: float
    signals: int
    idle_s: tuple[float, ...]
    starved: int

    def signals_per_day(self, scale: float) -> float:
        """Of a GPU whose holds are `scale` times as long."""
        return self.signals / self.seconds * DAY_S / scale


def read(name: str, text: str) -> Line:
    """The line of an episode from what `ci/timed.sh` said. Raises BadRun where a phase is missing."""
    spans = [(found[1], Span(began_s=float(found[2]), ended_s=float(found[3]))) for found in _SPAN.finditer(text)]
    if missing := PHASES - {phase for phase, _ in spans}:
        raise BadRun(f"{name} has no {', '.join(sorted(missing))}:\n{text[-2000:]}")
    return Line(
        name=name,
        began_s=min(span.began_s for _, span in spans),
        turn_s=min(span.began_s for phase, span in spans if phase == "agent"),
        ready_s=max(span.ended_s for phase, span in spans if phase == "lint"),
        ended_s=max(span.ended_s for _, span in spans),
        holds=tuple(sorted(span for phase, span in spans if phase == "gpu")),
        cargo_s=sum(span.seconds for phase, span in spans if phase in CARGO),
        waited_s=sum(span.seconds for phase, span in spans if phase not in CARGO),
    )


def steady(lines: Iterable[Line], slots: int) -> Steady:
    """What the steady state shows. Raises BadRun where two episodes held the GPU at once, or there was none."""
    ordered = sorted(lines, key=lambda line: line.holds[0])
    holds = sorted(hold for line in ordered for hold in line.holds)
    if any(after.began_s < before.ended_s for before, after in pairwise(holds)):
        raise BadRun("two held the GPU at once")
    begun = sorted(line.turn_s for line in ordered)
    inside = [line for line in ordered if begun[slots - 1] <= line.holds[0].began_s < begun[-1]]
    if len(inside) < 2:
        raise BadRun(f"no steady state: of {len(ordered)} holds {len(inside)} began in a full pipeline")
    first_s, last_s = inside[0].holds[0].began_s, inside[-1].holds[0].began_s
    hand_overs = list(pairwise(inside))
    return Steady(
        seconds=last_s - first_s,
        busy=sum(hold.seconds for line in inside[:-1] for hold in line.holds) / (last_s - first_s),
        signals=len(inside) - 1,
        idle_s=tuple(after.holds[0].began_s - before.holds[-1].ended_s for before, after in hand_overs),
        starved=sum(after.ready_s > before.holds[-1].ended_s for before, after in hand_overs),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """By the nearest rank: the least value that at least `share` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
