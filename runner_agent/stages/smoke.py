"""The smoke test: baseline and candidate in turn, on the device's gate, each from a cleared environment."""

from __future__ import annotations

import contextlib
import os

from runner_agent import gates, programs, telemetry, trees
from runner_agent.context import Context, StageEnd
from runner_agent.protocol import STALE
from runner_agent.stages import fresh, reuse
from runner_agent.stages.rounds import Rounds


def run(context: Context) -> StageEnd:
    """Nothing is measured, and no GPU waited for, where it would not be what was built; nor where the very same was
    measured and may be reused."""
    if stale := fresh.why_stale(context):
        return StageEnd(result="failed", detail=f"{STALE}: {stale}")
    if context.found.base_built:
        trees.copy(context, context.folder.baseline, context.out / "logs" / "checkout-3.log")
    folder = context.out / "smoke"
    folder.mkdir(exist_ok=True)
    key = reuse.name(context)
    if reused := reuse.take(context, key):
        return reused
    rounds = Rounds(context)
    rounds.prepare()
    with (
        contextlib.ExitStack() as after,
        gates.of_device(context.home, context.spec.gpu, context.control, context.journal),
        context.seam.measuring(context.spec.isolation, alone=context.spec.alone),
    ):
        # It waits for its programs to end, so it is left once the device is another's.
        source = telemetry.Machine(smi=programs.find("nvidia-smi", os.environ), meter_lock=context.home.meter_lock)
        after.enter_context(telemetry.Sampler(folder / "conditions.jsonl", source))
        end = rounds.run()
    return reuse.keep(context, key, rounds, end)
