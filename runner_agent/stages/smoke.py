"""The smoke test: baseline and candidate in turn, on the device's gate, each from a cleared environment."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from runner_agent import clock, telemetry, trees
from runner_agent.context import Context, StageEnd
from runner_agent.gates import gate
from runner_agent.home import gpu_gate
from runner_agent.process import Outcome
from runner_agent.stages import speeds


def run(context: Context) -> StageEnd:
    """Stops early at a candidate that does not end well, and begins no round after `max_s`."""
    if context.found.base_built:
        trees.copy(
            seam=context.seam,
            source=context.base.tree,
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
        return _rounds(context)


def _gate(context: Context) -> AbstractContextManager[None]:
    home, gpu = context.home, context.spec.gpu
    if not gpu:
        return gate("gpu", home.gpu_gate, context.control, context.journal)
    name = gpu_gate(gpu)
    return gate(name, home.gate(name), context.control, context.journal, of_all=home.gpu_gate)


def _rounds(context: Context) -> StageEnd:
    measure = context.spec.smoke.measure
    began = clock.monotonic_s()
    notes: list[str] = []
    done = 0
    for number in range(1, measure.rounds + 1):
        if done and clock.monotonic_s() - began > measure.max_s:
            notes.append(f"no round after the {done}th, at {measure.max_s:g} s")
            break
        if context.found.base_built:
            baseline = _smoke(context, number, "baseline", context.folder.baseline)
            if not baseline.ok:
                notes.append(f"baseline of round {number}: {baseline.detail}")
        candidate = _smoke(context, number, "candidate", context.folder.judged)
        done = number
        if not candidate.ok:
            return StageEnd(result=candidate.result, detail=f"round {number}: {candidate.detail}")
    return StageEnd(detail="; ".join([f"{done} rounds", *notes]))


def _smoke(context: Context, number: int, side: str, tree: Path) -> Outcome:
    smoke = context.spec.smoke
    log = context.out / "smoke" / f"{side}-{number}.log"
    at = clock.utc_now()
    outcome = context.run("smoke", smoke.command, log, tree=tree, env=smoke.env, scratch=f"smoke-{side}")
    samples = speeds.read(context, log)
    for sample in samples:
        context.append(
            "smoke/throughput.jsonl",
            {
                "round": number,
                "side": side,
                "tokens": sample.tokens,
                "seconds": sample.seconds,
                "tok_s": sample.tok_s,
                "at": at,
                "exit_code": outcome.exit_code,
            },
        )
    context.journal.record(
        "smoke-round",
        round=number,
        side=side,
        exit_code=outcome.exit_code,
        seconds=outcome.seconds,
        tok_s=samples[-1].tok_s if samples else None,
    )
    return outcome
