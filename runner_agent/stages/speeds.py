"""The throughputs that a smoke log holds."""

from __future__ import annotations

from pathlib import Path

from runner_agent import timed
from runner_agent.context import Context
from runner_agent.measure import formats, throughput
from runner_agent.measure.throughput import Throughput
from runner_agent.stages import tool


def read(context: Context, log: Path) -> tuple[Throughput, ...]:
    """In order. A campaign's own expression is evaluated in the sandbox and under a clock; one that takes too long
    there has found nothing, and the journal says on which line it was stopped. It is not tried again: the attempt is no
    signal, and others wait for the device."""
    fmt = context.spec.smoke.throughput
    text = log.read_bytes().decode(errors="replace")
    if not formats.is_expression("throughput", fmt):
        return throughput.read(text, fmt).samples if fmt else ()
    if context.found.expression_stopped:
        return ()
    request = {"kind": "throughput", "format": fmt, "text": text}
    try:
        answer = tool.inside(context, timed.VERB, request, writable=False, limit_s=timed.WALL_S)
        stopped = str(answer.get("stopped", ""))
    except tool.ToolFailed as failure:
        answer, stopped = {}, f"{timed.STOPPED}: {failure}"
    if stopped:
        context.found.expression_stopped = True
        context.journal.record("expression-stopped", log=log.name, why=stopped[:500])
        return ()
    return tuple(timed.samples(answer))
