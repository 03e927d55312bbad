"""What an agent's tokens cost: as it says, else at the prices that an operator set."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.accounting.tokens import (
    TokenCost,
    TokenPrice,
    price_of,
    read_token_prices,
    token_cost,
    token_lines,
)
from orchestrator.scoring.evidence import Usage

PRICES = read_token_prices(
    {"claude-*": {"prompt": 3, "completion": 15, "cached": 0.3}, "local": {"prompt": 0, "completion": 0}}
)
TOLD = Usage(prompt_tokens=1_000_000, completion_tokens=100_000, cached_tokens=500_000)


def test_what_an_agent_reported_counts_before_any_price_that_was_set() -> None:
    said = Usage(prompt_tokens=1_000_000, completion_tokens=100_000, cost_usd=2.5)
    assert token_cost([said, said], "claude-opus", PRICES) == TokenCost(measured_usd=5.0)


def test_turns_that_named_no_cost_are_priced_by_their_tokens_and_cached_ones_are_read_at_their_own_price() -> None:
    assert token_cost([TOLD], "claude-opus", PRICES) == TokenCost(configured_usd=1.5 + 0.15 + 1.5)
    assert token_cost([TOLD], "local", PRICES) == TokenCost()


def test_turns_of_both_sorts_are_kept_apart() -> None:
    found = token_cost([TOLD, Usage(cost_usd=2.0), None], "claude-opus", PRICES)
    assert found == TokenCost(measured_usd=2.0, configured_usd=3.15, unpriced=1)
    assert found.usd == 5.15


@pytest.mark.parametrize(
    "turn", [None, Usage(), Usage(prompt_tokens=10), Usage(completion_tokens=10), Usage(cost_usd=-1.0)]
)
def test_a_turn_that_told_too_little_has_no_price_and_is_counted(turn: Usage | None) -> None:
    assert token_cost([turn], "claude-opus", PRICES) == TokenCost(unpriced=1)


def test_a_turn_of_a_model_without_a_price_has_none() -> None:
    assert token_cost([TOLD], "gpt-5", PRICES) == TokenCost(unpriced=1)
    assert token_cost([TOLD], "", {"*": PRICES["local"]}) == TokenCost(unpriced=1)


def test_more_cached_tokens_than_were_read_are_no_discount() -> None:
    odd = Usage(prompt_tokens=1_000_000, completion_tokens=0, cached_tokens=9_000_000)
    assert token_cost([odd], "claude-opus", PRICES) == TokenCost(configured_usd=0.3)


def test_the_name_itself_wins_and_then_the_longest_pattern() -> None:
    prices = {
        name: TokenPrice(prompt=n, completion=n, cached=n) for n, name in enumerate(("*", "a-*", "a-b*", "a-b[1m]"))
    }
    assert [price_of(name, prices) for name in ("z", "a-z", "a-bc", "a-b[1m]")] == list(prices.values())
    assert price_of("x-mini", {"x*": prices["*"], "*-mini": prices["a-*"]}) == prices["a-*"]
    assert price_of("z", {"a*": prices["*"]}) is None


def test_what_tokens_cost_is_a_line_for_each_label_charged_to_the_attempt() -> None:
    found = token_lines(
        TokenCost(measured_usd=2.0, configured_usd=1.0),
        day="2026-11-21",
        runner="gpu1",
        episode_id="a",
        attempt_id="a.1",
    )
    assert [(line.charge.label, line.amount.usd, line.amount.seconds) for line in found] == [
        ("configured", 1.0, 0),
        ("measured", 2.0, 0),
    ]
    assert {(line.charge.kind, line.charge.phase, line.charge.attempt_id) for line in found} == {
        ("tokens", "tokens", "a.1")
    }
    assert token_lines(TokenCost(unpriced=3), day="2026-11-21", runner="", episode_id="a", attempt_id="a.1") == ()


def test_cached_tokens_cost_what_others_do_unless_a_price_is_given() -> None:
    assert read_token_prices({"m": {"prompt": 3, "completion": 15}}) == {
        "m": TokenPrice(prompt=3.0, completion=15.0, cached=3.0)
    }
    assert read_token_prices({}) == {}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("cheap", "token prices are a table"),
        (["m"], "token prices are a table"),
        ({"": {"prompt": 1, "completion": 1}}, "'' is no model's name"),
        ({1: {"prompt": 1, "completion": 1}}, "1 is no model's name"),
        ({"m": 3}, "the price of 'm' is no table"),
        ({"m": {"prompt": 3}}, "the price of 'm' lacks 'completion'"),
        ({"m": {"prompt": 3, "completion": 15, "output": 1}}, "the price of 'm' has 'output'"),
        ({"m": {"prompt": "3", "completion": 15}}, "prompt of 'm' costs '3'"),
        ({"m": {"prompt": 3, "completion": -1}}, "completion of 'm' costs -1"),
        ({"m": {"prompt": True, "completion": 1}}, "prompt of 'm' costs True"),
        ({"m": {"prompt": 3, "completion": 1, "cached": json.loads("NaN")}}, "cached of 'm' costs nan"),
        ({"m": {"prompt": 1e7, "completion": 1}}, "a number from 0 to 1000000 is wanted"),
        ({str(n): {} for n in range(1001)}, "1001 models"),
    ],
)
def test_a_setting_that_is_wrong_is_said_in_a_sentence(value: Any, says: str) -> None:
    with pytest.raises(ValueError) as error:
        read_token_prices(value)
    assert says in str(error.value)
