"""Gives the attempt its own copy of the base, with a shadow repository over it."""

from __future__ import annotations

from pathlib import Path

from runner_agent import mirror, trees
from runner_agent.context import Context, StageEnd


def run(context: Context) -> StageEnd:
    log = context.out / "logs" / "checkout-1.log"
    ensure_mirror(context, log)
    trees.copy(context, context.folder.tree, log)
    context.shadow.make(context.folder.tree)
    return StageEnd()


def ensure_mirror(context: Context, log: Path) -> None:
    """Has the attempt's commit in the runner's mirror of its repository. Raises InfrastructureFault."""
    spec = context.spec
    mirror.ensure(
        seam=context.seam,
        control=context.control,
        mirror=context.mirror,
        url=spec.repo_url,
        commit=spec.commit,
        log=log,
        limit_s=spec.limits.checkout_s,
        log_bytes=spec.limits.log_bytes,
        deliver=spec.deliver,
    )
