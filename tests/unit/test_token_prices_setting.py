"""The setting `token_prices`: what tokens cost that an agent did not price itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.accounting.tokens import TokenPrice, read_token_prices
from orchestrator.errors import BadSetting
from orchestrator.settings import load


def test_prices_come_from_a_table_of_matins_toml(tmp_path: Path) -> None:
    (tmp_path / "matins.toml").write_text('[token_prices."claude-*"]\nprompt = 3\ncompletion = 15.0\ncached = 0.3\n')
    prices = read_token_prices(load({"home": tmp_path}, directory=tmp_path).token_prices)
    assert prices == {"claude-*": TokenPrice(prompt=3.0, completion=15.0, cached=0.3)}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ('{"m": {"prompt": 1}}', "the price of 'm' lacks 'completion'"),
        ('{"m": {"prompt": -1, "completion": 2}}', "greater than or equal to 0"),
        ('{"m": {"prompt": NaN, "completion": 2}}', "than or equal to"),
        ('{"m": {"prompt": 1, "completion": 2, "thought": 3}}', "'prompt', 'completion' or 'cached'"),
        ("[1]", "valid dictionary"),
        ("{", "token_prices"),
    ],
)
def test_a_bad_price_is_named_with_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, problem: str
) -> None:
    monkeypatch.setenv("MATINS_TOKEN_PRICES", said)
    with pytest.raises(BadSetting, match=problem):
        load({"home": tmp_path}, directory=tmp_path)


def test_the_environment_says_it_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"m": {"prompt": 1.0, "completion": 2.0}}
    monkeypatch.setenv("MATINS_TOKEN_PRICES", json.dumps(said))
    assert load({"home": tmp_path}, directory=tmp_path).token_prices == said
