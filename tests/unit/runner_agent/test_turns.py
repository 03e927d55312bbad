"""Which turns are held."""

from __future__ import annotations

from typing import Any

import pytest

from runner_agent.agents import TurnReading
from runner_agent.protocol import Item, Turn
from runner_agent.stages.session import inner, open_items, told_usd, why_skip

ONE, TWO = Item(id="one", title="One"), Item(id="two", title="Two")
PUSH = Turn(say="Go on.", when="stopped-early")


def test_an_item_stays_open_until_it_is_claimed_to_be_done() -> None:
    assert open_items((ONE, TWO), {"one": "done", "two": "not-done"}) == (TWO,)
    assert open_items((ONE, TWO), {"stranger": "done"}) == (ONE, TWO)


def test_a_plain_turn_is_always_held() -> None:
    assert why_skip(Turn(say="Begin."), (), first=True) == ""


def test_a_push_is_held_only_after_a_turn_that_left_items_open() -> None:
    assert why_skip(PUSH, (TWO,), first=False) == ""
    assert why_skip(PUSH, (), first=False) == "every item is claimed to be done"
    assert why_skip(PUSH, (TWO,), first=True) == "nothing was said before it in this session"


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"cost_usd": 0.25}, 0.25),
        ({"cost_usd": None}, 0.0),
        (None, 0.0),
        ({"cost_usd": -3.0}, 0.0),
        ({"cost_usd": float("inf")}, 0.0),
        ({"cost_usd": "much"}, 0.0),
    ],
)
def test_a_turn_costs_what_the_agent_said_if_that_is_an_amount(usage: dict[str, Any] | None, usd: float) -> None:
    assert told_usd(TurnReading(message="", usage=usage)) == usd


def test_paths_that_an_agent_names_are_taken_relative_to_the_tree() -> None:
    assert inner("src/./a.rs") == inner("/workspace/src/a.rs") == inner("src/../src/a.rs") == "src/a.rs"
    assert inner("/etc/passwd") is inner("../x") is inner("/workspace") is None
