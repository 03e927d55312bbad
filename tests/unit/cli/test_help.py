"""What `--help` promises."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from orchestrator.cli.app import app
from orchestrator.cli.main import run

EXPECTED = """up, api, worker, beat, demo, top, compare
campaign check
episode submit, episode list, episode show, episode watch, episode logs, episode cancel, episode explain, episode pull
episode retry, episode rescore, episode trace
runner add, runner import, runner list, runner show, runner wake, runner sleep, runner drain, runner resume
runner canary, runner doctor, runner remove, runner declare-dead
cost report
notify test, config show"""


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _commands(child, (*path, name))


SERVERS = {("up",), ("api",), ("worker",), ("beat",)}
COMMANDS = dict(_commands(typer.main.get_command(app)))


def _examples(command: Any) -> list[list[str]]:
    text = command.help.partition("Example")[2].replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^\s*(matins .*)$", text, re.MULTILINE)]


def test_every_command_of_this_version_is_there() -> None:
    assert {" ".join(path) for path in COMMANDS} == set(re.split(r"[\n,]\s*", EXPECTED))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_that_is_valid(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    examples = _examples(command)
    assert examples
    for example in examples:
        assert tuple(example[1 : 1 + len(path)]) == path
        command.make_context(path[-1], example[1 + len(path) :])


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_does(path: tuple[str, ...]) -> None:
    for parameter in COMMANDS[path].params:
        assert parameter.help or getattr(parameter, "hidden", False), parameter.name


@pytest.mark.parametrize("path", [path for path in COMMANDS if path not in SERVERS], ids=" ".join)
def test_every_command_that_prints_data_prints_json_too(path: tuple[str, ...]) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[path].params)


@pytest.mark.parametrize("path", [(), ("episode",), *COMMANDS], ids=" ".join)
def test_help_fits_a_terminal_and_exits_with_0(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "--help"]) == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 100


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    from orchestrator import __version__

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"matins {__version__}\n"
