"""`matins runner doctor`"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.cli import terminal
from orchestrator.cli.answers import listed
from orchestrator.cli.client import Client, segment
from orchestrator.cli.connection import connection
from orchestrator.cli.render import values
from orchestrator.cli.runners import RUNNERS

RESULTS = ("pass", "fail", "unknown")


@dataclass(frozen=True, kw_only=True)
class Prerequisite:
    """`result`: pass, fail or unknown."""

    name: str
    result: str
    found: str = ""
    remedy: str = ""


def examine(name: str, *, as_json: bool) -> int:
    """0 unless something fails; what cannot be known from there fails nothing."""
    with Client(connection()) as client:
        answer = client.post(f"{RUNNERS}/{segment(name)}/doctor")
    found = listed(Prerequisite, answer, "prerequisites")
    if as_json:
        terminal.data_json(answer)
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in lines(found, width):
            terminal.data(line)
    return 1 if any(each.result == "fail" for each in found) else 0


def lines(found: Sequence[Prerequisite], width: int | None = None) -> Iterator[str]:
    """A line for each, its remedy below it, and a sum; within `width` characters, if there is one."""
    longest = max((len(each.name) for each in found), default=0)
    for each in found:
        head = f"{each.result:<7}  {terminal.one_line(each.name):<{longest}}  "
        yield from _wrapped(head, each.found, width)
        if each.remedy:
            yield from _wrapped(" " * (9 + longest) + "  → ", each.remedy, width)
    counts = {result: sum(each.result == result for each in found) for result in RESULTS}
    yield ", ".join(f"{counts[result]} {result}" for result in RESULTS if counts[result]) or values.NONE


def _wrapped(head: str, text: str, width: int | None) -> Iterator[str]:
    said = terminal.one_line(text)
    if width is None or not said:
        yield (head + said).rstrip()
        return
    yield from textwrap.wrap(
        said, max(width, len(head) + 20), initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )
