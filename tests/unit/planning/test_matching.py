"""Which machine an episode gets, and that looking at kinds instead of machines changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.actions import Assign
from orchestrator.domain.episode import Acceptance, CampaignFacts, Episode
from orchestrator.domain.power import Warmth
from orchestrator.domain.runner import Health, Operation, Power, Runner, Service
from orchestrator.planning.matching import (
    READ_OF_DEVICE,
    READ_OF_HELLO,
    READ_OF_RUNNER,
    Matched,
    Supply,
    Tier,
    kind_of,
    match,
)
from orchestrator.planning.placement import unfit
from tests.unit.planning.builders import NOW, campaign, episode, gpu, hello, runner, two_cards

GIB = 1024**3


def ready(name: str, free: int = 1, **changes: Any) -> Supply:
    return Supply(runner=runner(name, **changes), tier=Tier.READY, free=free)


def waking(name: str, free: int = 1) -> Supply:
    return Supply(runner=runner(name), tier=Tier.WAKING, free=free)


def asleep(name: str, free: int = 1, **changes: Any) -> Supply:
    return Supply(runner=runner(name), tier=Tier.ASLEEP, free=free, **changes)


def matched(queue: Iterable[Episode], *supply: Supply, **changes: Any) -> Matched:
    campaigns = changes.pop("campaigns", {"c1": campaign()})
    return match(queue, campaigns, supply, NOW, **changes)


def queued(count: int) -> list[Episode]:
    return [episode(f"e{n}") for n in range(count)]


def test_ready_goes_before_waking_before_asleep() -> None:
    found = matched(queued(4), asleep("a"), waking("w"), ready("r"), asleep("b"))
    assert found.assign == (Assign(episode_id="e0", runner="r"),)
    assert list(found.awaits.items()) == [("w", ("e1",)), ("a", ("e2",)), ("b", ("e3",))]


def test_no_more_machines_are_awaited_than_the_queue_needs() -> None:
    three = (asleep("a", free=2), asleep("b", free=2), asleep("c", free=2))
    assert matched(queued(3), *three).awaits == {"a": ("e0", "e1"), "b": ("e2",)}


def test_the_runner_with_most_slots_free_goes_first() -> None:
    found = matched(queued(3), ready("few", 1), ready("many", 3))
    assert [one.runner for one in found.assign] == ["many", "many", "few"]


def test_a_warm_base_settles_a_tie_and_nothing_else() -> None:
    warmth = Warmth(base={"c1": "base"}, runners={"base": frozenset({"z"})})
    assert matched(queued(1), ready("a"), ready("z"), warmth=warmth).assign[0].runner == "z"
    assert matched(queued(1), ready("a", 2), ready("z", 1), warmth=warmth).assign[0].runner == "a"
    assert matched(queued(1), ready("a"), asleep("z"), warmth=warmth).assign[0].runner == "a"


def test_of_sleeping_machines_the_reliable_and_then_the_fast_are_woken() -> None:
    shaky, slow, good = asleep("a", failures=1), asleep("b", wake_s=90), asleep("c", wake_s=30)
    assert list(matched(queued(3), shaky, slow, good).awaits) == ["c", "b", "a"]


def test_an_episode_goes_back_to_a_runner_it_avoids_only_where_no_other_could_take_it() -> None:
    burnt = [episode(f"e{n}", avoids=frozenset({"a"})) for n in range(2)]
    assert matched(burnt[:1], ready("a"), ready("b")).assign[0].runner == "b"
    assert matched(burnt[:1], ready("a")).assign[0].runner == "a"
    taken = matched(burnt, ready("a"), ready("b"))
    assert [one.runner for one in taken.assign] == ["b"]


def test_the_index_tells_runners_apart_by_all_that_the_predicate_reads() -> None:
    """`unfit` under a glass: were it to read more, runners of one kind might not be alike to it."""
    read: set[tuple[str, str]] = set()

    class Glass:
        def __init__(self, of: str, real: object) -> None:
            self._of, self._real = of, real

        def __getattr__(self, name: str) -> object:
            read.add((self._of, name))
            value = getattr(self._real, name)
            if name in ("devices", "hardware"):
                return tuple(Glass("device", device) for device in value)
            return Glass("hello", value) if name == "hello" and value is not None else value

    for real in RUNNERS:
        for wanted in CAMPAIGNS.values():
            unfit(Glass("runner", real), wanted)  # type: ignore[arg-type]
    assert {name for of, name in read if of == "runner"} <= READ_OF_RUNNER
    assert {name for of, name in read if of == "hello"} <= READ_OF_HELLO
    assert {name for of, name in read if of == "device"} == READ_OF_DEVICE


RUNNERS = (
    runner("r"),
    runner("r", service=Service.DRAINING),
    runner("r", health=Health.QUARANTINED),
    runner("r", power=Power.UNREACHABLE),
    runner("r", power=Power.ASLEEP),
    runner("r", operation=Operation.WAKING),
    runner("r", hello=None),
    runner("r", tags=frozenset({"lab-3", "gpu"})),
    runner("r", hello=hello(tags=("linux",), gpu_problem="no driver")),
    runner("r", hello=hello(gpus=(gpu(vram_bytes=24 * GIB),))),
    runner("r", hello=hello(sandbox="", sandbox_problem="none")),
    two_cards("r"),
    two_cards("r", small={"tags": frozenset({"lab-3", "gpu"})}),
    two_cards("r", large={"health": Health.QUARANTINED, "since": NOW}),
    two_cards("r", small={"health": Health.QUARANTINED}, large={"health": Health.QUARANTINED}),
)
CAMPAIGNS: dict[str, CampaignFacts] = {
    one.id: one
    for one in (
        campaign(),
        campaign(id="big", needs_vram_bytes=16 * GIB),
        campaign(id="lab", needs_tags=("lab-3",)),
        campaign(id="both", needs_tags=("lab-3",), needs_vram_bytes=16 * GIB),
        campaign(id="gpu", needs_tags=("gpu",)),
        campaign(id="any", needs_tags=()),
        campaign(id="pending", acceptance=Acceptance.PENDING),
    )
}


def by_looking_at_each(queue: list[Episode], supply: list[Supply]) -> tuple[list[Assign], dict[str, list[str]]]:
    """What `match` should find, found the slow way."""
    free = {one.runner.name: one.free for one in supply}
    tier = {one.runner.name: one.tier for one in supply}
    assign: list[Assign] = []
    awaits: dict[str, list[str]] = {}
    for one in queue:
        wanted = CAMPAIGNS[one.campaign_id]
        fit = [s for s in supply if free[s.runner.name] > 0 and not unfit(s.runner, wanted)]
        if wanted.acceptance is Acceptance.PENDING or not fit:
            continue
        best = min(fit, key=lambda s: (tier[s.runner.name], -free[s.runner.name], s.failures, s.wake_s, s.runner.name))
        free[best.runner.name] -= 1
        if best.tier is Tier.READY:
            assign.append(Assign(episode_id=one.id, runner=best.runner.name))
        else:
            tier[best.runner.name] = Tier.WAKING
            awaits.setdefault(best.runner.name, []).append(one.id)
    return assign, awaits


@st.composite
def supplies(draw: st.DrawFn) -> list[Supply]:
    def named(n: int, like: Runner) -> Runner:
        return runner(
            f"r{n}",
            **{k: getattr(like, k) for k in ("service", "health", "power", "operation", "tags", "hello", "devices")},
        )

    return [
        Supply(
            runner=named(n, draw(st.sampled_from(RUNNERS))),
            tier=draw(st.sampled_from(Tier)),
            free=draw(st.integers(0, 3)),
            failures=draw(st.integers(0, 1)),
        )
        for n in range(draw(st.integers(0, 8)))
    ]


@given(
    supply=supplies(),
    wanted=st.lists(st.sampled_from(sorted(CAMPAIGNS)), max_size=14),
    shuffle=st.randoms(use_true_random=False),
)
def test_the_index_finds_what_looking_at_each_runner_finds_in_any_order(
    supply: list[Supply], wanted: list[str], shuffle: Any
) -> None:
    queue = [episode(f"e{n}", campaign_id=campaign_id) for n, campaign_id in enumerate(wanted)]
    assign, awaits = by_looking_at_each(queue, supply)
    shuffle.shuffle(supply)
    found = match(queue, CAMPAIGNS, supply, NOW)
    assert list(found.assign) == assign
    assert {name: list(ids) for name, ids in found.awaits.items()} == awaits
    assert list(found.awaits) == list(awaits)


def test_machines_of_one_kind_differ_in_name_only() -> None:
    assert kind_of(runner("a", boot_id="1")) == kind_of(runner("b", boot_id="2"))
    assert len({kind_of(one) for one in RUNNERS}) == len(RUNNERS)
