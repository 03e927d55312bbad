"""The roll-ups as a scrape remembers them: after the first one it asks only for what has changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
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
    """By family and key. `number`: of the newest change that is in here; `moments`: what a gauge is of."""

    number: int = 0
    totals: dict[str, dict[Key, float]] = field(default_factory=lambda: {name: {} for name in FAMILIES})
    histograms: dict[str, dict[Key, Counts]] = field(default_factory=lambda: {name: {} for name in FAMILIES})
    gauges: dict[str, dict[Key, float]] = field(default_factory=lambda: {name: {} for name in FAMILIES})
    moments: dict[str, dict[Key, datetime]] = field(default_factory=lambda: {name: {} for name in FAMILIES})

    def learn(self, changed: Changed) -> None:
        """What is no series of ours is left out: of an older or newer version, in the same database."""
        _merge(self.totals, {name: value for name, value in changed.totals.items() if name[0] in FAMILIES})
        gauges = {name: told for name, told in changed.gauges.items() if name[0] in FAMILIES}
        _merge(self.gauges, {name: value for name, (value, _) in gauges.items()})
        _merge(self.moments, {name: at for name, (_, at) in gauges.items()})
        _merge(
            self.histograms,
            {
                name: Counts(tuple(counts), total, exemplars)
                for name, (counts, total, exemplars) in changed.histograms.items()
                if name[0] in FAMILIES and len(counts) == len(FAMILIES[name[0]].bounds) + 1
            },
        )
        self.number = changed.up_to

    def forget(self, before: datetime) -> None:
        """Gauges that were set for the last time before then are shown no more."""
        for name, moments in self.moments.items():
            if any(at < before for at in moments.values()):
                self.moments[name] = {key: at for key, at in moments.items() if at >= before}
                self.gauges[name] = {key: self.gauges[name][key] for key in self.moments[name]}

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
    """What changed is another dictionary afterwards, and what did not is the same."""
    moved: dict[str, dict[Key, T]] = {}
    for (metric, labels), value in news.items():
        moved.setdefault(metric, {})[key_of(metric, labels)] = value
    for metric, values in moved.items():
        merged = {**kept[metric], **values}
        kept[metric] = merged if len(merged) == len(kept[metric]) else _in_order(merged)


def _in_order(values: Mapping[Key, T]) -> dict[Key, T]:
    """The same series in the same order, whenever each came."""
    return dict(sorted(values.items(), key=lambda item: item[0]))


@cache
def key_of(metric: str, labels: str) -> Key:
    told: dict[str, str] = json.loads(labels)
    return tuple(told.get(name, "") for name in FAMILIES[metric].labels)
