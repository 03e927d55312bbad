"""Whose turn it is."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from orchestrator.domain.episode import Episode, EpisodeKind
from orchestrator.planning.fairness import AGEING, in_turn
from tests.unit.planning.builders import NOW, episode


def turns(queued: list[Episode], **held: int) -> list[str]:
    return [one.id for one in in_turn(queued, held, NOW)]


def of(submitter: str, count: int, *, minutes_ago: int = 0, **changes: object) -> list[Episode]:
    at = NOW - timedelta(minutes=minutes_ago)
    return [episode(f"{submitter}{n}", submitter=submitter, submitted_at=at, **changes) for n in range(count)]


def test_submitters_take_turns_however_many_one_of_them_queued() -> None:
    queue = [*of("ann", 4, minutes_ago=10), *of("ben", 2)]
    assert turns(queue) == ["ann0", "ben0", "ann1", "ben1", "ann2", "ann3"]


def test_slots_that_are_held_already_count() -> None:
    queue = [*of("ann", 2, minutes_ago=10), *of("ben", 2)]
    assert turns(queue, ann=1) == ["ben0", "ann0", "ben1", "ann1"]


def test_with_one_slot_submitters_alternate_however_much_one_of_them_queued_before() -> None:
    """Each episode has ended before the next may begin, so nobody ever holds a slot when turns are given."""
    queue = [*of("ann", 3, minutes_ago=10), *of("ben", 2)]
    served: dict[str, datetime] = {}
    began: list[str] = []
    while queue:
        now = NOW + timedelta(hours=len(began))
        first = in_turn(queue, {}, now, served)[0]
        queue.remove(first)
        served[first.submitter] = now
        began.append(first.id)
    assert began == ["ann0", "ben0", "ann1", "ben1", "ann2"]


def test_priority_goes_before_fair_share_and_preflights_before_both() -> None:
    queue = [
        *of("ann", 2),
        *of("ben", 1, priority=1),
        *of("cy", 1, kind=EpisodeKind.PREFLIGHT, priority=-5),
    ]
    assert turns(queue, ben=9) == ["cy0", "ben0", "ann0", "ann1"]


def test_what_goes_first_by_priority_is_held_against_its_submitter_below() -> None:
    queue = [*of("ann", 1, minutes_ago=5), episode("urgent", submitter="ann", priority=3), *of("ben", 1)]
    assert turns(queue) == ["urgent", "ben0", "ann0"]


def test_the_oldest_goes_first_among_equals_and_the_id_settles_ties() -> None:
    queue = [*of("ann", 1), *of("ben", 1, minutes_ago=1), *of("cy", 1)]
    assert turns(queue) == ["ben0", "ann0", "cy0"]


def test_waiting_raises_the_priority() -> None:
    patient = episode("patient", submitter="ann", submitted_at=NOW - 2 * AGEING)
    assert turns([*of("ben", 1, priority=1), patient], ann=50) == ["patient", "ben0"]
    assert turns([*of("ben", 1, priority=3), patient]) == ["ben0", "patient"]


def test_nothing_goes_first_that_was_submitted_long_after() -> None:
    """One slot an hour, and two more urgent episodes an hour by ever new people: whatever goes first was submitted soon
    enough, so the wait is bounded by what was queued until then."""
    queue = [episode("modest", submitter="ann", submitted_at=NOW)]
    for hour in range(100):
        now = NOW + timedelta(hours=hour)
        queue += [episode(f"u{hour}-{n}", submitter=f"new{hour}-{n}", priority=5, submitted_at=now) for n in (0, 1)]
        first = in_turn(queue, {"ann": 3}, now)[0]
        assert first.submitted_at < NOW + 6 * AGEING
        if first.id == "modest":
            return
        queue.remove(first)
    raise AssertionError("it never had its turn")


def test_the_order_of_the_inputs_never_changes_the_turns() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    queue = [one for name in "abcd" for one in of(name, 6, minutes_ago=dice.randrange(900), priority=dice.randrange(2))]
    expected = turns(queue, a=2, d=1)
    for _ in range(20):
        dice.shuffle(queue)
        assert turns(queue, a=2, d=1) == expected
