"""The scalar parts of a campaign file: bounded texts, commands, patterns, and paths that stay inside the tree."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath
from typing import Annotated, cast

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from runner_agent.measure import ambiguity, formats

NAME = re.compile(r"[a-z0-9-]{1,63}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
OPENED = "@opened"

_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.")
_SHELL_SIGN = re.compile(r"&&|\|\||>>|[;|&<>`]|\$[\w{(]")


def fault(message: str, remedy: str) -> PydanticCustomError:
    """An error of one value, with its own remedy; an empty one stands for the description of the field."""
    return PydanticCustomError("campaign_fault", "{message}", {"message": message, "remedy": remedy})


def split_command(run: str) -> tuple[str, ...]:
    """The words of `run`, split as a shell splits them; nothing is expanded. Raises ValueError with the reason."""
    try:
        return tuple(shlex.split(run))
    except ValueError as error:
        raise ValueError(
            {"No closing quotation": "a quote is not closed"}.get(str(error), str(error).lower())
        ) from None


def overlay(entry: str) -> tuple[str, str]:
    """(source, destination) of `source -> destination`; a destination that ends in a slash is a folder.

    Raises a fault where the source is not inside the campaign's folder or the destination not inside the tree.
    """
    source, arrow, destination = (part.strip() for part in entry.partition("->"))
    if not (source and arrow and destination) or "->" in destination:
        raise fault(f"{entry!r} is not of the form 'source -> destination'", "say where in the tree the file goes")
    inner_path(source, "the campaign's folder")
    if destination.endswith("/"):
        destination = f"{destination}{PurePosixPath(source).name}"
    return source, tree_path(destination)


def tree_path(text: str) -> str:
    """`text` as a normal relative path in the tree, never in its `.git`. Raises a fault."""
    path = inner_path(text, "the tree")
    if ".git" in path.parts:
        raise fault(f"{text!r} leads into .git", "name a file of the tree")
    return str(path)


def inner_path(text: str, where: str) -> PurePosixPath:
    """`text` as a relative path that stays inside `where`. Raises a fault."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise fault(f"{text!r} is not a path inside {where}", f"say it relative to {where}, without '..'")
    return path


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        suggestion = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:63] or "decode-50"
        raise fault(f"{text!r} is not a name", f"use 1 to 63 of a-z, 0-9 and -, like {suggestion!r}")
    return text


def _variable(text: str) -> str:
    if not VARIABLE.fullmatch(text):
        raise fault(f"{text!r} is not the name of a variable", "use letters, digits and _, not a digit first")
    return text


def _text(text: str) -> str:
    if not text.strip():
        raise fault("is empty", "")
    if "\0" in text:
        raise fault("holds a NUL character", "remove it")
    return text


def _line(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise fault("holds a line break", "keep it on one line")
    return _text(text)


def _git_name(text: str) -> str:
    if text.startswith("-"):
        raise fault(f"{text!r} would be read as an option of git", "write it without the leading '-'")
    return _line(text)


def _run(run: str) -> str:
    _text(run)
    try:
        words = split_command(run)
    except ValueError as error:
        raise fault(
            f"{run!r} cannot be split into words: {error}", "close each quote; escape one that is meant"
        ) from None
    if not words or not words[0]:
        raise fault("is an empty command", "name a program, then its arguments")
    if re.match(r"[A-Za-z_]\w*=", words[0]):
        raise fault(f"begins with {words[0]!r}, and no shell sets it", f"run: env {run}")
    if sign := _SHELL_SIGN.search(_QUOTED.sub("_", run)):
        raise fault(
            f"holds {sign[0]!r}, and no shell runs it",
            "write one entry per command, put it in a script of the tree, or run: bash -c '…'",
        )
    return run


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        remedy = "write a regular expression of Python; in single quotes TOML leaves backslashes alone"
        raise fault(f"{text!r} is not a regular expression: {error}", remedy) from None
    if slow := ambiguity.problem(text):
        raise fault(f"{text!r} {slow}", "")
    return text


def _format(kind: formats.Kind, text: str) -> str:
    if text and (problem := formats.check(kind, text)):
        raise fault(problem, "")
    return text


def _overlay_entry(entry: str) -> str:
    overlay(entry)
    return entry


def _glob(text: str) -> str:
    if text == OPENED:
        raise fault(f"{OPENED!r} stands among globs", f'say paths = "{OPENED}", or globs alone')
    inner_path(text, "the tree")
    return text


def _opened_or_globs(value: object) -> object:
    if value == OPENED or value == [OPENED]:
        return ()
    if isinstance(value, list):
        entries = cast(list[object], value)
        if not entries:
            raise fault("is empty", f'say paths = "{OPENED}" or list globs like "crates/**/*.rs"')
        return tuple(entries)
    if isinstance(value, str):
        raise fault(f"is the text {value!r}", f'say paths = "{OPENED}" or paths = ["{value}"]')
    return value


Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, Field(max_length=1_000_000), AfterValidator(_text)]
Line = Annotated[str, Field(max_length=1_000), AfterValidator(_line)]
GitName = Annotated[str, Field(max_length=1_000), AfterValidator(_git_name)]
Variable = Annotated[str, AfterValidator(_variable)]
Run = Annotated[str, Field(max_length=10_000), AfterValidator(_run)]
Pattern = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_pattern)]
ThroughputFormat = Annotated[str, Field(max_length=1_000), AfterValidator(lambda text: _format("throughput", text))]
DispatchFormat = Annotated[str, Field(max_length=1_000), AfterValidator(lambda text: _format("dispatches", text))]
OverlayEntry = Annotated[str, Field(max_length=1_000), AfterValidator(_overlay_entry)]
TreePath = Annotated[str, Field(max_length=1_000), AfterValidator(tree_path)]
Glob = Annotated[str, Field(max_length=1_000), AfterValidator(_glob)]
# Empty stands for "@opened": every file that the agent opened.
Paths = Annotated[tuple[Glob, ...], BeforeValidator(_opened_or_globs), Field(max_length=200)]
