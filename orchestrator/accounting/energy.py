"""What a runner's cumulative meter says of the time between two reports. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.accounting.values import Metered
from runner_agent.protocol import Meter

SLACK = 0.05
SLACK_S = 2.0
"""By how much of an interval, and by how many seconds at least, what was covered may fall short of it: instruments are
read now and then."""

MOST_W = 100_000.0
"""No machine draws more: what says so is an instrument's fault."""


def between(before: Meter | None, now: Meter) -> Metered | None:
    """What was counted from one to the other; None where they cannot be compared: nothing before, another epoch, the
    same or an older count (a report that came twice), or one that fell. An instrument counts from the second time it
    is seen. Where only a part of the time was covered, the end of it is taken to be that part."""
    if before is None or before.epoch != now.epoch or before.whole != now.whole:
        return None
    start, end = moment(before.at), moment(now.at)
    if start is None or end is None:
        return None
    known = before.joules.keys() & now.joules.keys()
    rises = [now.joules[name] - before.joules[name] for name in sorted(known)]
    passed_s, covered_s = (end - start).total_seconds(), now.covered_s - before.covered_s
    if not rises or not all(rise >= 0 for rise in rises) or not passed_s > 0 or not covered_s > 0:
        return None
    if covered_s < passed_s - max(SLACK_S, SLACK * passed_s):
        start, passed_s = end - timedelta(seconds=covered_s), covered_s
    joules = sum(rises)
    if not joules <= MOST_W * passed_s:
        return None
    return Metered(start=start, end=end, joules=joules, whole=now.whole)


def moment(text: str) -> datetime | None:
    """ISO 8601 with a zone, as runners write it; None for what is no moment."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return None
    return told if told.tzinfo else None
