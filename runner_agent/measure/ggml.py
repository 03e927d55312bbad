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
_ROW = (
    rf"^[ \t]{{0,64}}(?P<name>[^\s].{{0,1000}}?): (?P<count>[0-9]{{1,19}}) x (?P<avg_us>{_AMOUNT}) us"
    rf"(?: = (?P<total_us>{_AMOUNT}) us)?(?: \((?P<gflops>{_AMOUNT}) GFLOPS/s\))?[ \t]{{0,64}}\r?$"
)
_ROWS = re.compile(_ROW, re.M)
_END = re.compile(r"^[ \t]{0,64}(?:Total time:|-----)", re.M)
_ROW_MOST_CHARS = 2000


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
        alone = bool(rows) and (len(rows) == lines_most or len(rows) == len(_filled(text)))
        if alone and max([float(row[2]) for row in rows]) < math.inf:
            return rows
        if not self._faults.full:
            return [row for at, each in enumerate(text.split("\n"), line) for row in self._row(at, each.strip())]
        # No line number is wanted any more, and what has no unit is no row.
        lines = _filled(text)
        unlikely = [each for each in lines if _UNIT not in each]
        heads = sum(each.rstrip().endswith(_HEAD) for each in unlikely) if _HEAD in text else 0
        self._faults.count += len(unlikely) - heads
        likely = [each for each in lines if _UNIT in each] if len(unlikely) < len(lines) else []
        return [row for each in likely for row in self._row(0, each.strip())]

    def _row(self, number: int, line: str) -> Iterator[Row]:
        if not line or line.endswith(_HEAD):
            return
        rows: list[Row] = _ROWS.findall(line) if len(line) <= _ROW_MOST_CHARS else []
        if rows and math.isfinite(float(rows[0][2])):
            yield rows[0]
        else:
            self._faults.add(number, line)


def _filled(text: str) -> list[str]:
    """The lines that are not blank."""
    return [each for each in text.split("\n") if each and not each.isspace()]


def _line_end(text: str, position: int) -> int:
    return text.find("\n", position) + 1 or len(text)
