"""Build, lint and test: the campaign's own commands on the judged tree."""

from __future__ import annotations

from typing import Literal

from runner_agent.context import Context, StageEnd
from runner_agent.protocol import Command
from runner_agent.stages import fresh

Kind = Literal["build", "lint", "test"]


def run(context: Context, kind: Kind, commands: tuple[Command, ...]) -> StageEnd:
    """Runs each command until one does not end well; `logs/<kind>-K.log` holds what each wrote.
    What a build made is noted."""
    if kind == "build":
        fresh.begin(context)
    for number, command in enumerate(commands, 1):
        if problem := fresh.clear(context):
            return StageEnd(result="failed", detail=problem)
        outcome = context.run(
            "build", command, context.out / "logs" / f"{kind}-{number}.log", tree=context.folder.judged
        )
        if not outcome.ok:
            return StageEnd(result=outcome.result, detail=f"{' '.join(command.argv)}: {outcome.detail}")
    if kind == "build":
        fresh.note(context)
    return StageEnd()
