"""Where words go: data to standard output, everything else to standard error. Nothing here imports rich."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from orchestrator.errors import MatinsError, Problem

# Agents write much of what is shown: no byte of theirs may steer the terminal. Newline and tab stay.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile(r"\s*[\n\t]\s*")


def prepare() -> None:
    """Never fail over a character that the terminal's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """`text` with every control character shown as its escape instead of sent."""
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def one_line(text: str) -> str:
    """`text` without control characters and on one line; spaces stay as they are."""
    return _BREAKS.sub(" ", printable(text)).rstrip()


def data(text: str, end: str = "\n") -> None:
    """A result, to standard output."""
    sys.stdout.write(printable(text) + end)
    sys.stdout.flush()


def heading(text: str) -> None:
    """A line of a result that stands out on a terminal which can show that."""
    from orchestrator.settings import wants_color

    bold = wants_color(sys.stdout.isatty())
    sys.stdout.write(f"\x1b[1m{printable(text)}\x1b[0m\n" if bold else f"{printable(text)}\n")


def data_json(value: Any) -> None:
    """A result as JSON, to standard output. Escaped to ASCII, so that it is safe wherever it is shown."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def data_json_line(value: Any) -> None:
    """A part of a result as one line of JSON, to standard output."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def raw(text: str) -> None:
    """A log as it is, or made harmless where a person sees it."""
    sys.stdout.write(printable(text.replace("\r\n", "\n")) if sys.stdout.isatty() else _encodable(text))
    sys.stdout.flush()


def note(text: str) -> None:
    """Progress or an explanation, to standard error."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def confirm(question: str) -> bool:
    """Whether whoever is at the terminal says yes; anything else is no. Only for where there is a terminal."""
    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def report(error: MatinsError) -> None:
    """An error: its problems if it has any, else what happened and what to do, one line each."""
    for problem in error.problems:
        note(one_line(problem_line(problem, getattr(error, "file", ""))))
    if error.problems:
        return
    note(f"matins: {one_line(error.message)}")
    if error.remedy:
        note(f"        {one_line(error.remedy)}")


def problem_line(problem: Problem, file: str) -> str:
    """`FILE:LINE: where: message — remedy`."""
    place = f"{file}:{problem.line}" if problem.line > 0 else file
    where = f"{problem.where}: " if problem.where else ""
    remedy = f" — {problem.remedy}" if problem.remedy else ""
    return f"{place}: {where}{problem.message}{remedy}"


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
