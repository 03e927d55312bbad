"""The rows that llama.cpp prints under GGML_VK_PERF_LOGGER, a block for each graph."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from runner_agent.measure.text import Faults

Row = tuple[str, str, str, str, str]
"""Name, count, mean in µs, total in µs and GFLOPS/s, as they stand there; the last two may be empty."""

_HEAD = "Vulkan Timings:"
_UNIT = " us"
_AMOUNT = r"[0-9]{1,20}(?:\.[0-9]{0,20})?(?:e[+-]?[0-9]{1,3})?"
# Looked for at colons alone: the first after which all the rest of a line fits ends the name.
_ROWS = re.compile(
    rf"^[ \t]{{0,64}}(?P<name>\S[^:\n]*(?::[^:\n]*)*?): (?P<count>[0-9]{{1,19}}) x (?P<avg_us>{_AMOUNT}) us"
    rf"(?: = (?P<total_us>{_AMOUNT}) us)?(?: \((?P<gflops>{_AMOUNT}) GFLOPS/s\))?[ \t]{{0,64}}\r?$",
    re.M,
)
_END = re.compile(r"^[ \t]{0,64}(?:Total time:|-----)", re.M)
_FILLED = re.compile(r"\S.*")
_NAME_MOST_CHARS = 1001


class Rows:
    """A reader of `NAME: n x avg us = total us (x GFLOPS/s)` between `Vulkan Timings:` and `Total time:`; older
    versions print no total of a row. A line of a block that is neither is a fault: two writers may have shared it."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._inside = False
        self._seen = 0

    def read(self, line: int, text: str) -> Iterator[tuple[int, list[Row]]]:
        """(how many rows came before, rows) of a block of plain text of which the first line has this number."""
        position = 0
        while position < len(text):
            if not self._inside:
                head = text.find(_HEAD, position)
                if head < 0:
                    return
                end = _line_end(text, head)
                self._inside = text[head:end].rstrip().endswith(_HEAD)
                line, position = line + text.count("\n", position, end), end
                continue
            found = _END.search(text, position)
            end = found.start() if found else len(text)
            rows = self._section(line, text[position:end])
            if rows:
                yield self._seen, rows
                self._seen += len(rows)
            if found:
                self._inside = False
                end = _line_end(text, found.start())
            line, position = line + text.count("\n", position, end), end

    def _section(self, line: int, text: str) -> list[Row]:
        rows: list[Row] = _ROWS.findall(text) if 2 * text.count(_UNIT) >= text.count("\n") else []
        lines_most = text.count("\n") + (not text.endswith("\n"))
        if rows and len(rows) == lines_most and _usable(rows):
            return rows
        lines = [each.rstrip() for each in _FILLED.findall(text)]
        likely = [each for each in lines if _UNIT in each] if _UNIT in text else []
        rows = _ROWS.findall("\n".join(likely)) if likely else []
        rows = rows if _usable(rows) else [row for row in rows if _usable([row])]
        faults = len(lines) - len(rows) - (sum(map(_is_head, lines)) if _HEAD in text else 0)
        if faults and not self._faults.full:
            self._show(line, text)
        else:
            self._faults.count += faults
        return rows

    def _show(self, line: int, text: str) -> None:
        """Adds each line that is no row, with its number."""
        counted = 0
        for found in _FILLED.finditer(text):
            words = found[0].rstrip()
            rows: list[Row] = _ROWS.findall(words) if _UNIT in words else []
            if not _is_head(words) and not (rows and _usable(rows)):
                line, counted = line + text.count("\n", counted, found.start()), found.start()
                self._faults.add(line, words)


def _is_head(line: str) -> bool:
    return line.endswith(_HEAD)


def _usable(rows: list[Row]) -> bool:
    """Whether all of these are rows: their means are finite, and no name is the rest of a log."""
    return not rows or (
        max([float(row[2]) for row in rows]) < math.inf and max([len(row[0]) for row in rows]) <= _NAME_MOST_CHARS
    )


def _line_end(text: str, position: int) -> int:
    return text.find("\n", position) + 1 or len(text)
