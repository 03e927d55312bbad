"""The runner's own verbs, run in the sandbox on what an agent wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runner_agent.confinement import AGENT_FILE, Bind, Wish
from runner_agent.context import Context
from runner_agent.control import InfrastructureFault
from runner_agent.process import Streams

LIMIT_S = 300.0


class ToolFailed(InfrastructureFault):
    """One of the runner's own verbs did not end well in the sandbox."""


def inside(
    context: Context, verb: str, request: dict[str, Any], *, writable: bool = True, limit_s: float = LIMIT_S
) -> dict[str, Any]:
    """Runs one of the runner's own verbs in the sandbox. Raises ToolFailed."""
    answer = context.folder.root / "inside.json"
    complaint = context.folder.root / "inside.log"
    for path in (answer, complaint):
        path.unlink(missing_ok=True)
    wish = Wish(
        role="tool",
        argv=(context.seam.machine.python, "-I", "-S", AGENT_FILE, verb),
        tree=str(context.folder.judged),
        tree_writable=writable,
        # Not the one that commands use: what is kept there is the runner's, and out of the agent's code's reach.
        scratch=str(context.scratch("inside")),
        binds=(Bind(source=str(context.seam.agent_file), target=AGENT_FILE),),
    )
    limit_bytes = 4 * context.spec.limits.log_bytes
    streams = Streams(stdout=answer, stderr=complaint, limit_bytes=limit_bytes, stdin=json.dumps(request).encode())
    outcome = context.seam.run(wish, streams, limit_s)
    if not outcome.ok:
        tail = _tail(complaint)
        raise ToolFailed(f"the runner's own `{verb}` failed: {outcome.detail}; it said: {tail}")
    text = answer.read_bytes()
    return json.loads(text) if text else {}


def _tail(path: Path) -> str:
    return path.read_bytes()[-400:].decode(errors="replace").strip()
