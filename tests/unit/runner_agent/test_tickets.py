"""A line of tickets: who has its turn, and what becomes of those who are gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_agent import locks, tickets
from runner_agent.tickets import OF_DEVICES, Place, Rule, Ticket, of_capacity

WAIT_S = 60.0
DEVICES = ("", "a", "b")
NEVER = "nobody is to wait here"


def goes_on() -> None:
    """A check that never gives up."""


def gives_up() -> None:
    raise InterruptedError(NEVER)


def turns(line: list[Ticket], rule: Rule) -> set[int]:
    """The numbers of the live tickets that have their turn."""
    return {own.number for place, own in enumerate(line) if not rule.in_the_way(own, line[:place])}


def conflict(one: Ticket, other: Ticket) -> bool:
    return not one.device or not other.device or one.device == other.device


lines = st.lists(st.sampled_from(DEVICES), max_size=8).map(
    lambda devices: [Ticket(number=number, device=device) for number, device in enumerate(devices, 1)]
)


@given(line=lines, ends=st.lists(st.integers(0, 7), max_size=12))
def test_whoever_ends_or_dies_no_two_share_a_device_and_nobody_gets_past_one_before_it(
    line: list[Ticket], ends: list[int]
) -> None:
    before = turns(line, OF_DEVICES)
    for end in ends:
        held = [ticket for ticket in line if ticket.number in turns(line, OF_DEVICES)]
        assert not any(conflict(one, other) for one in held for other in held if one is not other)
        for ticket in held:
            assert not any(conflict(ticket, each) for each in line if each.number < ticket.number)
        line = line[:end] + line[end + 1 :]
        after = turns(line, OF_DEVICES)
        # Who has its turn keeps it, whoever is gone.
        assert before & {ticket.number for ticket in line} <= after
        before = after


@given(line=lines)
def test_who_wants_all_devices_is_served_before_all_that_came_after_it(line: list[Ticket]) -> None:
    served: list[Ticket] = []
    while line:
        first = next(ticket for ticket in line if ticket.number in turns(line, OF_DEVICES))
        last = [ticket for ticket in line if ticket.number in turns(line, OF_DEVICES)][-1]
        # Even if those that hold a device always end in the worst order.
        served.append(last)
        line = [ticket for ticket in line if ticket is not last]
        assert first.number <= last.number
    for place, ticket in enumerate(served):
        if not ticket.device:
            assert all(each.number < ticket.number for each in served[:place])


@given(line=lines, count=st.integers(1, 4))
def test_of_a_capacity_the_first_that_live_have_their_turn(line: list[Ticket], count: int) -> None:
    assert turns(line, of_capacity(count)) == {ticket.number for ticket in line[:count]}


@given(line=lines, count=st.integers(1, 4), gone=st.sets(st.integers(1, 8)))
def test_nobody_sleeps_through_its_turn(line: list[Ticket], count: int, gone: set[int]) -> None:
    """Who comes to have its turn was woken: one of those that it listened to is gone."""
    if not line:
        return
    *others, own = line
    left = [ticket for ticket in others if ticket.number not in gone]
    for rule in (OF_DEVICES, of_capacity(count)):
        listened_to = rule.in_the_way(own, others)[-rule.side_by_side :]
        if listened_to and not rule.in_the_way(own, left):
            assert gone & {ticket.number for ticket in listened_to}


@given(number=st.integers(0, 10**9), device=st.sampled_from(["", "gpu-0", "gpu-1.2"]))
def test_a_ticket_is_read_from_its_name(number: int, device: str) -> None:
    ticket = Ticket(number=number, device=device)
    assert tickets.read(ticket.name) == ticket


@pytest.mark.parametrize("name", ["arrival", ".next", "", "-1", "²", "1a"])
def test_other_files_are_no_tickets(name: str) -> None:
    assert tickets.read(name) is None


def test_numbers_rise_while_anybody_stands_in_line(tmp_path: Path) -> None:
    first, second = (Place(tmp_path, "", gives_up) for _ in range(2))
    first.leave()
    third = Place(tmp_path, "", gives_up)
    assert [first.ticket.number, second.ticket.number, third.ticket.number] == [1, 2, 3]
    second.leave()
    third.leave()
    assert [path.name for path in tmp_path.iterdir()] == ["arrival"]


def test_a_ticket_is_held_as_soon_as_it_can_be_seen_and_gone_once_it_is_not(tmp_path: Path) -> None:
    place = Place(tmp_path, "gpu-1", gives_up)
    assert locks.is_held(tmp_path / "1.gpu-1")
    place.leave()
    assert not (tmp_path / "1.gpu-1").exists()


def test_who_sees_a_dead_ticket_removes_it_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "3").touch()
    (tmp_path / ".next").touch()
    place = Place(tmp_path, "", gives_up)
    assert place.ticket.number == 4
    assert place.wait(OF_DEVICES, gives_up) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["4", "arrival"]


def test_who_gives_up_leaves_the_line_to_those_behind_it(tmp_path: Path) -> None:
    holder, quitter, last = (Place(tmp_path, "", gives_up) for _ in range(3))
    with pytest.raises(InterruptedError, match=NEVER):
        quitter.wait(OF_DEVICES, gives_up)
    quitter.leave()
    holder.leave()
    assert last.wait(OF_DEVICES, gives_up) == 0


def test_turns_are_given_in_the_order_of_arrival(tmp_path: Path) -> None:
    order: list[int] = []
    places = [Place(tmp_path, "", gives_up) for _ in range(8)]
    threads = [threading.Thread(target=_pass, args=(place, OF_DEVICES, order.append)) for place in places[1:]]
    for thread in reversed(threads):
        thread.start()
    places[0].leave()
    for thread in threads:
        thread.join(WAIT_S)
    assert order == [2, 3, 4, 5, 6, 7, 8]


def test_a_capacity_is_used_in_full_and_never_exceeded(tmp_path: Path) -> None:
    inside = threading.Barrier(2)
    busy, most, lock = [0], [0], threading.Lock()

    def work(_: int) -> None:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        # Two at a time meet here: with a smaller capacity nobody would come through.
        inside.wait(WAIT_S)
        with lock:
            busy[0] -= 1

    places = [Place(tmp_path, "", gives_up) for _ in range(6)]
    threads = [threading.Thread(target=_pass, args=(place, of_capacity(2), work)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert (busy[0], most[0]) == (0, 2)


def _pass(place: Place, rule: Rule, act: Callable[[int], None]) -> None:
    place.wait(rule, goes_on)
    act(place.ticket.number)
    place.leave()
