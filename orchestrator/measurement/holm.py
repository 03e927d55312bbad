"""Holm's correction: over all that is looked at together, a false discovery is made at most alpha of the time.

Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6.
"""

from __future__ import annotations

from collections.abc import Sequence


def adjusted(p_values: Sequence[float]) -> tuple[float, ...]:
    """Each p corrected for their number, in the order given; one is significant where this is at most alpha."""
    order = sorted(range(len(p_values)), key=lambda n: p_values[n])
    found = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        found[place] = highest
    return tuple(found)
