"""The smoke test: baseline and candidate in turn, on the device's gate, each from a cleared environment."""

from __future__ import annotations

from contextlib import AbstractContextManager

from runner_agent import telemetry, trees
from runner_agent.context import Context, StageEnd
from runner_agent.gates import gate
from runner_agent.home import gpu_gate
from runner_agent.stages.rounds import Rounds


def run(context: Context) -> StageEnd:
    if context.found.base_built:
        with context.base_tree() as source:
            trees.copy(
                seam=context.seam,
                source=source,
                target=context.folder.baseline,
                streams=context.streams(context.out / "logs" / "checkout-3.log"),
                limit_s=context.spec.limits.checkout_s,
            )
    folder = context.out / "smoke"
    folder.mkdir(exist_ok=True)
    with (
        _gate(context),
        telemetry.Sampler(folder / "conditions.jsonl"),
    ):
        return Rounds(context).run()


def _gate(context: Context) -> AbstractContextManager[None]:
    home, gpu = context.home, context.spec.gpu
    if not gpu:
        return gate("gpu", home.gpu_gate, context.control, context.journal)
    name = gpu_gate(gpu)
    return gate(name, home.gate(name), context.control, context.journal, of_all=home.gpu_gate)
