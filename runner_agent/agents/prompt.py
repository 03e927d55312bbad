"""What is said to an agent, and how its claims are read."""

from __future__ import annotations

import re
from collections.abc import Iterable

from runner_agent import protocol

_CLAIM = re.compile(r"\W*item\s+[`'\"*]*([a-z0-9][a-z0-9._/-]*)[`'\"*]*\s*:\s*[`'\"*]*(not[ _-]?done|done)\W*", re.I)
_LINE_CHARS = 400


def compose(
    say: str,
    open_items: Iterable[protocol.Item],
    deadline_iso: str,
    seconds_left: float,
    gpu_left_s: float | None = None,
) -> str:
    """The prompt of one turn: what is said, the items still open, the deadline, how the GPU is reached (None: it is
    not), and how to claim an item."""
    items = [f"- {item.id}: {item.title}" for item in open_items]
    parts = [say.strip()]
    if items:
        parts.append("Items still open:\n" + "\n".join(items))
    parts.append(
        f"This session ends at {deadline_iso}, {max(0, int(seconds_left))} seconds from now. What stands in the working"
        " directory then is what counts."
    )
    if gpu_left_s is not None:
        parts.append(
            "No program here can reach the GPU by itself. Run one that needs it as `matins-gpu COMMAND ARGUMENT…`: it"
            f" waits until the device is free. You may hold it for {max(0, int(gpu_left_s))} seconds more in all."
        )
    parts.append(
        "End your last message with one line for each item, on a line of its own:\n"
        "ITEM <id>: done\n"
        "or\n"
        "ITEM <id>: not done"
    )
    return "\n\n".join(parts) + "\n"


def read_claims(text: str, items: Iterable[str]) -> dict[str, str]:
    """Item id -> "done" or "not-done", from lines `ITEM <id>: done`. The last claim on an item stands."""
    known = {item.lower(): item for item in items}
    claims: dict[str, str] = {}
    for line in text.splitlines():
        match = _CLAIM.fullmatch(line) if len(line) <= _LINE_CHARS else None
        item = known.get(match[1].lower()) if match else None
        if match and item is not None:
            claims[item] = "done" if match[2].lower() == "done" else "not-done"
    return claims
