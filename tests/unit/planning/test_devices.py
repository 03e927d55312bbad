"""Which device of a machine an attempt is for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from orchestrator.domain.actions import BeginLaunch, Release
from orchestrator.domain.device import Device, DevicePrices, Health
from orchestrator.domain.episode import CampaignFacts, Episode
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import PowerFacts
from orchestrator.domain.runner import Prices, Runner
from orchestrator.domain.wake import SleepKind
from orchestrator.planning.devices import choose_device
from orchestrator.planning.placement import unfit
from orchestrator.planning.plan import next_acts
from orchestrator.planning.policy import Policy
from orchestrator.planning.power import spares
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.planning.power_rules import sleeps_after_s
from tests.unit.planning.builders import NOW, attempt, campaign, episode, fleet, gpu, hello, runner, started, two_cards

GIB = 1024**3
GPU = campaign(needs_tags=("gpu",))
BIG = campaign(needs_vram_bytes=16 * GIB)
QUARANTINED = {"health": Health.QUARANTINED, "detail": "no line [GPU PERDISPATCH]", "since": NOW}


def given(needs: CampaignFacts, one: Runner, **load: int) -> str:
    return choose_device(one, needs, load)


def test_the_device_with_the_fewest_attempts_is_chosen_and_then_the_best() -> None:
    assert given(GPU, two_cards()) == "small"
    assert given(GPU, two_cards(), small=1) == "large"
    assert given(GPU, two_cards(), small=1, large=1) == "small"
    assert given(GPU, two_cards(), small=2, large=1) == "large"


def test_a_device_that_does_not_meet_the_needs_is_not_chosen_however_idle() -> None:
    assert given(BIG, two_cards(), large=3) == "large"
    tagged = two_cards(large={"tags": frozenset({"quiet"})})
    assert given(campaign(needs_tags=("gpu", "quiet")), tagged, large=3) == "large"


def test_a_quarantined_device_is_left_alone() -> None:
    assert given(GPU, two_cards(small=QUARANTINED), large=3) == "large"
    assert given(GPU, two_cards(small=QUARANTINED, large=QUARANTINED)) == ""


def test_a_device_of_software_is_chosen_only_where_no_other_will_do() -> None:
    card = two_cards().devices[0]
    both = runner(devices=(card, Device(gpu=gpu())), hello=hello(gpus=(card.gpu, gpu())))
    assert given(campaign(), both, small=3) == "small"
    assert given(campaign(needs_tags=("llvmpipe",)), both) == "00"
    assert unfit(both, campaign(needs_tags=("llvmpipe",))) == ""


def test_a_processor_does_not_stand_in_for_a_card_that_is_quarantined_or_too_small() -> None:
    roomy = Device(gpu=gpu(vram_bytes=128 * GIB))
    card = two_cards().devices[0]
    both = runner(devices=(card, roomy), hello=hello(gpus=(card.gpu, roomy.gpu)))
    assert unfit(both, BIG).startswith("has no device for it: RX 7600 (small) has 8.0 GiB")
    hot = replace(both, devices=(replace(card, **QUARANTINED), roomy))
    assert unfit(hot, campaign()).startswith("has no device for it: RX 7600 (small) is QUARANTINED")
    assert given(campaign(), hot) == ""


def test_a_machine_with_one_device_gives_that_and_one_with_none_gives_none() -> None:
    assert given(campaign(needs_tags=()), runner()) == "00"
    assert given(campaign(needs_tags=()), runner(hello=hello(gpus=()))) == ""


def test_one_device_has_to_meet_all_that_a_campaign_needs() -> None:
    """The large one has the memory, the small one the tag: neither has both."""
    apart = two_cards(small={"tags": frozenset({"quiet"})})
    assert unfit(apart, BIG) == unfit(apart, campaign(needs_tags=("gpu", "quiet"))) == ""
    says = unfit(apart, campaign(needs_tags=("quiet",), needs_vram_bytes=16 * GIB))
    assert says == "has no device for it: RX 7900 XTX (large) does not report quiet"


def test_what_the_machine_offers_counts_for_each_of_its_devices() -> None:
    lab = two_cards(tags=frozenset({"lab-3"}))
    assert unfit(lab, campaign(needs_tags=("linux", "lab-3", "gpu"), needs_vram_bytes=16 * GIB)) == ""


def test_the_best_device_that_misses_is_named_with_what_it_misses() -> None:
    none = "has no device for it: RX 7900 XTX (large)"
    says = unfit(two_cards(large=QUARANTINED), BIG)
    assert says == f"{none} is QUARANTINED since 12:00 UTC: no line [GPU PERDISPATCH]"
    huge = campaign(needs_vram_bytes=32 * GIB)
    assert unfit(two_cards(), huge) == f"{none} has 24.0 GiB of GPU memory of 32.0 GiB asked"
    both = two_cards(small=QUARANTINED, large=QUARANTINED)
    assert unfit(both, huge).endswith("asked, and is QUARANTINED since 12:00 UTC: no line [GPU PERDISPATCH]")


def test_what_no_device_has_is_said_of_the_machine() -> None:
    assert unfit(two_cards(), campaign(needs_tags=("gpu", "lab-3"))) == "does not report lab-3"
    bare = runner(hello=hello(gpus=(), tags=("linux",), gpu_problem="no Vulkan device"))
    assert unfit(bare, GPU) == "does not report gpu (no Vulkan device)"
    assert unfit(bare, campaign(needs_tags=(), needs_vram_bytes=GIB)).startswith("has 0.0 GiB of GPU memory")


def test_an_operator_cannot_lend_a_device_what_its_driver_has_to_report() -> None:
    claimed = runner(devices=(Device(gpu=gpu(), tags=frozenset({"gpu"})),))
    assert unfit(claimed, GPU) == "does not report gpu"


def test_a_machine_whose_only_device_is_quarantined_takes_what_needs_no_device() -> None:
    only = runner(devices=(Device(gpu=gpu(), health=Health.QUARANTINED, detail="hot"),))
    assert unfit(only, campaign()) == "has no device for it: llvmpipe (00) is QUARANTINED: hot"
    assert unfit(only, campaign(needs_tags=("linux",))) == ""


def assigned(name: str, **changes: Any) -> Episode:
    return episode(name, phase=Phase.ASSIGNED, runner="local", **changes)


def launches(*episodes: Episode, **changes: Any) -> dict[str, str]:
    state = fleet(**{"runners": (two_cards(agent_slots=4),), "campaigns": (GPU,), "episodes": episodes, **changes})
    return {act.episode_id: act.gpu for act in next_acts(state, Policy(), NOW) if isinstance(act, BeginLaunch)}


def test_launches_of_one_plan_share_the_devices_out_in_any_order() -> None:
    for order in permutations([assigned("e1"), assigned("e2"), assigned("e3")]):
        assert launches(*order) == {"e1": "small", "e2": "large", "e3": "small"}


def test_attempts_that_hold_a_slot_count_and_those_that_do_not_do_not() -> None:
    running = started("e1"), attempt("e1", gpu="small")
    assert launches(running[0], assigned("e2"), attempts=running[1:]) == {"e2": "large"}
    fetched = replace(running[0], phase=Phase.COLLECTING)
    assert launches(fetched, assigned("e2"), attempts=running[1:]) == {"e2": "small"}


def test_who_is_pinned_to_a_device_gets_that_one() -> None:
    assert launches(assigned("e1", pinned_gpu="large"), assigned("e2")) == {"e1": "large", "e2": "small"}


def test_an_episode_leaves_a_machine_whose_device_for_it_was_quarantined_before_its_launch() -> None:
    state = fleet(
        runners=(two_cards(large=QUARANTINED),),
        campaigns=(BIG,),
        episodes=(assigned("e1", phase_since=NOW - timedelta(seconds=1)),),
    )
    assert next_acts(state, Policy(), NOW) == (Release(episode_id="e1", runner="local"),)


def test_what_a_device_is_priced_at_comes_on_top_of_its_machine() -> None:
    prices = Prices(hardware_usd_per_h=0.2, asleep_w=2, idle_w=40, busy_w=100, energy_usd_per_kwh=0.3)
    card = DevicePrices(hardware_usd_per_h=0.1, asleep_w=1, idle_w=20, busy_w=350)
    one, two = two_cards(prices=prices, large={"prices": card}), two_cards(prices=prices)
    assert two.full_prices == prices
    assert one.full_prices == Prices(
        hardware_usd_per_h=pytest.approx(0.3), asleep_w=3, idle_w=60, busy_w=450, energy_usd_per_kwh=0.3
    )


def test_a_machine_whose_cards_draw_much_when_idle_sleeps_sooner() -> None:
    facts, policy = PowerFacts(runner="local", sleeps=SleepKind.SUSPEND), PowerPolicy(idle_min_s=0)
    prices = Prices(asleep_w=2, idle_w=40, busy_w=100, energy_usd_per_kwh=0.3)
    bare = two_cards(prices=prices)
    thirsty = two_cards(prices=prices, small={"prices": DevicePrices(idle_w=60, busy_w=60)})
    assert sleeps_after_s(thirsty, facts, policy)[0] < sleeps_after_s(bare, facts, policy)[0]
    assert sleeps_after_s(thirsty, facts, policy)[1].startswith("sleeping saves 98 W")


def test_the_machine_that_draws_least_with_all_its_cards_is_kept_warm() -> None:
    lean = two_cards("lean", prices=Prices(idle_w=60))
    thirsty = two_cards("cards", prices=Prices(idle_w=40), small={"prices": DevicePrices(idle_w=30)})
    assert spares([lean, thirsty], PowerPolicy(keep_warm=1)) == {"lean"}
