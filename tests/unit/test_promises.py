"""docs/promises.md names the tests that there are: for each fault those that are marked with its number, no others."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
PAGE = ROOT / "docs" / "promises.md"

LATER = {2, 25, 26}
"""Faults of parts that Matins does not have yet. Of 27, 29 and 30 some tests are here; the page says what is not."""


def numbers(node: ast.expr) -> list[int]:
    """The arguments of `pytest.mark.fault(…)`, alone or in a list; nothing for another expression."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return [number for each in node.elts for number in numbers(each)]
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
        return [ast.literal_eval(argument) for argument in node.args]
    return []


def marked(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Test function and fault, also where the whole module is marked."""
    all_of_it = [
        number
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        for number in numbers(node.value)
    ]
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            own = [number for decorator in node.decorator_list for number in numbers(decorator)]
            yield from ((node.name, number) for number in (*own, *all_of_it))


@cache
def modules() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(TESTS)): ast.parse(path.read_text("utf-8")) for path in sorted(TESTS.rglob("test_*.py"))
    }


@cache
def files_by_fault() -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for file, module in modules().items():
        for _, fault in marked(module):
            found[fault].add(file)
    return found


def rows() -> dict[int, str]:
    """Fault → the cell of the page's table that names its tests."""
    table = re.findall(r"^\| (\d+) \|[^|]*\| ([^|]*) \|$", PAGE.read_text("utf-8"), flags=re.M)
    return {int(number): cell for number, cell in table}


def promises() -> dict[int, str]:
    """Promise → the text below its heading."""
    parts = re.split(r"^### (\d+)\. .*$", PAGE.read_text("utf-8").split("\n## The thirty faults")[0], flags=re.M)
    return {int(number): text for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def test_the_page_names_for_each_fault_exactly_the_files_that_are_marked_with_it() -> None:
    found = files_by_fault()
    wanted = {number: ", ".join(f"`{file}`" for file in sorted(found[number])) or "—" for number in range(1, 31)}
    named = {number: cell.partition(";")[0].strip() for number, cell in rows().items()}
    wrong = [f"| {number} | … | {cell} |" for number, cell in wanted.items() if named.get(number) != cell]
    assert not wrong, "the table should say:\n" + "\n".join(wrong)


def test_no_mark_names_a_fault_that_there_is_not() -> None:
    assert set(files_by_fault()) <= set(range(1, 31))


def test_every_fault_has_a_test_but_those_that_the_page_says_come_later() -> None:
    assert {number for number in range(1, 31) if not files_by_fault()[number]} <= LATER
    for number in LATER:
        assert "later" in rows()[number], f"the page does not say what of fault {number} is missing"


def test_every_promise_names_tests_that_exist_and_says_its_limits() -> None:
    known = {
        f"{file}::{node.name}"
        for file, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef)
    }
    assert list(promises()) == list(range(1, 11))
    for number, text in promises().items():
        named = re.findall(r"`([\w/]+\.py::\w+)`", text)
        assert named, f"promise {number} names no test"
        assert set(named) <= known, set(named) - known
        assert "Limits:" in text, f"promise {number} says no limits"
