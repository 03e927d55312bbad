"""The roll-ups as a scrape remembers them: after the first one it asks only for what has changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from orchestrator.accounting.families import FAMILIES
from orchestrator.store.scrape import Changed, Name

T = TypeVar("T")

Key = tuple[str, ...]
"""Values of a family's labels, in the order in which the family names them."""


@dataclass(frozen=True)
class Counts:
    """A histogram: counts per bucket (not cumulative), the sum, and per bucket an exemplar [episode, value, moment]."""

    counts: tuple[int, ...]
    total: float
    exemplars: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class RollUps:
    """By family and key. `number`: of the newest change that is in here."""

    number: int = 0
    totals: dict[str, dict[Key, float]] = field(default_factory=lambda: {name: {} for name in FAMILIES})
    histograms: dict[str, dict[Key, Counts]] = field(default_factory=lambda: {name: {} for name in FAMILIES})
    gauges: dict[str, dict[Key, tuple[float, datetime]]] = field(default_factory=lambda: {n: {} for n in FAMILIES})

    def learn(self, changed: Changed) -> None:
        """What is no series of ours is left out: of an older or newer version, in the same database."""
        _merge(self.totals, {name: value for name, value in changed.totals.items() if name[0] in FAMILIES})
        _merge(self.gauges, {name: value for name, value in changed.gauges.items() if name[0] in FAMILIES})
        _merge(
            self.histograms,
            {
                name: Counts(tuple(counts), total, exemplars)
                for name, (counts, total, exemplars) in changed.histograms.items()
                if name[0] in FAMILIES and len(counts) == len(FAMILIES[name[0]].bounds) + 1
            },
        )
        self.number = changed.up_to

    def make_known(
        self, counters: Iterable[tuple[str, Iterable[Key]]], shapes: Iterable[tuple[str, Iterable[Key]]]
    ) -> None:
        """These are there, at 0 if nothing was counted."""
        for name, keys in counters:
            self.totals[name] = _in_order({**dict.fromkeys(keys, 0.0), **self.totals[name]})
        for name, keys in shapes:
            none = Counts((0,) * (len(FAMILIES[name].bounds) + 1), 0.0)
            self.histograms[name] = _in_order({**dict.fromkeys(keys, none), **self.histograms[name]})


def _merge(kept: dict[str, dict[Key, T]], news: Mapping[Name, T]) -> None:
    grown: set[str] = set()
    for (metric, labels), value in news.items():
        key = key_of(metric, labels)
        if key not in kept[metric]:
            grown.add(metric)
        kept[metric][key] = value
    for metric in grown:
        kept[metric] = _in_order(kept[metric])


def _in_order(values: Mapping[Key, T]) -> dict[Key, T]:
    """The same series in the same order, whenever each came."""
    return dict(sorted(values.items(), key=lambda item: item[0]))


def key_of(metric: str, labels: str) -> Key:
    told: dict[str, str] = json.loads(labels)
    return tuple(told.get(name, "") for name in FAMILIES[metric].labels)
