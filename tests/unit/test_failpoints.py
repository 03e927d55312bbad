"""The orchestrator's failpoints: every name of the table is reached somewhere, and nothing else can be asked for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import orchestrator
from orchestrator.failpoints import POINTS, Order, parse
from orchestrator.settings import BadSetting, load

SOURCE = Path(orchestrator.__file__).parent


def reached() -> list[object]:
    """The argument of every call of `reach` in the source; None for one that is not a literal."""
    return [
        node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reach"
    ]


def test_every_point_of_the_table_is_reached_in_one_place_and_no_other_is() -> None:
    assert sorted(map(str, reached())) == sorted(POINTS)


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
