"""Reads a log by a campaign's own regular expression, in a process of its own and under a clock.

Python's `re` may try for hours, and holds every thread of its process meanwhile. A timer of processor time interrupts
it between two steps of a match; where it does not look up for so long, the kernel ends the process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import resource
import signal
import sys
from collections.abc import Generator, Iterator
from typing import Any

from runner_agent import shape
from runner_agent.measure import dispatches, formats, throughput
from runner_agent.measure.text import Faults

VERB = "timed"
CPU_S = 20.0
WALL_S = 120.0
STOPPED = "the expression took too long and was stopped"


def main() -> int:
    """A request on standard input, the answer on standard output; see `answer`. Exit status 2 for no request."""
    end_after(2 * CPU_S)  # The request is read, and the answer written, within it too.
    try:
        request: object = json.load(sys.stdin)
    except (ValueError, RecursionError) as error:
        print(f"the request cannot be read: {error}", file=sys.stderr)
        return 2
    json.dump(answer(shape.table(request), CPU_S), sys.stdout)
    sys.stdout.flush()
    return 0


def answer(request: dict[str, Any], cpu_s: float) -> dict[str, Any]:
    """{"kind", "format", "text"} -> {"found": batches or samples, "malformed", "malformed_count", "stopped"}.

    `stopped` is empty, or a sentence that says on which line the time ran out; what was found before it stands.
    """
    kind, fmt, text = str(request.get("kind")), str(request.get("format")), str(request.get("text"))
    faults, found, stopped = Faults(), list[Any](), ""
    try:
        with allowance(cpu_s):
            read = dispatches.batches if kind == "dispatches" else throughput.samples
            for each in read((text,), fmt, faults):
                found.append(_columns(each) if isinstance(each, dispatches.Batch) else dataclasses.asdict(each))
    except formats.TooSlow as error:
        stopped = str(error)
    return {"found": found, "malformed": faults.lines, "malformed_count": faults.count, "stopped": stopped}


def dispatch_batches(answered: dict[str, Any]) -> Iterator[dispatches.Batch]:
    """The batches of an answer to a request of kind "dispatches"."""
    for columns in shape.listed(answered.get("found")):
        yield dispatches.Batch(**shape.table(columns))


def samples(answered: dict[str, Any]) -> Iterator[throughput.Throughput]:
    """The samples of an answer to a request of kind "throughput"."""
    for sample in shape.listed(answered.get("found")):
        yield throughput.Throughput(**shape.table(sample))


def faults(answered: dict[str, Any]) -> Faults:
    """The faults of an answer."""
    lines = [(int(line), str(text)) for line, text in shape.listed(answered.get("malformed"))]
    return Faults(count=int(answered.get("malformed_count", 0)), lines=lines)


def end_after(cpu_s: float) -> None:
    """Has the kernel end this process once it has used so much, all since its start. For a process that has just begun:
    the kernel counts ticks for this, and getrusage tells exact times, which drift apart."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = math.ceil(cpu_s)
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if soft == resource.RLIM_INFINITY else min(wanted, soft), hard))


@contextlib.contextmanager
def allowance(cpu_s: float) -> Generator[None, None, None]:
    """Raises formats.TooSlow in the block once it has used so much processor time, between two steps of a match; for
    one that does not look up there is `end_after`. Main thread only."""

    def out_of_time(*_: object) -> None:
        raise formats.TooSlow(STOPPED)

    before = signal.signal(signal.SIGPROF, out_of_time)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _columns(batch: dispatches.Batch) -> dict[str, Any]:
    return {
        "seq": list(batch.seq),
        "name": list(batch.name),
        "shader_ns": list(batch.shader_ns),
        "bubble_ns": None if batch.bubble_ns is None else list(batch.bubble_ns),
        "submit_ns": None if batch.submit_ns is None else list(batch.submit_ns),
        "extra": {key: list(column) for key, column in batch.extra.items()},
    }
