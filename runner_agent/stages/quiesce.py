"""Ends the agent's reach: its processes are killed and shown to be gone, and the judged tree is made without it."""

from __future__ import annotations

from runner_agent import trees
from runner_agent.context import Context, StageEnd
from runner_agent.control import InfrastructureFault


def run(context: Context) -> StageEnd:
    """Raises InfrastructureFault where a process survives: nothing may be measured beside it."""
    detail = prove(context)
    make_judged(context)
    return StageEnd(detail=detail)


def make_judged(context: Context) -> None:
    """The base's tree with the agent's last commit put over it. Raises InfrastructureFault."""
    with context.base_tree() as base:
        trees.make_judged(
            seam=context.seam,
            base=base,
            shadow=context.shadow,
            target=context.folder.judged,
            streams=context.streams(context.out / "logs" / "checkout-2.log"),
            limit_s=context.spec.limits.checkout_s,
        )


def prove(context: Context) -> str:
    proof = context.seam.quiesce()
    context.journal.record("quiesced", method=proof.method, killed=proof.killed, seconds=proof.seconds)
    if not proof.gone:
        raise InfrastructureFault(
            f"processes of the attempt outlived SIGKILL for {proof.seconds:g} s ({proof.method}); look for processes "
            "in state D on this runner, and restart it"
        )
    return f"{proof.method}: {proof.killed} killed"
