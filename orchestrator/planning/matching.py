"""Episodes onto machines, ready, waking or asleep, in one pass that stays fast with many of both.

What an episode asks of a runner is its campaign's needs, and those are few kinds; what a runner offers is few kinds
too. `unfit`, the same predicate that explains, is asked once per kind and kind. Each kind of need has a shelf: a heap
of the runners that fit, best first. During a pass slots only get fewer, so that an entry of a heap is never worse than
its runner really is, and a stale one is put back where it belongs when it comes to the top. The one exception, a
sleeping machine that is chosen and so counts as waking, is told to all shelves. A pass costs
O(kinds × runners + episodes + placements × log runners).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum
from typing import TypeAlias

from orchestrator.domain.actions import Assign
from orchestrator.domain.episode import CampaignFacts, Episode
from orchestrator.domain.power import Warmth
from orchestrator.domain.runner import Runner
from orchestrator.planning.placement import may_start, unfit, waits_for

READ_OF_RUNNER = frozenset(
    {"service", "health", "power", "operation", "hello", "own_tags", "devices", "hardware", "detail"}
)
READ_OF_HELLO = frozenset({"sandbox_problem", "gpu_problem"})
READ_OF_DEVICE = frozenset({"offered_tags", "vram_bytes", "health", "gpu", "uuid", "detail", "since"})
"""All that `unfit` may read, and so what makes runners of one kind; `detail` only words its answer, as does what it
reads of a device beside tags, memory and health."""

Needs: TypeAlias = "tuple[tuple[str, ...], int]"
Place: TypeAlias = "tuple[int, int, int, float, str]"
"""Tier, slots free (negative), failures, seconds to wake, name: the least is the best."""


class Tier(IntEnum):
    """How soon a runner can begin."""

    READY = 0
    WAKING = 1
    ASLEEP = 2


@dataclass(frozen=True, kw_only=True)
class Supply:
    """A runner and the slots that it has to give, if any, described as it will be once it is ready."""

    runner: Runner
    tier: Tier
    free: int
    failures: int = 0
    wake_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Matched:
    """`assign`: onto ready runners. `awaits`: per waking or sleeping runner, the episodes that it is to serve, both in
    order of need."""

    assign: tuple[Assign, ...]
    awaits: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def match(
    queue: Iterable[Episode],
    campaigns: Mapping[str, CampaignFacts],
    supply: Iterable[Supply],
    now: datetime,
    *,
    warmth: Warmth | None = None,
) -> Matched:
    """Each episode in its turn to the best runner that fits: ready before waking before asleep, then most slots free,
    then a warm base, then fewest failed wakes and the shortest wake. A sleeping machine that one episode needs counts
    as waking for the next, so that no more are woken than the queue fills. Runners that an episode `avoids` take it
    only where no other could at all."""
    shelves = _Shelves(supply, warmth or Warmth())
    assign: list[Assign] = []
    awaits: dict[str, list[str]] = {}
    for episode in queue:
        campaign = campaigns[episode.campaign_id]
        if shelves.empty_for(campaign) or waits_for(episode, campaign, now) or not may_start(episode, campaign):
            continue
        chosen = shelves.take(campaign, episode.avoids)
        if chosen is None:
            continue
        if chosen.tier is Tier.READY:
            assign.append(Assign(episode_id=episode.id, runner=chosen.runner.name))
        else:
            awaits.setdefault(chosen.runner.name, []).append(episode.id)
    return Matched(assign=tuple(assign), awaits={name: tuple(ids) for name, ids in awaits.items()})


def kind_of(runner: Runner) -> tuple[object, ...]:
    """Equal for runners that `unfit` cannot tell apart."""
    hello = runner.hello
    said = (hello.sandbox_problem, hello.gpu_problem) if hello else None
    facets = (runner.service, runner.health, runner.power, runner.operation)
    devices = tuple((one.offered_tags, one.vram_bytes, one.health, one.is_software) for one in runner.devices)
    return (*facets, runner.own_tags, devices, said)


class _Shelves:
    """The state of one pass: slots still free, and a shelf per kind of need, made when first asked for."""

    def __init__(self, supply: Iterable[Supply], warmth: Warmth) -> None:
        self._warmth = warmth
        # Those without a free slot are there for the episodes that had better wait for one.
        self._supply = {one.runner.name: one for one in supply}
        self._free = {name: one.free for name, one in self._supply.items()}
        self._kinds: dict[tuple[object, ...], list[str]] = {}
        for name, one in self._supply.items():
            self._kinds.setdefault(kind_of(one.runner), []).append(name)
        self._fit: dict[Needs, frozenset[str]] = {}
        self._heaps: dict[tuple[Needs, str], list[Place]] = {}

    def empty_for(self, campaign: CampaignFacts) -> bool:
        return self._best(self._heap(campaign, "")) is None

    def take(self, campaign: CampaignFacts, avoided: frozenset[str]) -> Supply | None:
        """The best runner with a free slot that fits, one slot fewer on it now."""
        if avoided and self._fit_for(campaign) <= avoided:
            avoided = frozenset()
        best = self._best_but(self._heap(campaign, ""), avoided)
        base = self._warmth.base.get(campaign.id, "")
        if best is not None and base:
            warm = self._best_but(self._heap(campaign, base), avoided)
            best = warm if warm is not None and warm[:2] == best[:2] else best
        if best is None:
            return None
        name = best[-1]
        chosen = self._supply[name]
        self._free[name] -= 1
        if chosen.tier is Tier.ASLEEP:
            self._count_as_waking(chosen)
        return chosen

    def _count_as_waking(self, chosen: Supply) -> None:
        name = chosen.runner.name
        self._supply[name] = replace(chosen, tier=Tier.WAKING)
        for (needs, base), heap in self._heaps.items():
            if name in self._fit[needs] and (not base or name in self._warmth.runners.get(base, ())):
                heapq.heappush(heap, self._place(name))

    def _fit_for(self, campaign: CampaignFacts) -> frozenset[str]:
        needs = _needs(campaign)
        if needs not in self._fit:
            kinds = (names for names in self._kinds.values() if not unfit(self._supply[names[0]].runner, campaign))
            self._fit[needs] = frozenset(name for names in kinds for name in names)
        return self._fit[needs]

    def _heap(self, campaign: CampaignFacts, base: str) -> list[Place]:
        """Of all that fit, or with a `base` of those that hold it warm."""
        key = (_needs(campaign), base)
        if key not in self._heaps:
            fit = self._fit_for(campaign)
            names = fit & self._warmth.runners.get(base, frozenset()) if base else fit
            self._heaps[key] = [self._place(name) for name in names]
            heapq.heapify(self._heaps[key])
        return self._heaps[key]

    def _place(self, name: str) -> Place:
        one = self._supply[name]
        return (int(one.tier), -self._free[name], one.failures, one.wake_s, name)

    def _best(self, heap: list[Place]) -> Place | None:
        while heap:
            name = heap[0][-1]
            current = self._place(name)
            if self._free[name] > 0 and heap[0] == current:
                return heap[0]
            if self._free[name] > 0:
                heapq.heapreplace(heap, current)
            else:
                heapq.heappop(heap)
        return None

    def _best_but(self, heap: list[Place], avoided: frozenset[str]) -> Place | None:
        aside: list[Place] = []
        while (best := self._best(heap)) is not None and best[-1] in avoided:
            aside.append(heapq.heappop(heap))
        for place in aside:
            heapq.heappush(heap, place)
        return best


def _needs(campaign: CampaignFacts) -> Needs:
    return campaign.needs_tags, campaign.needs_vram_bytes
