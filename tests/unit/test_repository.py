"""What must hold of the repository as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# What both sides know: the messages, the parsers and the clock they run under, the check of an agent's config, and the
# tags of a device.
SHARED = re.compile(
    r"runner_agent\.(protocol(\..*)?|measure(\..*)?|timed|agents(\.check)?|device_tags(\..*)?|__version__)"
)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_everything_and_names_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=\S)", "\n".join(line for line in text.splitlines() if not line.startswith("#")))

    assert len(entries) > 40
    assert all(re.match(r"[a-z0-9][a-z0-9._-]*(\[[a-z,-]+\])?==\S+ ", entry) for entry in entries)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
    assert str(ROOT) not in text


def test_there_is_one_kind_of_lock() -> None:
    assert not (ROOT / "uv.lock").exists()


def test_the_locks_hold_every_dependency_and_agree() -> None:
    runtime, development = (_pins((ROOT / lock).read_text()) for lock in LOCKS)
    wanted = {_normal(re.split(r"[\[<>=]", entry)[0]) for entry in PROJECT["project"]["dependencies"]}

    assert wanted <= runtime.keys()
    assert runtime.items() <= development.items()


def test_the_runner_agent_imports_the_standard_library_alone() -> None:
    allowed = sys.stdlib_module_names | {"runner_agent"}
    foreign = {
        f"{path.relative_to(ROOT)}: {module}"
        for path, module in _imports("runner_agent")
        if module.split(".")[0] not in allowed
    }

    assert not foreign


def test_the_orchestrator_uses_of_the_runner_agent_only_what_both_sides_know() -> None:
    private = {
        f"{path.relative_to(ROOT)}: {module}"
        for path, module in _imports("orchestrator")
        if module.startswith("runner_agent.") and not SHARED.fullmatch(module)
    }

    assert not private


def test_only_the_settings_read_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "orchestrator").rglob("*.py")
        if path.name != "settings.py"
        and re.search(r"\bos\.(environ\.get|environ\[|getenv)|\bgetenv\(", path.read_text())
    ]

    assert not readers


def test_the_changelog_has_an_unreleased_section() -> None:
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text()


def test_help_is_the_default_target_and_lists_every_other() -> None:
    shown = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, timeout=300, check=True).stdout
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert targets
    assert set(targets[1].split()) == set(re.findall(r"^  make (\S+)", shown, re.MULTILINE))


def _imports(package: str) -> Iterator[tuple[Path, str]]:
    """Each import in the package as (file, module), with the names that are imported from it."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)


def _pins(text: str) -> dict[str, str]:
    return {
        _normal(name): version for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==(\S+)", text, re.M)
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
