"""What the planner does next, fleet by fleet."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from orchestrator.domain.actions import (
    Assign,
    BeginCollect,
    BeginLaunch,
    EndCancelled,
    GiveUp,
    Release,
    Retry,
    SendCancel,
    SendChecks,
)
from orchestrator.domain.episode import Acceptance, EpisodeKind
from orchestrator.domain.fleet import FleetState
from orchestrator.domain.phases import Phase
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Health, Power, Runner, Service
from orchestrator.planning.plan import plan
from orchestrator.planning.policy import Policy
from tests.unit.planning.builders import NOW, attempt, campaign, episode, fleet, gpu, hello, runner, started, status

POLICY = Policy(attempts_max=3)


def planned(state: FleetState) -> tuple[object, ...]:
    return plan(state, POLICY, NOW)


def test_a_queued_episode_is_assigned_to_a_runner_that_is_ready() -> None:
    assert planned(fleet(episodes=(episode(),))) == (Assign(episode_id="e1", runner="local"),)


def test_an_assigned_episode_is_launched_with_the_next_fence() -> None:
    assigned = episode(phase=Phase.ASSIGNED, runner="local", fence=1)
    assert planned(fleet(episodes=(assigned,))) == (BeginLaunch(episode_id="e1", runner="local", fence=2, gpu="00"),)


@pytest.mark.parametrize(
    "gone",
    [runner(power=Power.UNREACHABLE), runner(service=Service.DRAINING), runner("another")],
    ids=("unreachable", "draining", "removed"),
)
def test_a_slot_is_given_back_where_the_runner_cannot_take_the_episode_any_more(gone: Runner) -> None:
    assigned = episode(phase=Phase.ASSIGNED, runner="local")
    assert Release(episode_id="e1", runner="local") in planned(fleet(runners=(gone,), episodes=(assigned,)))


def test_an_empty_fleet_plans_nothing() -> None:
    assert planned(FleetState()) == ()


UNFIT = {
    "drained": runner(service=Service.DRAINING),
    "quarantined": runner(health=Health.QUARANTINED, detail="no Vulkan device"),
    "unreachable": runner(power=Power.UNREACHABLE),
    "never seen": runner(power=Power.UNKNOWN, hello=None),
    "without a sandbox": runner(hello=hello(sandbox="", sandbox_problem="bubblewrap is not installed")),
    "without the tag": runner(hello=hello(tags=("linux",))),
    "tagged by hand with what it does not report": runner(tags=frozenset({"vulkan"}), hello=hello(tags=())),
}


@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT.keys())
def test_an_unfit_runner_gets_nothing(unfit: object) -> None:
    assert planned(fleet(runners=(unfit,), episodes=(episode(),))) == ()


def test_a_tag_given_by_hand_counts_if_it_is_no_capability() -> None:
    state = fleet(
        runners=(runner(tags=frozenset({"lab-3"})),),
        campaigns=(campaign(needs_tags=("lab-3",)),),
        episodes=(episode(),),
    )
    assert planned(state) == (Assign(episode_id="e1", runner="local"),)


def test_gpu_memory_is_matched_against_what_the_runner_reported() -> None:
    small, large = runner("small"), runner("large", hello=hello(gpus=(gpu(vram_bytes=24 * 1024**3),)))
    state = fleet(runners=(small, large), campaigns=(campaign(needs_vram_bytes=16 * 1024**3),), episodes=(episode(),))
    assert planned(state) == (Assign(episode_id="e1", runner="large"),)


def test_slots_bound_what_is_assigned_and_the_rest_waits() -> None:
    state = fleet(runners=(runner(agent_slots=2),), episodes=(started("e0"), episode("e1"), episode("e2")))
    assert [a for a in planned(state) if isinstance(a, Assign)] == [Assign(episode_id="e1", runner="local")]


def test_priority_goes_before_age_and_preflights_before_both() -> None:
    waiting = (
        episode("old", submitted_at=NOW - timedelta(hours=1)),
        episode("urgent", priority=5),
        episode("check", kind=EpisodeKind.PREFLIGHT),
    )
    state = fleet(runners=(runner(agent_slots=3),), episodes=waiting)
    assert [a.episode_id for a in planned(state) if isinstance(a, Assign)] == ["check", "urgent", "old"]


def test_only_the_preflight_starts_while_a_campaign_is_not_accepted() -> None:
    pending = campaign(acceptance=Acceptance.PENDING)
    waiting = (episode("e1"), episode("p1", kind=EpisodeKind.PREFLIGHT))
    state = fleet(runners=(runner(agent_slots=2),), campaigns=(pending,), episodes=waiting)
    assert planned(state) == (Assign(episode_id="p1", runner="local"),)


def test_episodes_of_a_refused_campaign_end_with_what_the_preflight_found() -> None:
    refused = campaign(acceptance=Acceptance.REFUSED, acceptance_detail="item fast already passes on base")
    assert planned(fleet(campaigns=(refused,), episodes=(episode(),))) == (
        GiveUp(
            episode_id="e1",
            attempt_id=None,
            reason=EndReason.CAMPAIGN_REFUSED,
            detail="item fast already passes on base",
        ),
    )


def test_back_off_is_waited_for() -> None:
    waiting = episode(not_before=NOW + timedelta(seconds=1))
    assert planned(fleet(episodes=(waiting,))) == ()


def on_runner(said: object, **changes: object) -> FleetState:
    return fleet(episodes=(started(**changes),), attempts=(attempt(status=said),))


def test_a_running_attempt_is_left_alone() -> None:
    assert planned(on_runner(status("running"))) == ()


def test_silence_of_the_runner_starts_nothing() -> None:
    state = fleet(
        runners=(runner(power=Power.UNREACHABLE),), episodes=(started(),), attempts=(attempt(status=status("running")),)
    )
    assert planned(state) == ()


def test_hidden_checks_are_sent_once_the_attempt_awaits_them() -> None:
    assert planned(on_runner(status("awaiting-checks"))) == (SendChecks(attempt_id="e1-a1"),)
    sent = attempt(status=status("awaiting-checks"), requested=frozenset({"checks"}))
    assert planned(fleet(episodes=(started(),), attempts=(sent,))) == ()


def test_an_ended_attempt_is_collected() -> None:
    assert planned(on_runner(status("exited"))) == (BeginCollect(episode_id="e1", attempt_id="e1-a1"),)


def test_a_dead_attempt_is_retried_after_a_growing_back_off_until_attempts_run_out() -> None:
    def after(fence: int) -> object:
        dead = attempt(fence=fence, status=status("dead", fence=fence))
        (action,) = planned(fleet(episodes=(started(fence=fence),), attempts=(dead,)))
        return action

    first, second, third = after(1), after(2), after(3)
    assert isinstance(first, Retry) and first.not_before == NOW + timedelta(seconds=10)
    assert isinstance(second, Retry) and second.not_before == NOW + timedelta(seconds=20)
    assert isinstance(third, GiveUp) and third.reason is EndReason.SUPERVISOR_DIED


def test_a_failure_that_the_table_does_not_retry_ends_the_episode() -> None:
    failed = attempt(failure=EndReason.SCORING_FAILED, failure_detail="why")
    state = fleet(episodes=(started(phase=Phase.SCORING),), attempts=(failed,))
    (action,) = planned(state)
    assert action == GiveUp(episode_id="e1", attempt_id="e1-a1", reason=EndReason.SCORING_FAILED, detail="why")


def test_a_cancelled_episode_that_never_started_just_ends() -> None:
    for phase, holder in ((Phase.QUEUED, None), (Phase.ASSIGNED, "local")):
        state = fleet(episodes=(episode(phase=phase, runner=holder, cancel_requested=True),))
        assert planned(state) == (EndCancelled(episode_id="e1", attempt_id=None),)


def test_a_running_episode_is_cancelled_on_its_runner_once() -> None:
    assert planned(on_runner(status("running"), cancel_requested=True)) == (SendCancel(attempt_id="e1-a1"),)
    asked = attempt(status=status("running"), requested=frozenset({"cancel"}))
    assert planned(fleet(episodes=(started(cancel_requested=True),), attempts=(asked,))) == ()


def test_a_cancelled_attempt_that_had_run_is_collected_so_that_its_logs_are_kept() -> None:
    state = on_runner(status("exited"), cancel_requested=True)
    assert planned(state) == (BeginCollect(episode_id="e1", attempt_id="e1-a1"),)


def test_a_tombstone_ends_the_cancelled_episode() -> None:
    state = on_runner(status("cancelled"), phase=Phase.LAUNCHING, cancel_requested=True)
    assert planned(state) == (EndCancelled(episode_id="e1", attempt_id="e1-a1"),)


def test_the_order_of_the_inputs_never_changes_a_plan() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    runners = [runner(f"r{n}", agent_slots=1 + n % 3) for n in range(6)]
    episodes = [episode(f"q{n}", priority=n % 3) for n in range(12)]
    running = [started(f"e{n}", runner=f"r{n % 6}") for n in range(4)]
    attempts = [attempt(f"e{n}", status=status(("dead", "exited")[n % 2], f"e{n}")) for n in range(4)]
    expected = planned(fleet(runners=tuple(runners), episodes=(*episodes, *running), attempts=tuple(attempts)))
    for _ in range(20):
        everything = [*episodes, *running]
        for pile in (runners, everything, attempts):
            dice.shuffle(pile)
        shuffled = fleet(runners=tuple(runners), episodes=tuple(everything), attempts=tuple(attempts))
        assert planned(shuffled) == expected
