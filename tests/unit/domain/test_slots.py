"""How many attempts a machine may begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.slots import PAST_SESSION, Slots, default_buffer, free, holds_one
from runner_agent.protocol import STAGES

PIPELINED = Slots(agent=4, build=1, buffer=2)

CASES = {
    "nothing is there": (PIPELINED, [], 4),
    "not seen yet": (PIPELINED, [None, None], 2),
    "at work": (PIPELINED, ["baseline", "checkout", "session", None], 0),
    "past its session": (PIPELINED, ["session", "build", "smoke"], 3),
    "as many past as may be": (PIPELINED, ["build", "smoke", "smoke", "smoke"], 0),
    "what was measured waits for no device": (PIPELINED, ["build", "smoke", "smoke", "grade", "pack"], 4),
    "as many measured as there are agents": (PIPELINED, ["grade", "grade", "grade", "pack"], 0),
    "two devices": (Slots(agent=4, build=1, buffer=2, gates=2), ["build", "smoke", "smoke", "smoke"], 4),
    "two builds": (Slots(agent=4, build=2, buffer=2), ["build", "lint", "smoke", "smoke"], 4),
    "a larger buffer": (Slots(agent=4, build=1, buffer=3), ["build", "smoke", "smoke", "smoke"], 4),
    "without a buffer a slot is held to the end": (Slots(agent=2, build=1), ["smoke"], 1),
    "without a buffer and full": (Slots(agent=1, build=1), ["pack"], 0),
    "more than there are slots for": (Slots(agent=1, build=1), ["session", "session"], 0),
}


@pytest.mark.parametrize(("slots", "stages", "left"), CASES.values(), ids=CASES.keys())
def test_so_many_may_begin(slots: Slots, stages: list[str | None], left: int) -> None:
    assert free(slots, stages) == left


def test_past_its_sessions_is_all_that_comes_after_them() -> None:
    assert {"baseline", "checkout", "session"} | PAST_SESSION == set(STAGES)


def test_one_agent_alone_keeps_the_machine_quiet_for_its_own_measurement() -> None:
    assert [default_buffer(agent) for agent in (1, 2, 8)] == [0, 2, 2]


@given(
    slots=st.builds(Slots, agent=st.integers(1, 4), build=st.integers(1, 2), buffer=st.integers(0, 3)),
    moves=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["session", "build", "smoke", "grade", ""])), max_size=40
    ),
)
def test_however_attempts_go_on_no_more_are_there_than_slots_and_buffer_allow(
    slots: Slots, moves: list[tuple[int, str]]
) -> None:
    stages: list[str | None] = []
    for which, stage in moves:
        stages += [None] * free(slots, stages)
        assert len(stages) <= (2 * slots.agent + slots.past_most - 2 if slots.buffer else slots.agent)
        if which < len(stages):
            stages[which : which + 1] = [stage] if stage else []


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
