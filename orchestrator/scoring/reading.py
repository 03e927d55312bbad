"""What one smoke log was found to hold, read once and batch by batch: counts, faults and clocks, never the lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

from runner_agent.measure import dispatches, throughput, timestamps
from runner_agent.measure.dispatches import Batch
from runner_agent.measure.tagged import Bulk
from runner_agent.measure.text import Faults, Malformed, blocks, number
from runner_agent.measure.throughput import Throughput

TICKS_TAG = "[GPU TICKS]"
_TICKS = {"stated_ns": r"[0-9]{1,20}(?:\.[0-9]{1,20})?", "measured_ns": r"[0-9]{1,20}(?:\.[0-9]{1,20})?"}
_TICKS_START = "[GPU T"


@dataclass(frozen=True, kw_only=True)
class LogReading:
    """`dispatches` and `speeds`: how many there are. `malformed`: the first lines that do not parse as (number, text),
    of `malformed_count`. `printed_s`: seconds of the throughput lines in sum. `stopped`: why reading was given up."""

    dispatches: int = 0
    speeds: int = 0
    malformed: tuple[Malformed, ...] = ()
    malformed_count: int = 0
    printed_s: float | None = None
    spent: timestamps.Spent = field(default_factory=timestamps.Spent)
    rates: tuple[timestamps.Finding, ...] = ()
    stopped: str = ""


def read_log(text: str, dispatch_format: str, throughput_format: str) -> LogReading:
    """Reads a log in known formats, or in an expression that is known to end. An empty format: not looked for."""
    found, told = Faults(), Faults()
    batches = dispatches.batches((text,), dispatch_format, found) if dispatch_format else ()
    samples = throughput.samples((text,), throughput_format, told) if throughput_format else ()
    return digest(text, batches, samples, (found, told))


def digest(
    text: str, batches: Iterable[Batch], samples: Iterable[Throughput], faults: tuple[Faults, Faults], stopped: str = ""
) -> LogReading:
    """The reading of a log from its dispatches and its throughputs, which are taken one after the other."""
    spent = timestamps.Spent()
    for batch in batches:
        spent.add(batch)
    speeds, printed_s = 0, 0.0
    for sample in samples:
        speeds += 1
        printed_s += sample.seconds or 0.0
    return LogReading(
        dispatches=spent.dispatches,
        speeds=speeds,
        malformed=tuple(sorted(chain(faults[0].lines, faults[1].lines))),
        malformed_count=faults[0].count + faults[1].count,
        printed_s=printed_s or None,
        spent=spent,
        rates=tuple(_rates(text)),
        stopped=stopped,
    )


def _rates(text: str) -> Iterable[timestamps.Finding]:
    """What the program found when it held the device's clock against the host's, at most once."""
    if TICKS_TAG not in text:
        return
    bulk = Bulk(TICKS_TAG, _TICKS, lambda told: all(number(told.get(key)) is not None for key in _TICKS), Faults())
    for line, block in blocks((text,)):
        for rows in bulk.read(line, block):
            for stated, measured in zip(rows["stated_ns"], rows["measured_ns"], strict=True):
                found = timestamps.rate(float(stated), float(measured))
                if found:
                    yield found
                    return
