"""Which conditions hold, row by row of their table, with both outcomes of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestrator.conditions import BY_DEFAULT, CONDITIONS, Condition
from orchestrator.domain.device import Health
from orchestrator.domain.episode import Acceptance, EpisodeKind
from orchestrator.domain.phases import Phase
from orchestrator.domain.reasons import EndReason
from orchestrator.domain.runner import Power, Service
from orchestrator.planning.noticing import HOME, Bounds, Disk, Ended, Seen, find, unsaid
from tests.unit.planning.builders import NOW, attempt, episode, fleet, runner, started, two_cards
from tests.unit.planning.sleepers import facts, failed, known, woke

LONG = NOW - timedelta(hours=1)
BOUNDS = Bounds(usd_per_signal=2.0)


def seen(**changes: Any) -> Seen:
    """`fleet` may be the values of one."""
    values = {"now": NOW, "fleet": fleet(), **changes}
    return Seen(
        **{**values, "fleet": fleet(**values["fleet"]) if isinstance(values["fleet"], dict) else values["fleet"]}
    )


def ended(reason: str = "completed", episode_id: str = "e1", **changes: Any) -> Ended:
    values = {
        "kind": EpisodeKind.EPISODE,
        "campaign": "decode",
        "agent": "replay:finisher",
        "submitter": "ada",
        "detail": "",
        "valid": reason == "completed",
        "at": NOW,
    }
    return Ended(id=episode_id, reason=reason, **{**values, **changes})


def quarantined(why: str, **changes: Any) -> Any:
    return runner(health=Health.QUARANTINED, detail=why, **changes)


def one_bad_card(why: str) -> Any:
    return two_cards(large={"health": Health.QUARANTINED, "detail": why})


def wakes(*records: Any) -> dict[str, Any]:
    return {"runners": (runner("gpu01"),), "power": known(facts(wakes=records))}


def waits(**changes: Any) -> dict[str, Any]:
    return {"episodes": (episode(**{"submitted_at": LONG, **changes}),)}


EARLIER = NOW - timedelta(minutes=5)
REFUSED = {"acceptance": Acceptance.REFUSED, "acceptance_detail": "an item passes on the base"}
SOLID, LATELY = Disk(free_bytes=50, size_bytes=100), NOW - timedelta(minutes=1)

HOLDS: dict[str, tuple[Seen, str, str]] = {
    "a runner in quarantine": (
        seen(fleet={"runners": (quarantined("its canary failed"),)}),
        "runner-quarantined:local",
        "local is quarantined: its canary failed",
    ),
    "a device in quarantine beside a sound one": (
        seen(fleet={"runners": (one_bad_card("its canary failed"),)}),
        "runner-quarantined:local/large",
        "RX 7900 XTX of local is quarantined: its canary failed",
    ),
    "a runner that drifted": (
        seen(fleet={"runners": (quarantined("it drifted: 4 % slower"),)}),
        "throughput-drifted:local",
        "local is quarantined: it drifted: 4 % slower",
    ),
    "a device that drifted": (
        seen(fleet={"runners": (one_bad_card("it drifted: 4 % slower"),)}),
        "throughput-drifted:local/large",
        "4 % slower",
    ),
    "two wakes that failed in a row": (
        seen(fleet=wakes(failed(ended=EARLIER), failed())),
        "wake-failing:gpu01",
        "gpu01 failed to wake 2 times in a row; the last time: ",
    ),
    "a queue in which nothing moves": (
        seen(fleet=waits()),
        "queue-stalled",
        "`matins episode explain e1` says why",
    ),
    "a queue whose only attempt is out of reach": (
        seen(
            fleet={
                "runners": (runner(power=Power.UNREACHABLE),),
                "episodes": (episode(submitted_at=LONG), started("e2")),
                "attempts": (attempt("e2"),),
            }
        ),
        "queue-stalled",
        "An episode waits, the first for 60 minutes;",
    ),
    "a queue that moves, and in which somebody has waited for hours": (
        seen(fleet=waits(submitted_at=NOW - timedelta(hours=7)), last_launch_at=LATELY),
        "queue-stalled",
        "An episode waits, the first for 420 minutes;",
    ),
    "an instrument that is silent": (
        seen(ended=(ended("marker-missing"),)),
        "instrument-silent:decode",
        "(episode e1)",
    ),
    "an instrument that was silent, and about which nothing is known since": (
        seen(silent={"decode": EARLIER}),
        "instrument-silent:decode",
        "did not fire",
    ),
    "a runner's disk that fills": (
        seen(disks={"local": Disk(free_bytes=9, size_bytes=100)}),
        "disk-filling:local",
        "The disk of local has 9% free",
    ),
    "a home that fills": (
        seen(disks={HOME: Disk(free_bytes=9, size_bytes=100)}),
        "disk-filling:MATINS_HOME",
        "The disk of MATINS_HOME has 9% free",
    ),
    "a disk that has hardly more than it had": (
        seen(disks={"local": Disk(free_bytes=11, size_bytes=100)}, lasting={"disk-filling:local"}),
        "disk-filling:local",
        "11% free",
    ),
    "signals above the bound": (
        seen(usd_per_signal=2.5),
        "cost-high",
        "cost 2.50 USD; the bound is 2.00",
    ),
    "a campaign that its preflight refused": (
        seen(ended=(ended("completed", kind=EpisodeKind.PREFLIGHT, **REFUSED),)),
        "campaign-refused:e1",
        "Campaign decode was refused at preflight: an item passes on the base",
    ),
    "an episode that failed": (
        seen(ended=(ended("runner-lost", detail="it restarted"),)),
        "episode-failed:e1",
        "Episode e1 of decode by replay:finisher is no signal, runner-lost: it restarted",
    ),
    "an episode that is invalid": (
        seen(ended=(ended("stale-binary"),)),
        "episode-failed:e1",
        "What was to be measured is not what the agent's tree builds.",
    ),
    "an episode that went well": (
        seen(ended=(ended(),)),
        "episode-ended:e1",
        "is a signal: Every stage ran and the work was judged.",
    ),
}
"""What is seen; the key of what holds; a part of what is said."""

HOLDS_NOT: dict[str, tuple[Seen, str]] = {
    "a sound runner": (seen(fleet={"runners": (runner(health=Health.SUSPECT),)}), "runner-quarantined"),
    "a quarantine for drift": (seen(fleet={"runners": (quarantined("it drifted: x"),)}), "runner-quarantined"),
    "a device of a runner that is itself quarantined": (
        seen(fleet={"runners": (replace(one_bad_card("x"), health=Health.QUARANTINED),)}),
        "runner-quarantined:local/large",
    ),
    "a runner that was retired": (
        seen(fleet={"runners": (quarantined("x", service=Service.RETIRED),)}),
        "runner-quarantined",
    ),
    "a quarantine for something else": (seen(fleet={"runners": (quarantined("a canary"),)}), "throughput-drifted"),
    "one wake that failed": (seen(fleet=wakes(failed())), "wake-failing"),
    "a wake that came after two that failed": (
        seen(fleet=wakes(failed(ended=LONG), failed(ended=EARLIER), woke(ended=NOW))),
        "wake-failing",
    ),
    "a queue of a minute ago": (seen(fleet={"episodes": (episode(submitted_at=LATELY),)}), "queue-stalled"),
    "a queue that moves": (seen(fleet=waits(), last_launch_at=LATELY), "queue-stalled"),
    "a queue before a machine that was free only now": (
        seen(fleet={**waits(), "power": known(facts("local", busy_until=LATELY))}),
        "queue-stalled",
    ),
    "a queue behind work that goes on": (
        seen(fleet={"episodes": (episode(submitted_at=LONG), started("e2")), "attempts": (attempt("e2"),)}),
        "queue-stalled",
    ),
    "an episode that waits to be tried again": (
        seen(fleet=waits(not_before=NOW + timedelta(minutes=1))),
        "queue-stalled",
    ),
    "a preflight that waits": (seen(fleet=waits(kind=EpisodeKind.PREFLIGHT)), "queue-stalled"),
    "an instrument that fired": (seen(ended=(ended(),)), "instrument-silent"),
    "an instrument that fired since": (
        seen(ended=(ended(episode_id="e2"),), silent={"decode": EARLIER}),
        "instrument-silent",
    ),
    "an instrument that was silent long ago": (
        seen(silent={"decode": NOW - timedelta(hours=2)}),
        "instrument-silent",
    ),
    "a preflight whose instrument is silent": (
        seen(ended=(ended("marker-missing", kind=EpisodeKind.PREFLIGHT),)),
        "instrument-silent",
    ),
    "a disk with room": (seen(disks={"local": SOLID, HOME: SOLID}), "disk-filling"),
    "a disk that tells no size": (seen(disks={"local": Disk(free_bytes=0, size_bytes=0)}), "disk-filling"),
    "a disk that was emptied": (
        seen(disks={"local": Disk(free_bytes=13, size_bytes=100)}, lasting={"disk-filling:local"}),
        "disk-filling",
    ),
    "signals below the bound": (seen(usd_per_signal=1.5), "cost-high"),
    "no signal at all": (seen(usd_per_signal=None), "cost-high"),
    "a campaign that was accepted": (seen(ended=(ended(kind=EpisodeKind.PREFLIGHT),)), "campaign-refused"),
    "an episode that its campaign's refusal ended": (
        seen(ended=(ended("campaign-refused", **REFUSED),)),
        "campaign-refused",
    ),
    "a proof that one runner refused": (
        seen(ended=(ended("marker-missing", kind=EpisodeKind.PREFLIGHT),)),
        "campaign-refused",
    ),
    "an episode that is a signal": (seen(ended=(ended("build-failed", valid=True),)), "episode-failed"),
    "an episode that somebody cancelled": (seen(ended=(ended("cancelled"),)), "episode-failed"),
    "an episode of a refused campaign": (seen(ended=(ended("campaign-refused"),)), "episode-failed"),
    "a canary that ended": (seen(ended=(ended(kind=EpisodeKind.CANARY),)), "episode-ended"),
}


@pytest.mark.parametrize("what", HOLDS)
def test_what_holds_is_found_and_said(what: str) -> None:
    picture, key, words = HOLDS[what]
    found = {each.key: each.says for each in find(picture, BOUNDS)}
    assert words in found[key]


@pytest.mark.parametrize("what", HOLDS_NOT)
def test_what_does_not_hold_is_not_found(what: str) -> None:
    picture, key = HOLDS_NOT[what]
    assert not [each.key for each in find(picture, BOUNDS) if each.key.startswith(key)]


def test_every_condition_is_shown_with_both_outcomes() -> None:
    assert {Condition(key.partition(":")[0]) for _, key, _ in HOLDS.values()} == set(CONDITIONS) == set(Condition)
    assert {Condition(key.partition(":")[0]) for _, key in HOLDS_NOT.values()} == set(Condition)
    assert set(Condition) - set(BY_DEFAULT) == {Condition.EPISODE_ENDED}


def test_without_a_bound_no_price_is_too_high() -> None:
    assert not find(seen(usd_per_signal=1e9), Bounds())


def test_whether_signals_are_dear_nobody_can_say_while_there_is_none() -> None:
    assert unsaid(seen()) == {Condition.COST_HIGH}
    assert not unsaid(seen(usd_per_signal=0.0))


def test_only_ones_own_episodes_are_told_of_and_machines_as_ever() -> None:
    picture = seen(
        ended=(ended("runner-lost"), ended("runner-lost", "e2", submitter="bob")),
        fleet={"runners": (quarantined("x"),)},
    )
    found = [each.key for each in find(picture, Bounds(submitter="bob"))]
    assert found == ["runner-quarantined:local", "episode-ended:e2", "episode-failed:e2"]


def test_each_key_is_found_once() -> None:
    keys = [each.key for each in find(seen(ended=(ended("runner-lost"), ended("runner-lost"))), BOUNDS)]
    assert keys == ["episode-ended:e1", "episode-failed:e1"]


@pytest.mark.parametrize("reason", EndReason)
def test_every_end_reason_has_words(reason: EndReason) -> None:
    (says,) = {
        each.says for each in find(seen(ended=(ended(str(reason), valid=False),)), BOUNDS) if "Episode" in each.says
    }
    assert f"is no signal, {reason}: " in says


def test_an_episode_without_a_reason_has_ended_all_the_same() -> None:
    found = {each.key: each.says for each in find(seen(ended=(ended("", valid=True),)), BOUNDS)}
    assert found == {"episode-ended:e1": "Episode e1 of decode by replay:finisher ended"}


def test_the_phase_of_an_episode_that_is_done_is_not_waited_for() -> None:
    assert not find(seen(fleet={"episodes": (episode(phase=Phase.ASSIGNED, submitted_at=LONG),)}), BOUNDS)
