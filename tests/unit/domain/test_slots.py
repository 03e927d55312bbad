"""How many attempts a machine may begin."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.slots import PAST_SESSION, Slots, default_buffer, free, full, holds_one, is_supply
from runner_agent.protocol import STAGES

PIPELINED = Slots(agent=4, build=1, buffer=2)

CASES = {
    "nothing is there": (PIPELINED, [], 4),
    "not seen yet": (PIPELINED, [None, None], 2),
    "at work": (PIPELINED, ["baseline", "checkout", "session", None], 0),
    "past its session": (PIPELINED, ["session", "build", "smoke"], 3),
    "what was measured waits for no device": (PIPELINED, ["build", "smoke", "smoke", "grade", "pack"], 4),
    "as many measured as there are agents": (PIPELINED, ["grade", "grade", "grade", "pack"], 0),
    "without a buffer a slot is held to the end": (Slots(agent=2, build=1), ["smoke"], 1),
    "without a buffer and full": (Slots(agent=1, build=1), ["pack"], 0),
    "more than there are slots for": (Slots(agent=1, build=1), ["session", "session"], 0),
}


@pytest.mark.parametrize(("slots", "stages", "left"), CASES.values(), ids=CASES.keys())
def test_so_many_may_begin(slots: Slots, stages: list[str | None], left: int) -> None:
    assert free(slots, stages) == left


FULL = {
    "nothing is on its way": (PIPELINED, {"a": 0}, ""),
    "one is measured and two are ready": (PIPELINED, {"a": 3}, ""),
    "and one builds": (PIPELINED, {"a": 4}, "a"),
    "two builds": (Slots(agent=4, build=2, buffer=2), {"a": 4}, ""),
    "a larger buffer": (Slots(agent=4, build=1, buffer=3), {"a": 4}, ""),
    "without a buffer slots are held to the end": (Slots(agent=4), {"a": 9}, ""),
    "one device takes no room of the other": (PIPELINED, {"a": 9, "b": 2}, "a"),
    "both have their own, and one build is for either": (PIPELINED, {"a": 3, "b": 3}, ""),
    "one has taken that build": (PIPELINED, {"a": 4, "b": 3}, "ab"),
    "with a second build the other may go on": (Slots(agent=4, build=2, buffer=2), {"a": 4, "b": 3}, ""),
    "one of three": (PIPELINED, {"a": 4, "b": 0, "c": 2}, "a"),
}


@pytest.mark.parametrize(("slots", "supply", "found"), FULL.values(), ids=FULL.keys())
def test_nothing_begins_for_a_device_that_has_enough(slots: Slots, supply: dict[str, int], found: str) -> None:
    assert full(slots, supply) == frozenset(found)


def test_past_its_sessions_is_all_that_comes_after_them() -> None:
    assert {"baseline", "checkout", "session"} | PAST_SESSION == set(STAGES)


def test_one_agent_alone_keeps_the_machine_quiet_for_its_own_measurement() -> None:
    assert [default_buffer(agent) for agent in (1, 2, 8)] == [0, 2, 2]


@given(
    slots=st.builds(Slots, agent=st.integers(1, 4), build=st.integers(1, 2), buffer=st.integers(0, 3)),
    devices=st.integers(1, 3),
    moves=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 9), st.sampled_from(["session", "build", "smoke", "grade", ""])),
        max_size=60,
    ),
)
def test_however_attempts_go_on_no_more_are_there_than_slots_and_buffers_allow(
    slots: Slots, devices: int, moves: list[tuple[int, int, str]]
) -> None:
    most = (devices + 1) * slots.agent + slots.build + devices * slots.buffer - 1 if slots.buffer else slots.agent
    there: list[tuple[int, str | None]] = []
    for device, which, stage in moves:
        supply = Counter({str(each): 0 for each in range(devices)})
        supply.update(str(its) for its, where in there if is_supply(where))
        if str(device % devices) not in full(slots, supply):
            there += [(device % devices, None)] * free(slots, [where for _, where in there])
        assert len(there) <= most
        if which < len(there):
            there[which : which + 1] = [(there[which][0], stage)] if stage else []


@pytest.mark.parametrize(
    ("agent", "buffer", "one"),
    [(1, None, True), (1, 0, True), (1, 1, False), (2, None, False), (2, 0, False)],
)
def test_a_machine_holds_one_attempt_where_none_begins_beside_another(
    agent: int, buffer: int | None, one: bool
) -> None:
    assert holds_one(agent, buffer) == one
    slots = Slots(agent=agent, buffer=default_buffer(agent) if buffer is None else buffer)
    assert one == all(free(slots, [stage]) == 0 for stage in STAGES)
