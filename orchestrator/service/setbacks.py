"""What failed lately and steps back before it is tried again, each time for longer. Known to this process alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_S = 30.0
FACTOR = 2.0
MOST_S = 1800.0


@dataclass(frozen=True, kw_only=True)
class Setback:
    """`count` failures in a row, the last for `reason`: not to be tried before `until`."""

    count: int
    reason: str
    until: datetime


class Setbacks:
    """By name. As many as there are names that failed last."""

    def __init__(self) -> None:
        self._known: dict[str, Setback] = {}

    def __len__(self) -> int:
        return len(self._known)

    def waits(self, name: str, now: datetime) -> bool:
        known = self._known.get(name)
        return known is not None and now < known.until

    def failed(self, name: str, reason: str, now: datetime) -> bool:
        """Whether that is news: the first failure in a row, or one for another reason than the last."""
        known = self._known.get(name)
        count = known.count + 1 if known else 1
        self._known[name] = Setback(count=count, reason=reason, until=now + pause(count))
        return known is None or known.reason != reason

    def over(self, name: str) -> None:
        self._known.pop(name, None)


def pause(count: int) -> timedelta:
    """After so many failures in a row."""
    return timedelta(seconds=min(MOST_S, FIRST_S * FACTOR ** (min(count, 32) - 1)))
