"""A campaign is proven on each runner before its first episode there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.actions import Action, Assign, BeginCanary, BeginPreflight, EndCancelled, Release
from orchestrator.domain.device import Health
from orchestrator.domain.episode import Acceptance, Episode, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.power import LetSleep, Wake
from orchestrator.domain.proof import Proof, Proofs, drivers_of, sort_out
from orchestrator.domain.runner import Service
from orchestrator.planning.explain import explain
from orchestrator.planning.matching import Supply, Tier, match
from orchestrator.planning.plan import plan
from orchestrator.planning.policy import Policy
from orchestrator.planning.power_policy import PowerPolicy
from orchestrator.planning.proving import Trials
from tests.unit.planning.builders import NOW, campaign, episode, fleet, gpu, hello, runner
from tests.unit.planning.sleepers import LONG_AGO, asleep, facts, idle, known, seconds

FIRST_FOR_ALL = Policy(power=PowerPolicy(preflight_on="first-runner"))
MISSING = "[GPU PERDISPATCH] never appeared in smoke/baseline-1.log"


def proof(name: str = "b", **changes: Any) -> Proof:
    values = {"campaign_id": "c1", "drivers": "", "accepted": False, "detail": MISSING, "episode_id": "p9"}
    return Proof(runner=name, **{**values, **changes})


def unproven(*names: str, refused: Sequence[str] = (), campaign_id: str = "c1") -> Proofs:
    by_name = {name: proof(name, campaign_id=campaign_id) for name in refused}
    return Proofs(unproven={campaign_id: frozenset(names)}, refused={campaign_id: by_name} if by_name else {})


def preflight(at: str = "b", episode_id: str = "p1", **changes: Any) -> Episode:
    values = {"kind": EpisodeKind.PREFLIGHT, "agent": "preflight", "submitter": "matins", "pinned_runner": at}
    return episode(episode_id, **{**values, **changes})


def under_way(at: str = "b", phase: Phase = Phase.ASSIGNED, **changes: Any) -> Episode:
    return preflight(at, phase=phase, runner=at, **changes)


def two(*episodes: Episode, slots: int = 1, **changes: Any) -> FleetState:
    """Runners a and b, on which c1 has yet to be proven."""
    runners = (runner("a", agent_slots=slots), runner("b", agent_slots=slots))
    return fleet(**{"runners": runners, "episodes": episodes, "proofs": unproven("b"), **changes})


def planned(state: FleetState, policy: Policy | None = None) -> tuple[Action, ...]:
    return plan(state, policy or Policy(), NOW)


def told(state: FleetState, one: Episode) -> str:
    return " ".join(explain(state, one, NOW))


def test_a_proven_runner_is_used_before_another_is_tried() -> None:
    busy = runner("b", agent_slots=4)
    state = two(episode(), runners=(runner("a"), busy))
    assert planned(state) == (Assign(episode_id="e1", runner="a"),)


def test_where_none_is_proven_and_free_a_preflight_comes_first_and_the_episode_waits() -> None:
    state = two(episode(), runners=(runner("b"),))
    assert planned(state) == (BeginPreflight(runner="b", campaign_id="c1"),)
    assert "b has to prove the base of decode first: the next tick begins its preflight." in told(state, episode())


def test_of_two_in_the_queue_one_is_assigned_and_for_the_other_a_second_runner_is_tried() -> None:
    state = two(episode("e1"), episode("e2"))
    assert planned(state) == (BeginPreflight(runner="b", campaign_id="c1"), Assign(episode_id="e1", runner="a"))


def test_one_preflight_is_made_for_a_campaign_and_a_runner_however_many_wait() -> None:
    waiting = [episode(f"e{n}") for n in range(5)]
    state = two(*waiting, runners=(runner("b", agent_slots=3),))
    assert planned(state) == (BeginPreflight(runner="b", campaign_id="c1"),)


def test_the_preflight_goes_before_whatever_else_waits_for_its_runner() -> None:
    urgent = episode("a0", priority=100, campaign_id="c2")
    both = (campaign(), campaign(id="c2", name="other"))
    state = two(urgent, episode(), preflight(), runners=(runner("b"),), campaigns=both)
    assert planned(state) == (Assign(episode_id="p1", runner="b"),)
    assert explain(state, preflight(), NOW)[-1] == "b can take it: the next tick assigns it."


def test_one_episode_does_not_have_a_whole_fleet_try_its_campaign() -> None:
    names = ("a", "b", "c", "d")
    state = fleet(runners=tuple(runner(name) for name in names), episodes=(episode(),), proofs=unproven(*names))
    assert planned(state) == (BeginPreflight(runner="a", campaign_id="c1"),)
    queued = replace(state, episodes=(episode(), preflight("a")))
    assert planned(queued) == (Assign(episode_id="p1", runner="a"),)
    for phase in (Phase.RUNNING, Phase.COLLECTING, Phase.SCORING):
        later = replace(state, episodes=(episode(), under_way("a", phase)))
        assert planned(later) == ()
        assert f"a has to prove the base of decode first: preflight p1 is {phase}." in told(later, episode())


def test_as_many_wait_for_a_preflight_as_its_runner_takes_then_and_the_next_begins_another() -> None:
    waiting = [episode(f"e{n}") for n in range(3)]
    runners = (runner("a", agent_slots=2), runner("b"))
    state = fleet(runners=runners, episodes=(*waiting, under_way("a", Phase.RUNNING)), proofs=unproven("a", "b"))
    assert planned(state) == (BeginPreflight(runner="b", campaign_id="c1"),)
    fewer = replace(state, episodes=(*waiting[:2], under_way("a", Phase.RUNNING)))
    assert planned(fewer) == ()


def test_whoever_waits_for_a_preflight_takes_a_proven_runner_that_is_free_sooner() -> None:
    state = two(episode(), under_way("b", Phase.RUNNING))
    assert planned(state) == (Assign(episode_id="e1", runner="a"),)


def test_a_slot_beside_a_preflight_is_free_for_other_campaigns() -> None:
    other = episode("o1", campaign_id="c2")
    both = (campaign(), campaign(id="c2", name="other"))
    state = two(episode(), other, under_way("b"), runners=(runner("b", agent_slots=2),), campaigns=both)
    assert [one for one in planned(state) if isinstance(one, Assign)] == [Assign(episode_id="o1", runner="b")]


def test_a_runner_that_refused_takes_no_episode_of_the_campaign_and_others_go_on() -> None:
    state = two(episode("e1"), episode("e2"), proofs=unproven(refused=("b",)))
    assert planned(state) == (Assign(episode_id="e1", runner="a"),)
    refused = replace(state, runners=state.runners[1:])
    assert planned(refused) == ()
    assert f"b refused decode: {MISSING} (preflight p9)." in told(refused, episode("e1"))
    assert told(refused, episode("e1")).count("b refused") == 1


def test_a_runner_that_refused_is_nobody_whom_an_avoided_one_could_be_left_for() -> None:
    burnt = episode(avoids=frozenset({"a"}))
    assert planned(two(burnt, proofs=unproven(refused=("b",)))) == (Assign(episode_id="e1", runner="a"),)
    assert planned(two(burnt)) == (BeginPreflight(runner="b", campaign_id="c1"),)


def test_an_episode_that_was_assigned_leaves_a_runner_that_has_to_prove_or_refused() -> None:
    held = episode(phase=Phase.ASSIGNED, runner="b")
    for proofs in (unproven("b"), unproven(refused=("b",))):
        assert planned(two(held, proofs=proofs))[0] == Release(episode_id="e1", runner="b")
    assert not any(isinstance(one, Release) for one in planned(two(held, under_way("a"), proofs=Proofs())))


def test_a_sleeping_runner_is_woken_for_an_episode_and_has_to_prove_itself_then() -> None:
    power = known(facts("gpu01", asleep_since=LONG_AGO))
    state = fleet(runners=(asleep("gpu01"),), episodes=(episode(),), proofs=unproven("gpu01"), power=power)
    assert [type(one) for one in planned(state)] == [Wake]
    woken = replace(state, runners=(idle("gpu01"),))
    assert planned(woken) == (BeginPreflight(runner="gpu01", campaign_id="c1"),)
    assert not any(isinstance(one, LetSleep) for one in planned(replace(woken, episodes=(preflight("gpu01"),))))
    refused = replace(state, proofs=unproven(refused=("gpu01",)))
    assert planned(refused) == ()
    assert "gpu01 refused decode" in told(refused, episode())


def test_a_preflight_alone_wakes_nothing() -> None:
    power = known(facts("b", asleep_since=LONG_AGO))
    state = two(episode(), preflight(), runners=(runner("a"), asleep("b")), power=power)
    assert planned(state) == (Assign(episode_id="e1", runner="a"),)


def test_a_preflight_that_nobody_waits_for_any_more_is_over() -> None:
    over = EndCancelled(episode_id="p1", attempt_id=None, detail="no episode waits for a proof on b any more")
    running = episode(phase=Phase.ASSIGNED, runner="a")
    cancelled = episode("e2", cancel_requested=True)
    assert over in planned(two(preflight()))
    assert over in planned(two(preflight(), running, cancelled))
    gone = two(preflight(), episode(), runners=(runner("a"), runner("b", service=Service.RETIRED)))
    assert EndCancelled(episode_id="p1", attempt_id=None, detail="b is gone") in planned(gone)


def test_a_machine_under_suspicion_proves_itself_before_a_campaign() -> None:
    doubted = runner("b", health=Health.SUSPECT, canary_why="an attempt was lost")
    for one in (doubted, runner("b", health=Health.QUARANTINED)):
        state = two(episode(), preflight(), accepted=(campaign(),), runners=(one,))
        assert not any(isinstance(action, (Assign, BeginPreflight)) for action in planned(state))
    state = two(episode(), accepted=(campaign(),), runners=(doubted,))
    assert [type(one) for one in planned(state)] == [BeginCanary]


def test_after_an_attempt_that_broke_down_its_preflight_waits_and_others_are_tried() -> None:
    pausing = preflight("a", not_before=NOW + seconds(10))
    state = fleet(runners=(runner("a"), runner("b")), episodes=(episode(), pausing), proofs=unproven("a", "b"))
    assert planned(state) == (BeginPreflight(runner="b", campaign_id="c1"),)


def test_the_first_runner_proves_for_all_where_an_operator_says_so() -> None:
    state = two(episode(), runners=(runner("b"),))
    assert planned(state, FIRST_FOR_ALL) == (Assign(episode_id="e1", runner="b"),)
    refused = replace(state, proofs=unproven(refused=("b",)))
    assert planned(refused, FIRST_FOR_ALL) == ()


def test_a_proof_holds_for_the_devices_and_drivers_that_it_was_made_with() -> None:
    now = runner("a", hello=hello(gpus=(gpu(driver="radv 24.1.1"),)))
    silent = runner("b", hello=None)
    drivers = drivers_of(now) or ""
    assert sort_out([campaign()], [now], [proof("a", drivers=drivers, accepted=True)]) == Proofs()
    stale = sort_out([campaign()], [now, silent], [proof("a", drivers="radv 24.1.0 on 00"), proof("b")])
    assert stale == unproven("a", "b")
    refused = sort_out([campaign()], [now], [proof("a", drivers=drivers)])
    assert refused.unproven == {} and refused.refused["c1"]["a"].detail == MISSING


def test_a_campaign_that_no_preflight_accepted_has_nothing_to_prove_on_single_runners() -> None:
    pending = campaign(acceptance=Acceptance.PENDING)
    assert sort_out([pending], [runner("a")], [proof("a")]) == Proofs()


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[Supply], list[Episode], Trials]:
    names = [f"r{n}" for n in range(draw(st.integers(1, 6)))]
    tiers = st.sampled_from([Tier.READY, Tier.READY, Tier.READY, Tier.WAKING, Tier.ASLEEP])
    supply = [Supply(runner=runner(name), tier=draw(tiers), free=draw(st.integers(0, 3))) for name in names]
    some = st.frozensets(st.sampled_from(names))
    ids = ("c1", "c2")
    to_prove = {one: draw(some) for one in ids}
    against = {one: draw(some) - to_prove[one] for one in ids}
    proofs = Proofs(
        unproven={one: found for one, found in to_prove.items() if found},
        refused={one: {name: proof(name) for name in found} for one, found in against.items() if found},
    )
    begun = frozenset((one, name) for one in ids for name in to_prove[one] if draw(st.booleans()))
    under_way = frozenset(key for key in sorted(begun) if draw(st.booleans()))
    count = draw(st.integers(0, 9))
    queue = [episode(f"e{n}", campaign_id=draw(st.sampled_from(ids)), avoids=draw(some)) for n in range(count)]
    return supply, queue, Trials(proofs=proofs, begun=begun, under_way=under_way)


@given(drawn=fleets(), seed=st.integers(0, 999))
def test_whatever_the_fleet_no_episode_gets_a_runner_that_has_not_proven_its_campaign(
    drawn: tuple[list[Supply], list[Episode], Trials], seed: int
) -> None:
    supply, queue, trials = drawn
    campaigns = {"c1": campaign(), "c2": campaign(id="c2")}
    found = match(queue, campaigns, supply, NOW, trials=trials)
    mixed = Random(seed).sample(supply, len(supply))
    assert match(queue, campaigns, mixed, NOW, trials=trials) == found
    proofs, of = trials.proofs, {one.id: one.campaign_id for one in queue}
    ready = {one.runner.name for one in supply if one.tier is Tier.READY}
    for one in found.assign:
        assert one.runner not in proofs.unproven.get(of[one.episode_id], ())
    placed = [(one.runner, of[one.episode_id]) for one in found.assign]
    waiting = [(name, of[one]) for name, ids in (*found.awaits.items(), *found.proving.items()) for one in ids]
    assert not any(name in proofs.refused.get(campaign_id, {}) for name, campaign_id in (*placed, *waiting))
    begun = [(one.campaign_id, one.runner) for one in found.prove]
    assert len(set(begun)) == len(begun) and not set(begun) & trials.begun
    assert all(name in ready & proofs.unproven[campaign_id] for campaign_id, name in begun)
    slots = Counter(one.runner for one in (*found.assign, *found.prove))
    assert all(slots[one.runner.name] <= one.free for one in supply)
    served = [one.episode_id for one in found.assign] + [one for ids in found.awaits.values() for one in ids]
    served += [one for ids in found.proving.values() for one in ids]
    assert len(set(served)) == len(served)
