"""Episodes onto machines, ready, waking or asleep, in one pass that stays fast with many of both.

What an episode asks of a runner is its campaign's needs, and those are few kinds; what a runner offers is few kinds
too. `unfit`, the same predicate that explains, is asked once per kind and kind. Each kind of need has a shelf: a heap
of the runners that fit, best first. During a pass slots only get fewer, so that an entry of a heap is never worse than
its runner really is, and a stale one is put back where it belongs when it comes to the top. The one exception, a
sleeping machine that is chosen and so counts as waking, is told to all shelves. A pass costs
O(kinds × runners + episodes + placements × log runners).

A campaign that some runners have yet to prove, or have refused, has a shelf of its own; those that are ready and have
to prove it stand beside it (`_ToProve`).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, IntEnum
from typing import TypeAlias

from orchestrator.domain.actions import Assign, BeginPreflight
from orchestrator.domain.episode import CampaignFacts, Episode
from orchestrator.domain.power import Warmth
from orchestrator.domain.runner import Runner
from orchestrator.planning.devices import fitting
from orchestrator.planning.placement import may_start, unfit, waits_for
from orchestrator.planning.proving import Trials

READ_OF_RUNNER = frozenset(
    {"service", "health", "power", "operation", "hello", "own_tags", "devices", "hardware", "detail"}
)
READ_OF_HELLO = frozenset({"sandbox_problem", "gpu_problem"})
READ_OF_DEVICE = frozenset({"offered_tags", "vram_bytes", "health", "gpu", "uuid", "detail", "since"})
"""All that `unfit` may read, and so what makes runners of one kind; `detail` only words its answer, as does what it
reads of a device beside tags, memory and health."""

Needs: TypeAlias = "tuple[tuple[str, ...], int]"
Shelf: TypeAlias = "tuple[Needs, str]"
"""Needs, and the campaign if it is told apart from others with the same."""
Place: TypeAlias = "tuple[int, int, int, float, str]"
"""Tier, slots free (negative), failures, seconds to wake, name: the least is the best."""


class Tier(IntEnum):
    """How soon a runner can begin."""

    READY = 0
    WAKING = 1
    ASLEEP = 2


class How(Enum):
    """What becomes of an episode: it is put onto a runner, it waits until one is awake, it waits for the preflight that
    is under way on one, or one begins for it."""

    ASSIGN = "assign"
    AWAIT = "await"
    WAIT = "wait"
    PROVE = "prove"


@dataclass(frozen=True, kw_only=True)
class Supply:
    """A runner and the slots that it has to give, if any, described as it will be once it is ready. `full`: devices for
    which it has none."""

    runner: Runner
    tier: Tier
    free: int
    full: frozenset[str] = frozenset()
    failures: int = 0
    wake_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Matched:
    """`assign`: onto ready runners. `awaits`: per waking or sleeping runner, the episodes that it is to serve. `prove`:
    preflights that come first on ready ones, `proving`: per such runner the episodes that wait for its preflight, begun
    now or before. All in order of need."""

    assign: tuple[Assign, ...]
    awaits: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    prove: tuple[BeginPreflight, ...] = ()
    proving: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def match(
    queue: Iterable[Episode],
    campaigns: Mapping[str, CampaignFacts],
    supply: Iterable[Supply],
    now: datetime,
    *,
    warmth: Warmth | None = None,
    trials: Trials | None = None,
) -> Matched:
    """Each episode in its turn to the best runner that fits: ready before waking before asleep, then most slots free,
    then a warm base, then fewest failed wakes and the shortest wake. A sleeping machine that one episode needs counts
    as waking for the next, so that no more are woken than the queue fills. Runners that an episode `avoids` take it
    only where no other could at all.

    Where no proven runner is ready it waits for one on which the campaign's preflight is under way, as long as that has
    slots for those who wait; else the preflight of the next best begins, for its slot. A runner that refused the
    campaign gets none of its episodes."""
    shelves = _Shelves(supply, warmth or Warmth(), trials or Trials())
    assign: list[Assign] = []
    prove: list[BeginPreflight] = []
    awaits: dict[str, list[str]] = {}
    proving: dict[str, list[str]] = {}
    for episode in queue:
        campaign = campaigns[episode.campaign_id]
        if shelves.empty_for(campaign) or waits_for(episode, campaign, now) or not may_start(episode, campaign):
            continue
        taken = shelves.take(campaign, episode.avoids)
        if taken is None:
            continue
        how, name = taken
        if how is How.ASSIGN:
            assign.append(Assign(episode_id=episode.id, runner=name))
        elif how is How.AWAIT:
            awaits.setdefault(name, []).append(episode.id)
        else:
            proving.setdefault(name, []).append(episode.id)
        if how is How.PROVE:
            prove.append(BeginPreflight(runner=name, campaign_id=campaign.id))
    return Matched(assign=tuple(assign), awaits=_frozen(awaits), prove=tuple(prove), proving=_frozen(proving))


def _frozen(lists: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(ids) for name, ids in lists.items()}


def kind_of(runner: Runner) -> tuple[object, ...]:
    """Equal for runners that `unfit` cannot tell apart."""
    hello = runner.hello
    said = (hello.sandbox_problem, hello.gpu_problem) if hello else None
    facets = (runner.service, runner.health, runner.power, runner.operation)
    devices = tuple((one.offered_tags, one.vram_bytes, one.health, one.is_software) for one in runner.devices)
    return (*facets, runner.own_tags, devices, said)


@dataclass(kw_only=True)
class _ToProve:
    """Of one campaign: the ready runners on which a preflight is to come first, and those on which one is under way
    with how many more episodes there is room for then."""

    heap: list[Place]
    waited_for: dict[str, int]

    def expect(self, name: str, count: int) -> None:
        if count > 0:
            self.waited_for[name] = count
        else:
            self.waited_for.pop(name, None)


NOTHING_TO_PROVE = _ToProve(heap=[], waited_for={})


class _Shelves:
    """The state of one pass: slots still free, and a shelf per kind of need, made when first asked for."""

    def __init__(self, supply: Iterable[Supply], warmth: Warmth, trials: Trials) -> None:
        self._warmth = warmth
        self._trials = trials
        # Those without a free slot are there for the episodes that had better wait for one.
        self._supply = {one.runner.name: one for one in supply}
        self._free = {name: one.free for name, one in self._supply.items()}
        self._kinds: dict[tuple[object, ...], list[str]] = {}
        for name, one in self._supply.items():
            self._kinds.setdefault(kind_of(one.runner), []).append(name)
        self._shelf_of: dict[str, Shelf] = {}
        self._fit: dict[Shelf, frozenset[str]] = {}
        self._open: dict[Shelf, frozenset[str]] = {}
        self._heaps: dict[tuple[Shelf, str], list[Place]] = {}
        self._to_prove: dict[str, _ToProve] = {}

    def empty_for(self, campaign: CampaignFacts) -> bool:
        if self._best(self._heap(campaign, "")) is not None:
            return False
        first = self._to_prove_for(campaign)
        return not first.waited_for and self._best(first.heap) is None

    def take(self, campaign: CampaignFacts, avoided: frozenset[str]) -> tuple[How, str] | None:
        """The best runner with a free slot that fits, one slot fewer on it now; or one that has to prove itself."""
        if avoided and self._fit_for(campaign) <= avoided:
            avoided = frozenset()
        best = self._best_but(self._heap(campaign, ""), avoided)
        if best is None or best[0] != Tier.READY:
            first = self._take_to_prove(self._to_prove_for(campaign), avoided)
            if first is not None:
                return first
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
        return How.ASSIGN if chosen.tier is Tier.READY else How.AWAIT, name

    def _take_to_prove(self, first: _ToProve, avoided: frozenset[str]) -> tuple[How, str] | None:
        name = next((name for name in first.waited_for if name not in avoided), None)
        if name is not None:
            first.expect(name, first.waited_for[name] - 1)
            return How.WAIT, name
        best = self._best_but(first.heap, avoided, remove=True)
        if best is None:
            return None
        name = best[-1]
        self._free[name] -= 1
        # Whoever asked gets the slot that the preflight has until then.
        first.expect(name, self._free[name])
        return How.PROVE, name

    def _to_prove_for(self, campaign: CampaignFacts) -> _ToProve:
        if campaign.id not in self._trials.proofs.unproven:
            return NOTHING_TO_PROVE
        if campaign.id not in self._to_prove:
            names, roomy = self._to_prove_now(campaign), self._open_for(campaign)
            begun, under_way = self._trials.begun, self._trials.under_way
            heap = [self._place(name) for name in names & roomy if (campaign.id, name) not in begun]
            heapq.heapify(heap)
            awaited = (name for name in sorted(names) if (campaign.id, name) in under_way)
            waited_for = {name: (self._free[name] if name in roomy else 0) + 1 for name in awaited}
            self._to_prove[campaign.id] = _ToProve(heap=heap, waited_for=waited_for)
        return self._to_prove[campaign.id]

    def _to_prove_now(self, campaign: CampaignFacts) -> frozenset[str]:
        """What has yet to wake is proven then."""
        unproven = self._trials.proofs.unproven.get(campaign.id, frozenset())
        return frozenset(name for name in self._fit_for(campaign) & unproven if self._supply[name].tier is Tier.READY)

    def _count_as_waking(self, chosen: Supply) -> None:
        name = chosen.runner.name
        self._supply[name] = replace(chosen, tier=Tier.WAKING)
        for (shelf, base), heap in self._heaps.items():
            if name in self._fit[shelf] and (not base or name in self._warmth.runners.get(base, ())):
                heapq.heappush(heap, self._place(name))

    def _fit_for(self, campaign: CampaignFacts) -> frozenset[str]:
        shelf = self._shelf(campaign)
        if shelf not in self._fit:
            kinds = (names for names in self._kinds.values() if not unfit(self._supply[names[0]].runner, campaign))
            fit = frozenset(name for names in kinds for name in names)
            self._fit[shelf] = fit.difference(self._trials.proofs.refused.get(campaign.id, ()))
        return self._fit[shelf]

    def _open_for(self, campaign: CampaignFacts) -> frozenset[str]:
        """Of those that fit the ones that have room on a device that will do. No episode takes of that: only one that
        is past its sessions does."""
        shelf = self._shelf(campaign)
        if shelf not in self._open:
            found = ((name, self._supply[name]) for name in self._fit_for(campaign))
            closed = (name for name, one in found if one.full and one.full.issuperset(fitting(one.runner, campaign)))
            self._open[shelf] = self._fit_for(campaign).difference(closed)
        return self._open[shelf]

    def _shelf(self, campaign: CampaignFacts) -> Shelf:
        if campaign.id not in self._shelf_of:
            proofs = self._trials.proofs
            own = campaign.id in proofs.unproven or campaign.id in proofs.refused
            self._shelf_of[campaign.id] = (campaign.needs_tags, campaign.needs_vram_bytes), campaign.id if own else ""
        return self._shelf_of[campaign.id]

    def _heap(self, campaign: CampaignFacts, base: str) -> list[Place]:
        """Of all that fit and have nothing to prove now, or with a `base` of those of them that hold it warm."""
        key = (self._shelf(campaign), base)
        if key not in self._heaps:
            fit = self._open_for(campaign) - self._to_prove_now(campaign)
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

    def _best_but(self, heap: list[Place], avoided: frozenset[str], *, remove: bool = False) -> Place | None:
        aside: list[Place] = []
        while (best := self._best(heap)) is not None and best[-1] in avoided:
            aside.append(heapq.heappop(heap))
        if best is not None and remove:
            heapq.heappop(heap)
        for place in aside:
            heapq.heappush(heap, place)
        return best
