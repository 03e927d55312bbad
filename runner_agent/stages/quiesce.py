"""Ends the agent's reach: its processes are killed and shown to be gone, and the judged tree is made without it."""

from __future__ import annotations

from runner_agent.context import Context, StageEnd
from runner_agent.control import InfrastructureFault
from runner_agent.stages import fresh


def run(context: Context) -> StageEnd:
    """Raises InfrastructureFault where a process survives: nothing may be measured beside it."""
    detail = prove(context)
    fresh.make_judged(context)
    return StageEnd(detail=detail)


def prove(context: Context) -> str:
    proof = context.seam.quiesce()
    context.journal.record("quiesced", method=proof.method, killed=proof.killed, seconds=proof.seconds)
    if not proof.gone:
        raise InfrastructureFault(
            f"processes of the attempt outlived SIGKILL for {proof.seconds:g} s ({proof.method}); look for processes "
            "in state D on this runner, and restart it"
        )
    return f"{proof.method}: {proof.killed} killed"
