"""The orchestrator's failpoints: every name of the table is reached somewhere, and nothing else can be asked for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import orchestrator
from orchestrator.failpoints import POINTS, Order, parse
from orchestrator.service.acts import Points
from orchestrator.settings import BadSetting, load

SOURCE = Path(orchestrator.__file__).parent


FIELDS = {field.name for field in fields(Points)}


def calls(of: str) -> Iterator[ast.Call]:
    """Every call of the function or class of that name in the source."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == of:
                yield node


def test_every_point_of_the_table_is_reached_in_one_place_and_no_other_is() -> None:
    arguments = [call.args[0] for call in calls("reach")]
    literal = [argument for argument in arguments if isinstance(argument, ast.Constant)]
    named = [keyword.value for call in calls("Points") for keyword in call.keywords]
    assert all(isinstance(value, ast.Constant) for value in named)
    found = [value.value for value in (*literal, *named) if isinstance(value, ast.Constant)]
    assert sorted(map(str, found)) == sorted(POINTS)


def test_a_point_that_is_no_literal_is_one_of_an_acts_points_and_each_of_those_is_reached_once() -> None:
    arguments = [call.args[0] for call in calls("reach")]
    others = [ast.unparse(argument) for argument in arguments if not isinstance(argument, ast.Constant)]
    assert sorted(others) == sorted(f"points.{name}" for name in FIELDS)


def test_orders_are_read_with_their_count() -> None:
    assert parse("act-claimed=kill, tick-after-commit=stop:3,") == {
        "act-claimed": Order(action="kill"),
        "tick-after-commit": Order(action="stop", hit=3),
    }
    assert parse("") == {}


WRONG = {
    "nowhere=kill": "there is no failpoint 'nowhere'",
    "act-claimed": "followed by =kill or =stop",
    "act-claimed=explode": "not by 'explode'",
    "act-claimed=kill:0": "'0' should be a number",
    "act-claimed=kill:": "'' should be a number",
    "act-claimed=kill:²": "'²' should be a number",
    "act-claimed=kill,act-claimed=stop": "named twice",
}


@pytest.mark.parametrize("text", WRONG)
def test_an_order_that_makes_no_sense_is_a_bad_setting(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATINS_FAILPOINTS", text)
    monkeypatch.setenv("MATINS_HOME", str(tmp_path))
    with pytest.raises(BadSetting, match="MATINS_FAILPOINTS") as raised:
        load(directory=tmp_path)
    assert WRONG[text] in str(raised.value)
