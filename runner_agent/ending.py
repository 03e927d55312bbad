"""How the end of a process is judged. Pure."""

from __future__ import annotations

import signal
from typing import Literal

from runner_agent.protocol import StageResult

Stop = Literal["limit", "output", "disk", "disk-floor", "processes", "gone"]


def judge(code: int, stop: Stop | None, limit_s: float, bound: int) -> tuple[StageResult, str]:
    """Result and sentence from an exit status; `bound` is the one that `stop` is about. A shell, and bubblewrap, report
    a signal as 128 + its number."""
    if stop == "limit":
        return "timed-out", f"ended after its limit of {limit_s:g} s"
    if stop is not None:
        return "failed", _STOPPED[stop].format(bound)
    if code == 0:
        return "ok", ""
    number = -code if code < 0 else code - 128
    if number in _SIGNALS:
        return "crashed", f"ended by {_SIGNALS[number]}"
    return "failed", f"exit status {code}"


_STOPPED = {
    "output": "ended after more than {} bytes of output",
    "disk": "ended after it had added more than {} bytes to the disk (limits.disk_bytes)",
    "disk-floor": "disk-floor: ended because the runner's disk is nearly full; make room there",
    "gone": "ended because nobody waits for it any more",
    "processes": "ended with more than {} processes at once (limits.processes)",
}
_SIGNALS = {int(part): part.name for part in signal.Signals}
